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

import random
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.ledger import Claimed, Fenced, Outcome, Submission
from fraktal_kernel.core.jobs.memory import Memory
from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.errors import Conflict

#: A job that loses its worker so often, without finishing a step in between, kills workers.
MAX_LOSSES = 5
#: A server that dies takes innocent jobs with it, so its end counts as a part of a loss only;
#: a job that kills its server each time comes to its end as well, but later.
SERVER_ENDS_A_LOSS = 4
MAX_DELAY_S = 60.0

# Materialised, or PostgreSQL may run the inner query again for each row and claim too many.
_CLAIM = (
    "WITH next AS MATERIALIZED (SELECT id FROM job WHERE state = 'queued' AND {which}"
    " AND not_before <= :now ORDER BY priority DESC, id LIMIT :count{lock})"
    " UPDATE job SET state = 'running', fence = fence + 1, worker = :worker,"
    " ran_on = :ran_on, lease_until = :lease_until, started_at = COALESCE(started_at, :now)"
    " WHERE id IN (SELECT id FROM next)"
    " RETURNING id, owner_id, fence, capability, params, attempt, timeout_s, effect,"
    " traceparent, priority"
)
_END = (
    "UPDATE job SET state = :state, result = :result, error = :error, ended_at = :now,"
    " lease_until = NULL, worker = NULL, message = '',"
    " progress = CASE WHEN :state = 'succeeded' THEN 1 ELSE progress END"
    " WHERE id = :id AND fence = :fence AND state = 'running'"
    " RETURNING id, owner_id, capability, parent_id"
)


