"""What somebody should look at now: a full disk, a queue that stands, failures, lost agents.

The same conditions stand in ``deploy/prometheus/alerts.yml`` for whoever runs Prometheus;
``tests/system/test_observability.py`` holds the two together with a real one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

#: Of fewer jobs than this, a share that failed says nothing.
FEW_JOBS = 5
#: The time over which failures are counted.
FAILURES_S = 3600.0


class Alert(BaseModel):
    """One condition that holds now, and what to do about it."""

    name: str
    severity: Literal["warning", "critical"]
    text: str


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
    offline_agents : names of agents that should be there and are not
    """

    problems: Mapping[str, str] = field(default_factory=dict)
    queue_age_s: float = 0.0
    ended: Mapping[str, int] = field(default_factory=dict)
    disk_free_bytes: int = 1
    disk_size_bytes: int = 1
    offline_agents: Sequence[str] = ()


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
    found = list(_alerts(facts, limits))
    return sorted(found, key=lambda alert: alert.severity != "critical")


def _alerts(facts: Facts, limits: Limits) -> Iterator[Alert]:
    for part, said in facts.problems.items():
        yield Alert(name=f"{part}_down", severity="critical", text=f"{part}: {said}")
    share = facts.disk_free_bytes / facts.disk_size_bytes
    if share < limits.disk_free_share:
        yield Alert(
            name="disk_full",
            severity="critical",
            text=f"the workspace's disk has {facts.disk_free_bytes / 1e9:.1f} GB left "
            f"({share:.1%}); free some space.",
        )
    if facts.queue_age_s > limits.queue_age_s:
        yield Alert(
            name="queue_stands",
            severity="warning",
            text=f"a job has waited {_minutes(facts.queue_age_s)} for a worker; start more "
            "workers or agents, or cancel what runs.",
        )
    ended, failed = sum(facts.ended.values()), facts.ended.get("failed", 0)
    if ended >= FEW_JOBS and failed / ended > limits.failed_share:
        yield Alert(
            name="jobs_fail",
            severity="warning",
            text=f"{failed} of the {ended} jobs that ended within the last hour failed; their "
            "cards say why.",
        )
    for name in facts.offline_agents:
        yield Alert(
            name="agent_offline",
            severity="warning",
            text=f"the agent {name!r} does not answer; start it again, or remove it.",
        )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
