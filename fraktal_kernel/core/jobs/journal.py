"""The journal: every change of a job's state, as one transaction each.

A job is claimed with a lease and a fencing number. Whoever works on it names that number
with everything it writes; after the job was taken back, the number no longer fits and the
write is refused (:class:`Fenced`), so two workers can never both move one job.

::

    queued ──claim──> running ──succeed──> succeeded
      ^                 │ ├──fail────────> failed      (or queued again, after a delay)
      │                 │ ├──give_up─────> cancelled
      └──answer── waiting <┘ ask, call
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.errors import Conflict, FraktalError, InvalidInput, NotFound

#: A job that loses its worker so often, without finishing a step in between, kills workers.
MAX_LOSSES = 5
MAX_DELAY_S = 60.0

_SUBMIT = (
    "INSERT INTO job(owner_id, capability, params, state, priority, key, parent_id, attempt,"
    " max_attempts, losses, fence, not_before, timeout_s, cancel_requested, progress, message,"
    " created_at) VALUES(:owner_id, :capability, :params, 'queued', :priority, :key, :parent_id,"
    " 1, :max_attempts, 0, 0, :not_before, :timeout_s, FALSE, 0, '', :created_at)"
    " ON CONFLICT (owner_id, key) WHERE key IS NOT NULL DO NOTHING RETURNING id"
)
# Materialised, or PostgreSQL may run the inner query again for each row and claim too many.
_CLAIM = (
    "WITH next AS MATERIALIZED (SELECT id FROM job WHERE state = 'queued'"
    " AND not_before <= :now ORDER BY priority DESC, id LIMIT :count{lock})"
    " UPDATE job SET state = 'running', fence = fence + 1, worker = :worker,"
    " lease_until = :lease_until, started_at = COALESCE(started_at, :now)"
    " WHERE id IN (SELECT id FROM next)"
    " RETURNING id, owner_id, fence, capability, params, attempt, timeout_s, priority"
)
_END = (
    "UPDATE job SET state = :state, result = :result, error = :error, ended_at = :now,"
    " lease_until = NULL, worker = NULL, message = '',"
    " progress = CASE WHEN :state = 'succeeded' THEN 1 ELSE progress END"
    " WHERE id = :id AND fence = :fence AND state = 'running' RETURNING owner_id, parent_id"
)


class Fenced(FraktalError):
    """The job was taken back in the meantime; what was written is refused."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job about to be."""

    owner_id: int
    capability: str
    params: str
    key: str | None = None
    priority: int = 0
    delay_s: float = 0
    timeout_s: float | None = None
    max_attempts: int = 1
    parent_id: int | None = None


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claimed job ended: succeeded with a JSON result, or failed with a sentence."""

    id: int
    fence: int
    state: str
    result: str | None = None
    error: str | None = None


class Journal:
    """Writes what happens to jobs; :mod:`fraktal_kernel.core.jobs.reading` reads it."""

    def __init__(self, database: Database, events: Events, retry_delay_s: float = 1.0) -> None:
        self._database = database
        self._events = events
        self._retry_delay_s = retry_delay_s

    # ------------------------------------------------------------------ into the queue

    def submit(self, jobs: Sequence[Submission]) -> list[tuple[int, bool]]:
        """Queue jobs in one transaction.

        Returns
        -------
        pairs of the job's number and whether it is new; a known key gives the old number
        """
        with self._database.write() as tx:
            made = [self._submit(tx, job, time.time()) for job in jobs]
        self._events.announce()
        return made

    def _submit(self, tx: Transaction, job: Submission, now: float) -> tuple[int, bool]:
        row = tx.row(
            _SUBMIT,
            {
                "owner_id": job.owner_id,
                "capability": job.capability,
                "params": job.params,
                "priority": job.priority,
                "key": job.key,
                "parent_id": job.parent_id,
                "max_attempts": job.max_attempts,
                "not_before": now + job.delay_s if job.delay_s else 0,
                "timeout_s": job.timeout_s,
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
        self._tell(tx, row[0], job.owner_id, "queued", capability=job.capability)
        return int(row[0]), True

    def retry(self, job_id: int) -> None:
        """Queue an ended job again with all its tries; finished steps stay finished."""
        with self._database.write() as tx:
            row = tx.row(
                "UPDATE job SET state = 'queued', attempt = 1, losses = 0, error = NULL,"
                " result = NULL, ended_at = NULL, started_at = NULL, not_before = 0, progress = 0,"
                " message = '', cancel_requested = FALSE WHERE id = :id"
                " AND state IN ('failed', 'cancelled') RETURNING owner_id, capability",
                {"id": job_id},
            )
            if row is None:
                state = self._state(tx, job_id)
                raise Conflict(
                    f"job {job_id} is {state}; only a failed or cancelled job can be retried."
                )
            # A child that failed would fail its parent again at once: it gets its new try too.
            for child in tx.rows(
                "SELECT id FROM job WHERE parent_id = :id AND state IN ('failed', 'cancelled')",
                {"id": job_id},
            ):
                tx.execute(
                    "UPDATE job SET key = NULL WHERE id = :id",
                    {"id": child[0]},
                )
            self._tell(tx, job_id, row[0], "queued", capability=row[1])
        self._events.announce()

    # ------------------------------------------------------------------ out of the queue

    def claim(self, worker: str, lease_s: float, count: int = 1) -> list[Claimed]:
        """Take the lease of the next jobs, the most urgent first."""
        now = time.time()
        with self._database.write() as tx:
            rows = tx.rows(
                _CLAIM.format(lock="" if tx.sqlite else " FOR UPDATE SKIP LOCKED"),
                {"worker": worker, "lease_until": now + lease_s, "now": now, "count": count},
            )
            rows.sort(key=lambda row: (-row[7], row[0]))
            claimed = [Claimed(*row[:7]) for row in rows]
            for job in claimed:
                self._tell(tx, job.id, job.owner_id, "running", attempt=job.attempt)
        if claimed:
            self._events.announce()
        return claimed

    def extend(self, leases: Iterable[tuple[int, int]], lease_s: float) -> None:
        """Prolong leases, given as pairs of job and fencing number."""
        until = time.time() + lease_s
        with self._database.write() as tx:
            for job_id, fence in leases:
                tx.execute(
                    "UPDATE job SET lease_until = :until WHERE id = :id AND fence = :fence"
                    " AND state = 'running'",
                    {"until": until, "id": job_id, "fence": fence},
                )

    def release(self, worker: str | None = None) -> list[int]:
        """Put running jobs back into the queue, without blame: their server stops or was killed.

        Parameters
        ----------
        worker : only those of this worker, None for all
        """
        which = " AND worker = :worker" if worker is not None else ""
        with self._database.write() as tx:
            rows = tx.rows(
                "UPDATE job SET state = 'queued', fence = fence + 1, worker = NULL,"
                f" lease_until = NULL WHERE state = 'running'{which} RETURNING id, owner_id",
                {"worker": worker},
            )
            for job_id, owner_id in rows:
                self._tell(tx, job_id, owner_id, "queued", reason="the server stopped")
        if rows:
            self._events.announce()
        return [row[0] for row in rows]

    def expired(self) -> list[tuple[int, int]]:
        """List running jobs whose lease has run out, as pairs of job and fencing number."""
        with self._database.read() as tx:
            rows = tx.rows(
                "SELECT id, fence FROM job WHERE state = 'running' AND lease_until < :now",
                {"now": time.time()},
            )
        return [(row[0], row[1]) for row in rows]

    def lost(self, job_id: int, fence: int, why: str) -> None:
        """Take a job back whose worker is gone; it is queued again, but not for ever."""
        with self._database.write() as tx:
            row = tx.row(
                "UPDATE job SET losses = losses + 1, fence = fence + 1, worker = NULL,"
                " lease_until = NULL, state = CASE WHEN cancel_requested THEN 'cancelled'"
                " WHEN losses + 1 >= :most THEN 'failed' ELSE 'queued' END"
                " WHERE id = :id AND fence = :fence AND state = 'running'"
                " RETURNING owner_id, parent_id, state",
                {"id": job_id, "fence": fence, "most": MAX_LOSSES},
            )
            if row is None:
                return
            owner_id, parent_id, state = row
            error = None
            if state != "queued":
                if state == "failed":
                    error = f"{why}, {MAX_LOSSES} times without finishing a step in between."
                tx.execute(
                    "UPDATE job SET ended_at = :now, error = :error WHERE id = :id",
                    {"now": time.time(), "error": error, "id": job_id},
                )
                self._wake_parent(tx, parent_id)
            self._tell(
                tx, job_id, owner_id, state, reason=why, **({"error": error} if error else {})
            )
        self._events.announce()

    # ------------------------------------------------------------------ while it runs

    def note(self, notes: Iterable[tuple[int, int, int, str, dict[str, Any]]]) -> None:
        """Write progress and log lines: job, fencing number, owner, topic, payload each."""
        with self._database.write() as tx:
            for job_id, fence, owner_id, topic, payload in notes:
                if topic == "jobs.progress":
                    tx.execute(
                        "UPDATE job SET progress = :progress, message = :message"
                        " WHERE id = :id AND fence = :fence AND state = 'running'",
                        {**payload, "id": job_id, "fence": fence},
                    )
                self._events.append(tx, topic, str(job_id), owner_id, payload)
        self._events.announce()

    def memory(self, job: Claimed) -> dict[str, dict[str, Any]]:
        """Return what a job has behind it: values of steps, answers, and how children ended."""
        if job.fence == 1:
            return {"steps": {}, "answers": {}, "children": {}}
        with self._database.read() as tx:
            steps = tx.rows("SELECT name, value FROM job_step WHERE job_id = :id", {"id": job.id})
            answers = tx.rows(
                "SELECT name, answer FROM job_question WHERE job_id = :id AND answer IS NOT NULL",
                {"id": job.id},
            )
            children = tx.rows(
                "SELECT key, id, state, result, error FROM job WHERE parent_id = :id"
                " AND key IS NOT NULL AND state IN ('succeeded', 'failed', 'cancelled')",
                {"id": job.id},
            )
        return {
            "steps": {name: json.loads(value) for name, value in steps},
            "answers": dict(answers),
            "children": {
                key: {
                    "id": child_id,
                    "state": state,
                    "result": json.loads(result) if result else None,
                    "error": error,
                }
                for key, child_id, state, result, error in children
            },
        }

    def finish_step(self, job_id: int, fence: int, name: str, value: str) -> None:
        """Write that a step is finished, with its JSON value."""
        with self._database.write() as tx:
            owner_id = self._owned(tx, job_id, fence)
            tx.execute(
                "INSERT INTO job_step(job_id, name, owner_id, value, finished_at)"
                " VALUES(:id, :name, :owner_id, :value, :now)",
                {
                    "id": job_id,
                    "name": name,
                    "owner_id": owner_id,
                    "value": value,
                    "now": time.time(),
                },
            )
            tx.execute("UPDATE job SET losses = 0 WHERE id = :id", {"id": job_id})

    def ask(self, job_id: int, fence: int, name: str, text: str, choices: Sequence[str]) -> None:
        """Let a running job wait for a person's answer."""
        with self._database.write(full_sync=True) as tx:
            owner_id = self._owned(tx, job_id, fence)
            tx.execute(
                "INSERT INTO job_question(job_id, name, owner_id, text, choices, asked_at)"
                " VALUES(:id, :name, :owner_id, :text, :choices, :now)"
                " ON CONFLICT (job_id, name) DO NOTHING",
                {
                    "id": job_id,
                    "name": name,
                    "owner_id": owner_id,
                    "text": text,
                    "choices": json.dumps(list(choices)),
                    "now": time.time(),
                },
            )
            self._wait(tx, job_id, owner_id)
            self._events.append(
                tx,
                "jobs.question",
                str(job_id),
                owner_id,
                {"text": text, "choices": list(choices)},
            )
        self._events.announce()

    def answer(self, job_id: int, choice: str, answered_by: int) -> None:
        """Give a waiting job its answer and queue it again, in one transaction on the disk."""
        with self._database.write(full_sync=True) as tx:
            row = tx.row(
                "SELECT name, choices FROM job_question WHERE job_id = :id AND answer IS NULL",
                {"id": job_id},
            )
            if row is None or self._state(tx, job_id) != "waiting":
                raise Conflict(f"job {job_id} has asked nothing that is still open.")
            choices = json.loads(row[1])
            if choice not in choices:
                raise InvalidInput(
                    f"answer: given {choice!r}, expected one of {', '.join(map(repr, choices))}."
                )
            answered = tx.execute(
                "UPDATE job_question SET answer = :answer, answered_at = :now, answered_by = :who"
                " WHERE job_id = :id AND name = :name AND answer IS NULL",
                {
                    "answer": choice,
                    "now": time.time(),
                    "who": answered_by,
                    "id": job_id,
                    "name": row[0],
                },
            )
            if not answered:
                raise Conflict(f"somebody else has just answered job {job_id}.")
            self._resume(tx, job_id)
        self._events.announce()

    def call(self, job_id: int, fence: int, child: Submission) -> int:
        """Queue a child job and let its parent wait for it, in one transaction."""
        with self._database.write() as tx:
            owner_id = self._owned(tx, job_id, fence)
            child_id, new = self._submit(tx, child, time.time())
            self._wait(tx, job_id, owner_id)
            if not new and self._state(tx, child_id) in ENDED:
                self._resume(tx, job_id)
        self._events.announce()
        return child_id

    def keep_artifact(self, job_id: int, fence: int, row: dict[str, Any]) -> str | None:
        """Write that a file lies in the store; returns the path of the one it replaces."""
        with self._database.write() as tx:
            owner_id = self._owned(tx, job_id, fence)
            old = tx.row(
                "SELECT path FROM artifact WHERE job_id = :id AND name = :name",
                {"id": job_id, "name": row["name"]},
            )
            tx.execute(
                "INSERT INTO artifact(job_id, name, owner_id, path, size_bytes, sha256,"
                " media_type, created_at) VALUES(:id, :name, :owner_id, :path, :size_bytes,"
                " :sha256, :media_type, :now) ON CONFLICT (job_id, name) DO UPDATE SET"
                " path = excluded.path, size_bytes = excluded.size_bytes,"
                " sha256 = excluded.sha256, media_type = excluded.media_type,"
                " created_at = excluded.created_at",
                {**row, "id": job_id, "owner_id": owner_id, "now": time.time()},
            )
            told = {key: row[key] for key in ("name", "size_bytes", "media_type")}
            self._events.append(tx, "jobs.artifact", str(job_id), owner_id, told)
        self._events.announce()
        return str(old[0]) if old else None

    # ------------------------------------------------------------------ the end

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Write how claimed jobs ended, in one transaction.

        Raises
        ------
        Fenced
            one of them was taken back; nothing is written
        """
        now = time.time()
        with self._database.write() as tx:
            for outcome in outcomes:
                row = tx.row(
                    _END,
                    {
                        "state": outcome.state,
                        "result": outcome.result,
                        "error": outcome.error,
                        "now": now,
                        "id": outcome.id,
                        "fence": outcome.fence,
                    },
                )
                if row is None:
                    raise Fenced(f"job {outcome.id} was taken back from this worker.")
                told = {"error": outcome.error} if outcome.error else {}
                self._tell(tx, outcome.id, row[0], outcome.state, **told)
                self._wake_parent(tx, row[1])
        self._events.announce()

    def fail(self, job_id: int, fence: int, error: str, again: bool = True) -> None:
        """Write that a try failed: queue the next one after a delay, or end the job.

        Parameters
        ----------
        again : whether another try can help; bad input stays bad
        """
        with self._database.write() as tx:
            row = tx.row(
                "SELECT attempt, max_attempts, owner_id FROM job"
                " WHERE id = :id AND fence = :fence AND state = 'running'",
                {"id": job_id, "fence": fence},
            )
            if row is None:
                raise Fenced(f"job {job_id} was taken back from this worker.")
            attempt, max_attempts, owner_id = row
            if again and attempt < max_attempts:
                delay_s = min(self._retry_delay_s * 2 ** (attempt - 1), MAX_DELAY_S)
                tx.execute(
                    "UPDATE job SET state = 'queued', attempt = attempt + 1, fence = fence + 1,"
                    " worker = NULL, lease_until = NULL, error = :error, not_before = :not_before"
                    " WHERE id = :id",
                    {
                        "error": error,
                        "not_before": time.time() + delay_s * random.uniform(0.75, 1.25),
                        "id": job_id,
                    },
                )
                self._tell(tx, job_id, owner_id, "queued", error=error, attempt=attempt + 1)
        if again and attempt < max_attempts:
            self._events.announce()
        else:
            self.end([Outcome(job_id, fence, "failed", error=error)])

    def cancel(self, job_id: int) -> str:
        """Cancel a job and its children.

        Returns
        -------
        its state: ``cancelled`` at once where nobody works on it, else still ``running``

        Raises
        ------
        Conflict
            the job has ended
        """
        with self._database.write() as tx:
            state = self._state(tx, job_id)
            if state in ENDED:
                raise Conflict(f"job {job_id} has ended already: it {_past(state)}.")
            self._cancel(tx, job_id)
            state = self._state(tx, job_id)
        self._events.announce()
        return state

    def _cancel(self, tx: Transaction, job_id: int) -> None:
        row = tx.row(
            "UPDATE job SET cancel_requested = TRUE,"
            " ended_at = CASE WHEN state = 'running' THEN NULL ELSE :now END,"
            " state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END"
            " WHERE id = :id AND state IN ('queued', 'waiting', 'running')"
            " RETURNING owner_id, parent_id, state",
            {"now": time.time(), "id": job_id},
        )
        if row is None:
            return
        if row[2] == "cancelled":
            self._tell(tx, job_id, row[0], "cancelled")
        for child in tx.rows("SELECT id FROM job WHERE parent_id = :id", {"id": job_id}):
            self._cancel(tx, child[0])
        if row[2] == "cancelled":
            self._wake_parent(tx, row[1])

    def to_cancel(self) -> list[tuple[int, int]]:
        """List running jobs that somebody has cancelled, as pairs of job and fencing number."""
        with self._database.read() as tx:
            rows = tx.rows("SELECT id, fence FROM job WHERE state = 'running' AND cancel_requested")
        return [(row[0], row[1]) for row in rows]

    # ------------------------------------------------------------------ parts

    def _tell(self, tx: Transaction, job_id: int, owner_id: int, state: str, **more: Any) -> None:
        self._events.append(tx, "jobs.state", str(job_id), owner_id, {"state": state, **more})

    def _owned(self, tx: Transaction, job_id: int, fence: int) -> int:
        row = tx.row(
            "SELECT owner_id FROM job WHERE id = :id AND fence = :fence AND state = 'running'"
            + ("" if tx.sqlite else " FOR UPDATE"),
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

    def _wait(self, tx: Transaction, job_id: int, owner_id: int) -> None:
        tx.execute(
            "UPDATE job SET state = 'waiting', worker = NULL, lease_until = NULL WHERE id = :id",
            {"id": job_id},
        )
        self._tell(tx, job_id, owner_id, "waiting")

    def _resume(self, tx: Transaction, job_id: int) -> None:
        row = tx.row(
            "UPDATE job SET state = 'queued', not_before = 0 WHERE id = :id"
            " AND state = 'waiting' RETURNING owner_id",
            {"id": job_id},
        )
        if row is not None:
            self._tell(tx, job_id, row[0], "queued")

    def _wake_parent(self, tx: Transaction, parent_id: int | None) -> None:
        if parent_id is not None:
            self._resume(tx, parent_id)


def _past(state: str) -> str:
    return {"cancelled": "was cancelled"}.get(state, state)
