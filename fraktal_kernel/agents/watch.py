"""What a server watches of agents, plans, people, the bus and language models: facts and alerts.

The facts are read from the database at once, at most every :data:`FRESH_S`, however many pages
and Prometheus look. Alerts and numbers are both made of them, so that the two cannot differ.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fraktal_kernel.agents.bus.upkeep import Upkeep
from fraktal_kernel.core.monitoring.alerts import (
    FAILURES_S,
    Alert,
    in_words,
    rule,
    too_many,
)
from fraktal_kernel.core.monitoring.metrics import register_metrics
from fraktal_kernel.core.topics import topic_condition
from fraktal_kernel.errors import InvalidInput

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from fraktal_kernel.core.database import Transaction
    from fraktal_kernel.core.local import Engine
    from fraktal_kernel.core.settings import Settings

FRESH_S = 2.0
#: An agent that was lost may take so long to come back, and is forgotten after so long.
LOST_S, FORGOTTEN_S = 30.0, 86400.0
#: A message that has not reached the broker for so long says that the broker is away.
BROKER_S = 60.0
#: So many agents and plans are named; of more the first ones say enough.
MOST_NAMED = 100
PLAN_STATES = ("queued", "running", "waiting")

AGENT_OFFLINE = rule("agent_offline")
AGENT_FAILS = rule("agent_fails")
APPROVAL_WAITS = rule("approval_waits")
PLAN_STANDS = rule("plan_stands")
BUS_AWAY = rule("bus_away", "critical")
BUS_LAGS = rule("bus_lags")
BUS_DEAD = rule("bus_dead_letters")
MODEL_RESTS = rule("model_rests")

Named = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of one kind waits for one person: how many, and since when the oldest, in seconds."""

    kind: str
    owner_id: int
    count: int
    oldest_age_s: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known now; all ages in seconds.

    Parameters
    ----------
    lost : agents that went without a word, by owner and name, and for how long
    tasks : how the tasks of the last hour ended, by owner and name of their agent
    waiting : approvals and questions that a person has not answered
    plans : how many plans are in a state
    standing : plans of which nothing has moved, by owner and number, and for how long
    outbox_age_s : of the oldest message that has not reached the broker
    bus_age_s : of the oldest message that a group has not handled
    dead_letters : how many lie there, by group
    resting : language models that rest after failures
    """

    lost: dict[Named, float] = field(default_factory=dict)
    tasks: dict[Named, Counter[str]] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    plans: dict[str, int] = field(default_factory=dict)
    standing: dict[tuple[int, int], float] = field(default_factory=dict)
    outbox_age_s: float = 0.0
    bus_age_s: float = 0.0
    dead_letters: dict[str, int] = field(default_factory=dict)
    resting: list[str] = field(default_factory=list)


def watch_alerts(seen: Watched, settings: Settings) -> Iterator[Alert]:
    """Say which conditions hold."""
    for (owner_id, name), _ in list(seen.lost.items())[:MOST_NAMED]:
        yield AGENT_OFFLINE.holds(
            f"the agent {name!r} went without a word and does not come back; start it again or, "
            f"where it is to stay away, say: fraktal agent drain {name}.",
            owner_id,
        )
    for (owner_id, name), ended in list(seen.tasks.items())[:MOST_NAMED]:
        failed = ended["failed"] + ended["lost"]
        if too_many(failed, ended.total(), settings.alert_failed_share):
            yield AGENT_FAILS.holds(
                f"{failed} of the {ended.total()} tasks that the agent {name!r} ended within the "
                "last hour went wrong; its history says why.",
                owner_id,
            )
    for owner_id in sorted({each.owner_id for each in seen.waiting}):
        mine = [each for each in seen.waiting if each.owner_id == owner_id]
        oldest = max(each.oldest_age_s for each in mine)
        if oldest > settings.alert_waits_s:
            yield APPROVAL_WAITS.holds(
                f"{sum(each.count for each in mine)} of your answers are waited for, one since "
                f"{in_words(oldest)}; they stand under Approvals.",
                owner_id,
            )
    for (owner_id, job_id), age_s in seen.standing.items():
        if age_s > settings.alert_waits_s:
            yield PLAN_STANDS.holds(
                f"nothing of the plan in job {job_id} has moved for {in_words(age_s)}; look what "
                "its steps wait for, or cancel it.",
                owner_id,
            )
    if seen.outbox_age_s > BROKER_S:
        yield BUS_AWAY.holds(
            f"messages wait for the broker since {in_words(seen.outbox_age_s)}; they are kept, "
            "see that it runs and that FRAKTAL_BUS names it."
        )
    if seen.bus_age_s > settings.alert_queue_age_s:
        yield BUS_LAGS.holds(
            f"a message of the bus has waited {in_words(seen.bus_age_s)} to be handled; fraktal "
            "bus show says for whom."
        )
    if dead := sum(seen.dead_letters.values()):
        yield BUS_DEAD.holds(
            f"{dead} messages could not be handled (of {', '.join(seen.dead_letters)}); fraktal "
            "bus dead lists them, fraktal bus redrive delivers them again."
        )
    for model in seen.resting:
        yield MODEL_RESTS.holds(
            f"the language model {model} rests after several failures, and others answer for it; "
            "see that its server runs."
        )


class Watch:
    """Watches one serving workbench, for its pages and for Prometheus."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._seen = Watched()
        self._seen_at = -FRESH_S
        self._forget = register_metrics(self.collect)
        engine.watchers.append(self.alerts)

    def see(self) -> Watched:
        """Read the facts, or return those of a moment ago."""
        with self._lock:
            if time.monotonic() - self._seen_at >= FRESH_S:
                self._seen = self._look()
                self._seen_at = time.monotonic()
            return self._seen

    def alerts(self) -> list[Alert]:
        """Say which of our rules hold now."""
        return list(watch_alerts(self.see(), self._engine.settings))

    def close(self) -> None:
        """Watch no more."""
        self._forget()
        if self.alerts in self._engine.watchers:
            self._engine.watchers.remove(self.alerts)

    # ------------------------------------------------------------------ facts

    def _look(self) -> Watched:
        from fraktal_kernel.agents.models.answers import breakers_of

        now = time.time()
        upkeep = Upkeep(self._engine.database)
        with self._engine.database.read() as tx:
            lost, tasks, waiting = _lost(tx, now), _tasks(tx, now), _waiting(tx, now)
            plans, standing = _plans(tx, now)
            bus_age_s, dead = _bus(tx, now)
        breakers = breakers_of(self._engine)
        resting = [model for model in self._models() if breakers.open(model)]
        return Watched(
            lost, tasks, waiting, plans, standing, upkeep.outbox_age_s(), bus_age_s, dead, resting
        )

    def _models(self) -> list[str]:
        from fraktal_kernel.agents.models.shelf import Shelf

        try:
            return [choice.model for choice in Shelf(self._engine.settings).read().now]
        except InvalidInput:  # whoever asks a model is told
            return []

    # ------------------------------------------------------------------ numbers

    def collect(self) -> list[Metric]:
        """Make the metrics of this moment."""
        from prometheus_client.core import GaugeMetricFamily

        seen = self.see()
        lost = GaugeMetricFamily(
            "fraktal_agent_lost",
            "1 for an agent that went without a word and has not come back.",
            labels=["agent"],
        )
        for _, name in list(seen.lost)[:MOST_NAMED]:
            lost.add_metric([name], 1)
        waiting = GaugeMetricFamily(
            "fraktal_approvals_waiting", "What waits for a person's answer.", labels=["kind"]
        )
        for kind in ("approval", "question"):
            waiting.add_metric([kind], sum(w.count for w in seen.waiting if w.kind == kind))
        plans = GaugeMetricFamily(
            "fraktal_plans", "Plans that are in a state now.", labels=["state"]
        )
        for state in PLAN_STATES:
            plans.add_metric([state], seen.plans.get(state, 0))
        ages = {
            "approvals_oldest_age": (
                "Age of the oldest question that a person has not answered; 0 for none.",
                max((each.oldest_age_s for each in seen.waiting), default=0.0),
            ),
            "plans_standing": (
                "How long nothing of a plan has moved, of the one that stands longest; 0 for none.",
                max(seen.standing.values(), default=0.0),
            ),
            "bus_oldest_age": (
                "Age of the oldest message that a group has not handled; 0 for none.",
                seen.bus_age_s,
            ),
        }
        dead = GaugeMetricFamily(
            "fraktal_bus_dead_letters",
            "Messages that lie there as dead letters.",
            value=sum(seen.dead_letters.values()),
        )
        return [
            *(lost, waiting, plans, dead),
            *(
                GaugeMetricFamily(f"fraktal_{name}_seconds", text, value=value)
                for name, (text, value) in ages.items()
            ),
        ]


