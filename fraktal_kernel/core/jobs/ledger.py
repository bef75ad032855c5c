"""What all of the journal shares: its records, and the small changes that others are made of."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fraktal_kernel.core.database import Database, Row, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.monitoring.metrics import observe_job
from fraktal_kernel.core.tracing.context import TraceContext, attempt_of, context_of, new_trace
from fraktal_kernel.errors import Conflict, FraktalError, NotFound

_SUBMIT = (
    "INSERT INTO job(owner_id, capability, params, state, priority, key, parent_id, attempt,"
    " max_attempts, losses, fence, not_before, timeout_s, cancel_requested, agent, avoid, ran_on,"
    " asked_by, traceparent, effect, cost, progress, message, created_at) VALUES(:owner_id,"
    " :capability, :params, :state, :priority, :key, :parent_id, 1, :max_attempts, 0, 0,"
    " :not_before, :timeout_s, FALSE, :agent, :avoid, '', :asked_by, :traceparent, :effect, 0, 0,"
    " '', :created_at)"
    " ON CONFLICT (owner_id, key) WHERE key IS NOT NULL DO NOTHING RETURNING id"
)

_UNKNOWN = (
    "UPDATE job SET error = 'cancelled after it had begun; whether it happened is unknown.'"
    " WHERE id = :id AND effect_started_at IS NOT NULL"
)
_ASK = (
    "INSERT INTO job_question(job_id, name, owner_id, text, choices, asked_at)"
    " VALUES(:id, :name, :owner_id, :text, :choices, :now) ON CONFLICT (job_id, name) DO NOTHING"
)


class Fenced(FraktalError):
    """The job was taken back in the meantime; what was written is refused."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job about to be.

    Parameters
    ----------
    agent : the agent that has to do it, empty for whoever is free
    avoid : agents that are not to do it, empty for the server's own workers, while others can
    asked_by : who wants it where that is no person
    traceparent : W3C trace context of whoever wants it, empty for a trace of its own
    effect : whether what it does to the world cannot be taken back
    """

    owner_id: int
    capability: str
    params: str
    key: str | None = None
    priority: int = 0
    delay_s: float = 0
    timeout_s: float | None = None
    max_attempts: int = 1
    parent_id: int | None = None
    agent: str = ""
    avoid: tuple[str, ...] = ()
    asked_by: str = ""
    traceparent: str = ""
    effect: bool = False

    @property
    def needs_yes(self) -> bool:
        """Whether a person has to agree first: a program wants what cannot be taken back."""
        return self.effect and bool(self.asked_by)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that somebody has the lease of."""

    id: int
    owner_id: int
    fence: int
    capability: str
    params: str
    attempt: int
    timeout_s: float | None
    effect: bool
    traceparent: str = ""

    @property
    def trace(self) -> TraceContext:
        """Where in its trace this attempt at it is."""
        return attempt_of(context_of(self.id, self.traceparent), self.id, self.fence)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claimed job ended: succeeded with a JSON result, or failed with a sentence.

    Parameters
    ----------
    seconds : how long the last try took, for the numbers of this process
    """

    id: int
    fence: int
    state: str
    result: str | None = None
    error: str | None = None
    seconds: float | None = None


class Ledger:
    """Changes inside an open transaction; each tells its event in the same one."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._events = events

    def _submit(self, tx: Transaction, job: Submission, now: float) -> tuple[int, bool]:
        state = "waiting" if job.needs_yes else "queued"
        row = tx.row(
            _SUBMIT,
            {
                "owner_id": job.owner_id,
                "capability": job.capability,
                "params": job.params,
                "state": state,
                "priority": job.priority,
                "key": job.key,
                "parent_id": job.parent_id,
                "max_attempts": 1 if job.effect else job.max_attempts,
                "not_before": now + job.delay_s if job.delay_s else 0,
                "timeout_s": job.timeout_s,
                "agent": job.agent,
                "avoid": json.dumps(job.avoid),
                "asked_by": job.asked_by,
                "traceparent": job.traceparent or str(new_trace()),
                "effect": job.effect,
                "created_at": now,
            },
        )
        if row is None:
            old = tx.row(
                "SELECT id FROM job WHERE owner_id = :owner_id AND key = :key",
                {"owner_id": job.owner_id, "key": job.key},
            )
            if old is None:
                raise Conflict(f"the key {job.key!r} was just in use; submit again.")
            return int(old[0]), False
        self._tell(tx, row[0], job.owner_id, state, capability=job.capability)
        return int(row[0]), True

    def _tell(self, tx: Transaction, job_id: int, owner_id: int, state: str, **more: Any) -> None:
        self._events.append(tx, "jobs.state", str(job_id), owner_id, {"state": state, **more})

    def _tell_end(
        self,
        tx: Transaction,
        job: Row,
        state: str,
        seconds: float | None = None,
        **more: Any,
    ) -> None:
        """Tell that a job has ended, to its parent too; count it once that is written.

        Parameters
        ----------
        job : its number, owner, capability and parent
        """
        job_id, owner_id, capability, parent_id = job
        if state == "cancelled":
            tx.execute(_UNKNOWN, {"id": job_id})
        self._tell(tx, job_id, owner_id, state, **more)
        self._wake_parent(tx, parent_id)
        tx.afterwards.append(partial(observe_job, capability, state, seconds))

    def _owned(self, tx: Transaction, job_id: int, fence: int) -> int:
        row = tx.row(
            "SELECT owner_id FROM job WHERE id = :id AND fence = :fence AND state = 'running'",
            {"id": job_id, "fence": fence},
        )
        if row is None:
            raise Fenced(f"job {job_id} was taken back from this worker.")
        return int(row[0])

    def _state(self, tx: Transaction, job_id: int) -> str:
        row = tx.row("SELECT state FROM job WHERE id = :id", {"id": job_id})
        if row is None:
            raise NotFound(f"there is no job {job_id}.")
        return str(row[0])

    def _wait(
        self, tx: Transaction, job_id: int, owner_id: int, wake_at: float | None = None
    ) -> None:
        tx.execute(
            "UPDATE job SET state = 'waiting', worker = NULL, lease_until = NULL,"
            " wake_at = :wake_at WHERE id = :id",
            {"id": job_id, "wake_at": wake_at},
        )
        self._tell(tx, job_id, owner_id, "waiting")
        if tx.row("SELECT id FROM job WHERE id = :id AND cancel_requested", {"id": job_id}):
            # It was cancelled a moment ago and its process had not heard: nobody would wake it.
            self._cancel(tx, job_id)

    def _ask(
        self,
        tx: Transaction,
        job_id: int,
        owner_id: int,
        name: str,
        text: str,
        choices: Sequence[str],
    ) -> None:
        """Write a question to a person, and tell of it; one that was asked before stays."""
        asked = {"text": text, "choices": list(choices)}
        values = {"id": job_id, "name": name, "owner_id": owner_id, "now": time.time()}
        tx.execute(_ASK, {**values, "text": text, "choices": json.dumps(asked["choices"])})
        self._events.append(tx, "jobs.question", str(job_id), owner_id, asked)

    def _cancel(self, tx: Transaction, job_id: int) -> None:
        row = tx.row(
            "UPDATE job SET cancel_requested = TRUE, wake_at = NULL,"
            " ended_at = CASE WHEN state = 'running' THEN NULL ELSE :now END,"
            " state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END"
            " WHERE id = :id AND state IN ('queued', 'waiting', 'running')"
            " RETURNING id, owner_id, capability, parent_id, state",
            {"now": time.time(), "id": job_id},
        )
        if row is None:
            return
        if row[4] == "cancelled":
            self._tell_end(tx, row[:4], "cancelled")
        for child in tx.rows("SELECT id FROM job WHERE parent_id = :id", {"id": job_id}):
            self._cancel(tx, child[0])

    def _resume(self, tx: Transaction, job_id: int) -> None:
        row = tx.row(
            "UPDATE job SET state = 'queued', not_before = 0, wake_at = NULL WHERE id = :id"
            " AND state = 'waiting' RETURNING owner_id",
            {"id": job_id},
        )
        if row is not None:
            self._tell(tx, job_id, row[0], "queued")

    def _wake_parent(self, tx: Transaction, parent_id: int | None) -> None:
        if parent_id is not None:
            self._resume(tx, parent_id)
