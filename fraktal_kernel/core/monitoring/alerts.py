"""What somebody should look at now: a full disk, a queue that stands, failures, lost agents.

Each condition is a :class:`Rule` under its name. A room above adds rules of its own and hangs up
the function that says which of them hold (``Engine.watchers``). The same conditions stand in
``deploy/prometheus/alerts.yml`` for whoever runs Prometheus;
``tests/system/test_observability.py`` holds the two together with a real one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field

#: Of fewer jobs than this, a share that failed says nothing.
FEW_JOBS = 5
#: The time over which failures are counted.
FAILURES_S = 3600.0
Severity = Literal["warning", "critical"]


class Alert(BaseModel):
    """One condition that holds now, and what to do about it."""

    name: str
    severity: Severity
    text: str
    #: whose it is, None where it concerns everybody who may read
    owner_id: int | None = Field(None, exclude=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that can be an alert, here and in Prometheus under the same name."""

    name: str
    severity: Severity

    def holds(self, text: str, owner_id: int | None = None) -> Alert:
        """Make the alert; the text says what is wrong and what to do."""
        return Alert(name=self.name, severity=self.severity, text=text, owner_id=owner_id)


#: Every rule by its name.
rules: dict[str, Rule] = {}


def rule(name: str, severity: Severity = "warning") -> Rule:
    """Add a rule."""
    made = rules[name] = Rule(name, severity)
    return made


_DOWN = {part: rule(f"{part}_down", "critical") for part in ("database", "store", "workers")}
_DISK = rule("disk_full", "critical")
_QUEUE = rule("queue_stands")
_FAILURES = rule("jobs_fail")


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is worth an alert.

    Parameters
    ----------
    queue_age_s : seconds that a job which could start may wait
    failed_share : share of the jobs that ended within an hour
    disk_free_share : share of the workspace's disk
    """

    queue_age_s: float
    failed_share: float
    disk_free_share: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a workbench now.

    Parameters
    ----------
    problems : parts that do not work and what they say, such as the database
    queue_age_s : age of the oldest job that could start and has not
    ended : how many jobs ended within :data:`FAILURES_S`, by state
    disk_free_bytes, disk_size_bytes : of the disk with the workspace
    """

    problems: Mapping[str, str] = field(default_factory=dict)
    queue_age_s: float = 0.0
    ended: Mapping[str, int] = field(default_factory=dict)
    disk_free_bytes: int = 1
    disk_size_bytes: int = 1


def alerts(facts: Facts, limits: Limits) -> list[Alert]:
    """Say which conditions hold, the most urgent first.

    Examples
    --------
    >>> limits = Limits(queue_age_s=300, failed_share=0.5, disk_free_share=0.05)
    >>> alerts(Facts(), limits)
    []
    >>> [alert.name for alert in alerts(Facts(ended={"failed": 4, "succeeded": 2}), limits)]
    ['jobs_fail']
    """
    return urgent_first(_alerts(facts, limits))


def urgent_first(found: Iterable[Alert]) -> list[Alert]:
    """Put what cannot wait before what can."""
    return sorted(found, key=lambda alert: alert.severity != "critical")


def too_many(failed: int, ended: int, share: float) -> bool:
    """Tell whether more failed than may, of enough to say so."""
    return ended >= FEW_JOBS and failed / ended > share


def _alerts(facts: Facts, limits: Limits) -> Iterator[Alert]:
    for part, said in facts.problems.items():
        yield _DOWN[part].holds(f"{part}: {said}")
    share = facts.disk_free_bytes / facts.disk_size_bytes
    if share < limits.disk_free_share:
        yield _DISK.holds(
            f"the workspace's disk has {facts.disk_free_bytes / 1e9:.1f} GB left ({share:.1%}); "
            "free some space."
        )
    if facts.queue_age_s > limits.queue_age_s:
        yield _QUEUE.holds(
            f"a job has waited {in_words(facts.queue_age_s)} for a worker; start more workers or "
            "agents, or cancel what runs."
        )
    ended, failed = sum(facts.ended.values()), facts.ended.get("failed", 0)
    if too_many(failed, ended, limits.failed_share):
        yield _FAILURES.holds(
            f"{failed} of the {ended} jobs that ended within the last hour failed; their cards say "
            "why."
        )


def in_words(seconds: float) -> str:
    """Say a length of time, short.

    Examples
    --------
    >>> in_words(90), in_words(7200), in_words(400_000)
    ('2 min', '2 h', '5 days')
    """
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86400:.0f} days"