def _lost(tx: Transaction, now: float) -> dict[Named, float]:
    rows = tx.rows(
        "SELECT owner_id, name, last_beat FROM agent WHERE state = 'lost'"
        " AND last_beat BETWEEN :forgotten AND :lost ORDER BY last_beat DESC",
        {"forgotten": now - FORGOTTEN_S, "lost": now - LOST_S},
    )
    return {(owner_id, name): now - beat for owner_id, name, beat in rows}


def _tasks(tx: Transaction, now: float) -> dict[Named, Counter[str]]:
    from fraktal_kernel.agents.registry import WINDOW_TASKS

    found: dict[Named, Counter[str]] = {}
    for owner_id, name, state, count in tx.rows(
        "SELECT a.owner_id, a.name, t.state, COUNT(*) FROM agent_task t"
        " JOIN agent a ON a.id = t.agent_id"
        " WHERE t.id > (SELECT COALESCE(MAX(id), 0) FROM agent_task) - :most"
        " AND t.ended_at >= :since AND t.state IN ('succeeded', 'failed', 'lost')"
        " GROUP BY a.owner_id, a.name, t.state",
        {"most": WINDOW_TASKS, "since": now - FAILURES_S},
    ):
        found.setdefault((owner_id, name), Counter())[state] = int(count)
    return found


