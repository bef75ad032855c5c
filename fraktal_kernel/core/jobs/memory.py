"""What a job has behind it: finished steps, questions and answers, children, files, notes.

All of it is kept for the next process that takes the job up: a job that was killed goes on
behind its last finished step, one that asked goes on with the answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from fraktal_kernel.core.jobs.effects import DOUBT, Effects
from fraktal_kernel.core.jobs.ledger import Claimed, Fenced, Submission
from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.core.tracing.story import keep_spans
from fraktal_kernel.errors import Conflict, InvalidInput

#: under this name notes bring spans, which become rows of their own and no events
SPANS = "spans"


class Memory(Effects):
    """Writes and reads what a running job leaves for later."""

    def note(self, notes: Iterable[tuple[int, int, int, str, dict[str, Any]]]) -> None:
        """Write progress, log lines and spans: job, fencing number, owner, topic, payload each."""
        with self._database.write() as tx:
            for job_id, fence, owner_id, topic, payload in notes:
                if topic == SPANS:
                    keep_spans(tx, job_id, owner_id, payload["spans"])
                    continue
                if topic == "jobs.progress":
                    told = tx.execute(
                        "UPDATE job SET progress = :progress, message = :message"
                        " WHERE id = :id AND fence = :fence AND state = 'running'",
                        {**payload, "id": job_id, "fence": fence},
                    )
                    if not told:
                        continue
                self._events.append(tx, topic, str(job_id), owner_id, payload)

    def start(self, job: Claimed) -> dict[str, Any]:
        """Make a claimed job ready for its process, as the last thing before that hears of it.

        Whoever hands a job to a process calls this: the yes for an effect is used up here.

        Returns
        -------
        what it has behind it: when it began, values of steps, answers, and how children stand

        Raises
        ------
        Fenced
            it may not begin and was put back, or somebody else has it by now
        """
        if job.effect:
            with self._database.write(full_sync=True) as tx:
                refused = self._use_yes(tx, job)
            if refused:
                raise Fenced(f"job {job.id} does not begin: {refused}.")
        if job.fence == 1:
            return {"began": time.time(), "steps": {}, "answers": {}, "children": {}}
        with self._database.read() as tx:
            began = tx.row("SELECT started_at FROM job WHERE id = :id", {"id": job.id})
            steps = tx.rows("SELECT name, value FROM job_step WHERE job_id = :id", {"id": job.id})
            answers = tx.rows(
                "SELECT name, answer FROM job_question WHERE job_id = :id AND answer IS NOT NULL",
                {"id": job.id},
            )
            children = tx.rows(
                "SELECT key, id, state, result, error, cost, ran_on FROM job WHERE parent_id = :id"
                " AND key IS NOT NULL",
                {"id": job.id},
            )
        return {
            "began": began[0] if began else time.time(),
            "steps": {name: json.loads(value) for name, value in steps},
            "answers": dict(answers),
            "children": {
                key: {
                    "id": child_id,
                    "state": state,
                    "result": json.loads(result) if result else None,
                    "error": error,
                    "cost": cost,
                    "ran_on": ran_on,
                }
                for key, child_id, state, result, error, cost, ran_on in children
            },
        }

    def finish_step(
        self,
        job_id: int,
        fence: int,
        name: str,
        value: str,
        seconds: float | None = None,
        cost: float = 0.0,
    ) -> None:
        """Write that a step is finished, with its JSON value; once more does no harm.

        Parameters
        ----------
        seconds, cost : what it took
        """
        with self._database.write() as tx:
            owner_id = self._owned(tx, job_id, fence)
            tx.execute(
                "INSERT INTO job_step(job_id, name, owner_id, value, finished_at, seconds, cost)"
                " VALUES(:id, :name, :owner_id, :value, :now, :seconds, :cost)"
                " ON CONFLICT (job_id, name) DO NOTHING",
                {
                    "id": job_id,
                    "name": name,
                    "owner_id": owner_id,
                    "value": value,
                    "now": time.time(),
                    "seconds": seconds,
                    "cost": cost,
                },
            )
            tx.execute("UPDATE job SET losses = 0 WHERE id = :id", {"id": job_id})

    def ask(self, job_id: int, fence: int, name: str, text: str, choices: Sequence[str]) -> None:
        """Let a running job wait for a person's answer."""
        if name.startswith(DOUBT):
            raise InvalidInput(f"a question cannot begin with {DOUBT!r}; word it otherwise.")
        with self._database.write(full_sync=True) as tx:
            owner_id = self._owned(tx, job_id, fence)
            self._wait(tx, job_id, owner_id)
            self._ask(tx, job_id, owner_id, name, text, choices)

    def answer(self, job_id: int, choice: str, answered_by: int) -> None:
        """Give a waiting job its answer and queue it again, in one transaction on the disk."""
        with self._database.write(full_sync=True) as tx:
            row = tx.row(
                "SELECT name, choices FROM job_question WHERE job_id = :id AND answer IS NULL"
                " ORDER BY asked_at DESC LIMIT 1",
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
            if row[0].startswith(DOUBT):
                self._settle(tx, job_id, choice, answered_by)
            else:
                self._resume(tx, job_id)

    def call(self, job_id: int, fence: int, child: Submission) -> int:
        """Queue a child job and let its parent wait for it, in one transaction."""
        with self._database.write() as tx:
            owner_id = self._owned(tx, job_id, fence)
            child_id, new = self._submit(tx, child, time.time())
            self._wait(tx, job_id, owner_id)
            if not new and self._state(tx, child_id) in ENDED:
                self._resume(tx, job_id)
        return child_id

    def begin(self, job_id: int, fence: int, child: Submission) -> int:
        """Queue a child job beside its parent, which goes on; a known key gives the old one."""
        with self._database.write() as tx:
            self._owned(tx, job_id, fence)
            child_id, new = self._submit(tx, child, time.time())
            if new:  # it gets on, as with a finished step
                tx.execute("UPDATE job SET losses = 0 WHERE id = :id", {"id": job_id})
        return child_id

    def pause(
        self, job_id: int, fence: int, children: Sequence[int], wake_at: float | None = None
    ) -> None:
        """Let a running job wait until one of its children has ended, or until a time.

        Parameters
        ----------
        children : those that had not ended when the job looked last; one of them that has ended
            since lets it go on at once
        wake_at : seconds since 1970
        """
        with self._database.write() as tx:
            owner_id = self._owned(tx, job_id, fence)
            self._wait(tx, job_id, owner_id, wake_at)
            if any(self._state(tx, child_id) in ENDED for child_id in children):
                self._resume(tx, job_id)

    def wake(self) -> list[int]:
        """Queue the waiting jobs again whose time has come; returns their numbers."""
        with self._database.read() as tx:
            due = "SELECT id FROM job WHERE wake_at <= :now AND state = 'waiting'"
            found = [int(row[0]) for row in tx.rows(due, {"now": time.time()})]
        if found:
            with self._database.write() as tx:
                for job_id in found:
                    self._resume(tx, job_id)
        return found

    def spend(self, job_id: int, fence: int, cost: float) -> None:
        """Add to what a running job has cost, and with it all jobs that it is a part of."""
        with self._database.write() as tx:
            self._owned(tx, job_id, fence)
            tx.execute(
                "WITH RECURSIVE above(id, parent_id) AS ("
                "SELECT id, parent_id FROM job WHERE id = :id UNION ALL"
                " SELECT job.id, job.parent_id FROM job JOIN above ON job.id = above.parent_id)"
                " UPDATE job SET cost = cost + :cost WHERE id IN (SELECT id FROM above)",
                {"cost": cost, "id": job_id},
            )

    def stop(self, job_id: int, fence: int, children: Sequence[int]) -> None:
        """Cancel some children of a running job; those that have ended stay as they are."""
        with self._database.write() as tx:
            self._owned(tx, job_id, fence)
            for child_id in children:
                which = {"id": child_id, "parent_id": job_id}
                if tx.row("SELECT id FROM job WHERE id = :id AND parent_id = :parent_id", which):
                    self._cancel(tx, child_id)

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
        return str(old[0]) if old and old[0] != row["path"] else None