class Journal(Memory):
    """Moves jobs through their states; :mod:`~fraktal_kernel.core.jobs.reading` reads them."""

    def __init__(
        self,
        database: Database,
        events: Events,
        retry_delay_s: float = 1.0,
        approval_s: float = Memory.approval_s,
    ) -> None:
        super().__init__(database, events)
        self.approval_s = approval_s
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
        return made

    def retry(self, job_id: int) -> None:
        """Queue an ended job again with all its tries; finished steps stay finished."""
        with self._database.write() as tx:
            row = tx.row(
                "UPDATE job SET state = 'queued', attempt = 1, losses = 0, error = NULL,"
                " result = NULL, ended_at = NULL, started_at = NULL, not_before = 0, progress = 0,"
                " message = '', cancel_requested = FALSE, wake_at = NULL, discarded_at = NULL"
                " WHERE id = :id"
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
                "SELECT id FROM job WHERE parent_id = :id AND (state IN ('failed', 'cancelled')"
                " OR cancel_requested AND state <> 'succeeded')",
                {"id": job_id},
            ):
                tx.execute("UPDATE job SET key = NULL WHERE id = :id", {"id": child[0]})
            # What was asked and never answered is asked again, if it still comes to that.
            tx.execute(
                "DELETE FROM job_question WHERE job_id = :id AND answer IS NULL", {"id": job_id}
            )
            waits = self._begin_anew(tx, job_id)
            self._tell(tx, job_id, row[0], "waiting" if waits else "queued", capability=row[1])

    def discard(self, job_id: int, away: bool = True) -> None:
        """Put a failed job away, or take that back; one for which it is so already stays so."""
        with self._database.write() as tx:
            row = tx.row(
                "UPDATE job SET discarded_at = :at WHERE id = :id AND state = 'failed'"
                " RETURNING owner_id",
                {"id": job_id, "at": time.time() if away else None},
            )
            if row is None:
                state = self._state(tx, job_id)
                raise Conflict(f"job {job_id} is {state}; only a failed job can be discarded.")
            what = {"discarded": away}
            self._events.append(tx, "jobs.discarded", str(job_id), row[0], what)

    # ------------------------------------------------------------------ out of the queue

    def claim(
        self,
        worker: str,
        lease_s: float,
        count: int = 1,
        chosen: Mapping[int, str] | None = None,
        left: Collection[int] = (),
    ) -> list[Claimed]:
        """Take the lease of the next jobs, the most urgent first.

        Parameters
        ----------
        chosen : only these, each with the name of the agent that does it; None for the next ones
            that are no agent's
        left : those of the next ones that others are to do
        """
        with self._database.write() as tx:
            now = time.time()  # our turn may have come late, and a job have been submitted since
            values = {"worker": worker, "lease_until": now + lease_s, "now": now, "count": count}
            lock = "" if tx.sqlite else " FOR UPDATE SKIP LOCKED"
            if chosen is None:
                spared = {f"left_{number}": job_id for number, job_id in enumerate(left)}
                which = "agent = ''"
                if spared:
                    which += f" AND id NOT IN ({', '.join(f':{key}' for key in spared)})"
                sql = _CLAIM.format(lock=lock, which=which)
                rows = tx.rows(sql, {**values, **spared, "ran_on": ""})
            else:
                sql, rows = _CLAIM.format(lock=lock, which="id = :id"), []
                for job_id, agent in chosen.items():
                    rows += tx.rows(sql, {**values, "id": job_id, "ran_on": agent})
            rows.sort(key=lambda row: (-row[9], row[0]))
            claimed = [Claimed(*row[:9]) for row in rows]
            for job in claimed:
                told: dict[str, int | str] = {"attempt": job.attempt, "fence": job.fence}
                if chosen is not None:
                    told["agent"] = chosen[job.id]
                self._tell(tx, job.id, job.owner_id, "running", **told)
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
        """Put running jobs back into the queue, without blame: their server stops.

        Parameters
        ----------
        worker : only those of this worker, None for all
        """
        which = " AND worker = :worker" if worker is not None else ""
        with self._database.write() as tx:
            rows = tx.rows(
                "UPDATE job SET fence = fence + 1, worker = NULL, lease_until = NULL,"
                " ended_at = CASE WHEN cancel_requested THEN :now END,"
                " state = CASE WHEN cancel_requested THEN 'cancelled'"
                " WHEN effect_started_at IS NOT NULL THEN 'waiting' ELSE 'queued' END"
                f" WHERE state = 'running'{which}"
                " RETURNING id, owner_id, capability, parent_id, state",
                {"worker": worker, "now": time.time()},
            )
            for row in rows:
                if row[4] == "cancelled":
                    self._tell_end(tx, row[:4], "cancelled")
                elif row[4] == "waiting":
                    self._doubt(tx, row[0], row[1], "the server stopped")
                else:
                    self._tell(tx, row[0], row[1], "queued", reason="the server stopped")
        return [row[0] for row in rows]

    def expired(self) -> list[tuple[int, int]]:
        """List running jobs whose lease has run out, as pairs of job and fencing number."""
        with self._database.read() as tx:
            rows = tx.rows(
                "SELECT id, fence FROM job WHERE state = 'running' AND lease_until < :now",
                {"now": time.time()},
            )
        return [(row[0], row[1]) for row in rows]

    def lost(self, job_id: int, fence: int, why: str, seconds: float | None = None) -> None:
        """Take a job back whose worker is gone; it is queued again, but not for ever.

        Parameters
        ----------
        seconds : how long this try took, for the numbers of this process
        """
        with self._database.write() as tx:
            which = "id = :id AND fence = :fence AND"
            values = {"id": job_id, "fence": fence}
            self._lose(tx, which, values, why, MAX_LOSSES, SERVER_ENDS_A_LOSS, seconds)

    def forsaken(self, job_id: int | None = None, fence: int | None = None) -> list[int]:
        """Take jobs back whose server is gone, which is hardly their fault.

        Parameters
        ----------
        job_id, fence : only this one, None for all that run
        """
        which = "" if job_id is None else "id = :id AND fence = :fence AND"
        most = MAX_LOSSES * SERVER_ENDS_A_LOSS
        with self._database.write() as tx:
            values = {"id": job_id, "fence": fence}
            return self._lose(tx, which, values, "the server was gone", most, 1)

    def _lose(
        self,
        tx: Transaction,
        which: str,
        values: Mapping[str, int | None],
        why: str,
        times: int,
        weight: int,
        seconds: float | None = None,
    ) -> list[int]:
        """Take running jobs back and count that; a job to which it happens too often fails."""
        rows = tx.rows(
            "UPDATE job SET losses = losses + :weight, fence = fence + 1, worker = NULL,"
            " lease_until = NULL, state = CASE WHEN cancel_requested THEN 'cancelled'"
            " WHEN effect_started_at IS NOT NULL THEN 'waiting'"
            " WHEN losses + :weight >= :most THEN 'failed' ELSE 'queued' END"
            f" WHERE {which} state = 'running'"
            " RETURNING id, owner_id, capability, parent_id, state",
            {**values, "weight": weight, "most": MAX_LOSSES * SERVER_ENDS_A_LOSS},
        )
        for row in rows:
            job_id, state = row[0], row[4]
            if state == "queued":
                self._tell(tx, job_id, row[1], state, reason=why)
                continue
            if state == "waiting":
                self._doubt(tx, job_id, row[1], why)
                continue
            told = {"reason": why}
            if state == "failed":
                told["error"] = f"{why}, {times} times without finishing a step in between."
            tx.execute(
                "UPDATE job SET ended_at = :now, error = :error WHERE id = :id",
                {"now": time.time(), "error": told.get("error"), "id": job_id},
            )
            self._tell_end(tx, row[:4], state, seconds, **told)
        return [row[0] for row in rows]

    # ------------------------------------------------------------------ the end

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Write how claimed jobs ended, in one transaction.

        Raises
        ------
        Fenced
            one of them was taken back; nothing is written
        """
        with self._database.write() as tx:
            for outcome in outcomes:
                self._end(tx, outcome)

    def _end(self, tx: Transaction, outcome: Outcome) -> None:
        row = tx.row(
            _END,
            {
                "state": outcome.state,
                "result": outcome.result,
                "error": outcome.error,
                "now": time.time(),
                "id": outcome.id,
                "fence": outcome.fence,
            },
        )
        if row is None:
            raise Fenced(f"job {outcome.id} was taken back from this worker.")
        told = {"error": outcome.error} if outcome.error else {}
        self._tell_end(tx, row, outcome.state, outcome.seconds, **told)

    def fail(
        self,
        job_id: int,
        fence: int,
        error: str,
        again: bool = True,
        seconds: float | None = None,
    ) -> None:
        """Write that a try failed: queue the next one after a delay, or end the job.

        Parameters
        ----------
        again : whether another try can help; bad input stays bad
        seconds : how long this try took, for the numbers of this process
        """
        with self._database.write() as tx:
            row = tx.row(
                "SELECT attempt, max_attempts, owner_id, cancel_requested FROM job"
                " WHERE id = :id AND fence = :fence AND state = 'running'",
                {"id": job_id, "fence": fence},
            )
            if row is None:
                raise Fenced(f"job {job_id} was taken back from this worker.")
            attempt, max_attempts, owner_id, cancelled = row
            if cancelled:  # what goes wrong while a job is being stopped is no failure
                self._end(tx, Outcome(job_id, fence, "cancelled", seconds=seconds))
            elif not again or attempt >= max_attempts:
                self._end(tx, Outcome(job_id, fence, "failed", error=error, seconds=seconds))
            else:
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
        return state

    def to_cancel(self) -> list[tuple[int, int]]:
        """List running jobs that somebody has cancelled, as pairs of job and fencing number."""
        with self._database.read() as tx:
            rows = tx.rows("SELECT id, fence FROM job WHERE state = 'running' AND cancel_requested")
        return [(row[0], row[1]) for row in rows]


def _past(state: str) -> str:
    return {"cancelled": "was cancelled"}.get(state, state)


__all__ = ["Claimed", "Fenced", "Journal", "Outcome", "Submission"]