def _waiting(tx: Transaction, now: float) -> list[Waiting]:
    found = []
    for kind, rows in (
        (
            "approval",
            "SELECT owner_id, COUNT(*), MIN(asked_at) FROM approval WHERE state = 'open'"
            " AND expires_at > :now GROUP BY owner_id",
        ),
        (
            "question",
            "SELECT q.owner_id, COUNT(*), MIN(q.asked_at) FROM job_question q"
            " JOIN job j ON j.id = q.job_id WHERE q.answer IS NULL AND j.state = 'waiting'"
            " GROUP BY q.owner_id",
        ),
    ):
        for owner_id, count, oldest in tx.rows(rows, {"now": now}):
            found.append(Waiting(kind, owner_id, int(count), max(0.0, now - oldest)))
    return found


def _plans(tx: Transaction, now: float) -> tuple[dict[str, int], dict[tuple[int, int], float]]:
    """Count open plans, and find those whose steps neither run nor wait for a person."""
    count: Counter[str] = Counter()
    standing: dict[tuple[int, int], float] = {}
    for job_id, owner_id, state, begun in tx.rows(
        "SELECT id, owner_id, state, COALESCE(started_at, created_at) FROM job"
        " WHERE state IN ('queued', 'running', 'waiting') AND capability = 'plan.run' ORDER BY id"
    ):
        count[state] += 1
        if state != "waiting" or len(standing) >= MOST_NAMED:
            continue
        steps = tx.rows(
            "SELECT j.state, COALESCE(j.ended_at, j.started_at, j.created_at), q.name, a.id"
            " FROM job j"
            " LEFT JOIN job_question q ON q.job_id = j.id AND q.answer IS NULL"
            " LEFT JOIN approval a ON a.job_id = j.id AND a.state = 'open'"
            " WHERE j.parent_id = :id",
            {"id": job_id},
        )
        moves = any(
            state == "running" or question or approval for state, _, question, approval in steps
        )
        if not moves:
            last = max([begun, *(at for _, at, _, _ in steps)])
            standing[owner_id, job_id] = max(0.0, now - last)
    return dict(count), standing


def _bus(tx: Transaction, now: float) -> tuple[float, dict[str, int]]:
    """Find how old the oldest unhandled message is, and count dead letters by group."""
    row = tx.row(
        "SELECT MIN(m.created_at) FROM bus_delivery d JOIN bus_message m ON m.seq = d.seq"
        " WHERE d.due_at IS NOT NULL"
    )
    oldest = [row[0]] if row and row[0] is not None else []
    for pattern, position in tx.rows("SELECT pattern, position FROM bus_group WHERE NOT fed"):
        condition, words = topic_condition(pattern)
        unread = tx.row(
            f"SELECT created_at FROM bus_message m WHERE seq > :position AND {condition}"
            " ORDER BY seq LIMIT 1",
            {"position": position, **words},
        )
        oldest += [unread[0]] if unread else []
    dead = tx.rows(
        "SELECT group_name, COUNT(*) FROM bus_delivery WHERE dead_at IS NOT NULL"
        " AND discarded_at IS NULL GROUP BY group_name ORDER BY group_name"
    )
    return max(0.0, now - min(oldest, default=now)), {name: int(count) for name, count in dead}
