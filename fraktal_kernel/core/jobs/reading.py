"""Reading jobs: one, a list, a log, the files that they made."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.core.database import Database, Row
from fraktal_kernel.core.jobs.effects import DOUBT
from fraktal_kernel.core.jobs.model import (
    CHILD_KEY,
    STATES,
    Artifacts,
    JobView,
    JobViews,
    LogLine,
    LogLines,
    OpenQuestion,
    State,
)
from fraktal_kernel.core.tracing.model import Timeline
from fraktal_kernel.core.tracing.story import Story, read_below
from fraktal_kernel.core.tracing.telling import timeline
from fraktal_kernel.core.values import checked_limit
from fraktal_kernel.errors import InvalidInput, NotFound

_COLUMNS = (
    "id, owner_id, capability, params, state, priority, key, parent_id, attempt, max_attempts,"
    " timeout_s, agent, ran_on, asked_by, effect, cost, progress, message, result, error,"
    " created_at, started_at, ended_at, discarded_at"
)
_QUESTION = (
    "SELECT name, text, choices FROM job_question WHERE answer IS NULL AND job_id = :id"
    " ORDER BY asked_at DESC LIMIT 1"
)
MAX_ID = 2**63 - 1


class Reader:
    """Reads jobs of one owner, or of all with ``owner_id`` None."""

    def __init__(self, database: Database, owner_id: int | None = None) -> None:
        self._database = database
        self._owner_id = owner_id

    @property
    def _mine(self) -> str:
        return "" if self._owner_id is None else " AND owner_id = :owner_id"

    def get(self, job_id: int) -> JobView:
        """Return one job; somebody else's does not exist."""
        if not 0 < job_id <= MAX_ID:
            raise NotFound(f"there is no job {job_id}.")
        with self._database.read() as tx:
            row = tx.row(
                f"SELECT {_COLUMNS} FROM job WHERE id = :id{self._mine}",
                {"id": job_id, "owner_id": self._owner_id},
            )
            if row is None:
                raise NotFound(f"there is no job {job_id}.")
            asked = tx.row(_QUESTION, {"id": job_id}) if row[4] == "waiting" else None
        return _view(row, asked)

    def list(
        self, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> JobViews:
        """List jobs, newest first."""
        if state is not None and state not in STATES:
            raise InvalidInput(f"state: given {state!r}, expected one of {', '.join(STATES)}.")
        sql = f"SELECT {_COLUMNS} FROM job WHERE id < :before{self._mine}"
        if state is not None:
            sql += " AND state = :state"
        with self._database.read() as tx:
            rows = tx.rows(
                sql + " ORDER BY id DESC LIMIT :limit",
                {
                    "before": MAX_ID if before is None else max(0, min(before, MAX_ID)),
                    "owner_id": self._owner_id,
                    "state": state,
                    "limit": checked_limit(limit),
                },
            )
            asked = {
                row[0]: tx.row(_QUESTION, {"id": row[0]}) for row in rows if row[4] == "waiting"
            }
        return [_view(row, asked.get(row[0])) for row in rows]

    def children(self, job_id: int) -> dict[str, JobView]:
        """Return the jobs that a job has begun, by the names that it gave them."""
        self.get(job_id)
        begins = f"{CHILD_KEY}{job_id}/@"
        with self._database.read() as tx:
            rows = tx.rows(
                f"SELECT {_COLUMNS} FROM job WHERE parent_id = :id AND key IS NOT NULL ORDER BY id",
                {"id": job_id},
            )
            asked = {
                row[0]: tx.row(_QUESTION, {"id": row[0]}) for row in rows if row[4] == "waiting"
            }
        views = [_view(row, asked.get(row[0])) for row in rows]
        return {(view.key or "").removeprefix(begins): view for view in views}

    def log(self, job_id: int) -> LogLines:
        """Return a job's log, oldest line first."""
        self.get(job_id)
        with self._database.read() as tx:
            rows = tx.rows(
                "SELECT time, payload FROM event WHERE subject = :subject"
                " AND topic = 'jobs.log' ORDER BY seq",
                {"subject": str(job_id)},
            )
        return [LogLine(time=_time(at), **json.loads(payload)) for at, payload in rows]

    def spans(self, job_id: int) -> Timeline:
        """Return what took the time of a job, and of the jobs below it."""
        stories: list[Story] = []
        left_out = 0
        if 0 < job_id <= MAX_ID:
            with self._database.read() as tx:
                stories, left_out = read_below(tx, job_id, self._owner_id)
        if not stories:
            raise NotFound(f"there is no job {job_id}.")
        return timeline(stories, left_out, time.time())

    def artifacts(self, job_id: int) -> Artifacts:
        """List the files that a job made, by name."""
        self.get(job_id)
        with self._database.read() as tx:
            rows = tx.records(
                "SELECT name, size_bytes, sha256, media_type FROM artifact"
                " WHERE job_id = :id ORDER BY name",
                {"id": job_id},
            )
        return [Artifact(**row) for row in rows]

    def artifact_path(self, job_id: int, name: str) -> str:
        """Tell where in the store a job's file lies."""
        self.get(job_id)
        with self._database.read() as tx:
            row = tx.row(
                "SELECT path FROM artifact WHERE job_id = :id AND name = :name",
                {"id": job_id, "name": name},
            )
        if row is None:
            raise NotFound(f"job {job_id} has no artifact {name!r}.")
        return str(row[0])

    def count(self) -> dict[str, int]:
        """Count jobs by state."""
        with self._database.read() as tx:
            rows = tx.rows(
                f"SELECT state, COUNT(*) FROM job WHERE TRUE{self._mine} GROUP BY state",
                {"owner_id": self._owner_id},
            )
        return {state: int(count) for state, count in rows}

    def ended_since(self, when: float) -> dict[str, int]:
        """Count the jobs that ended after a time in seconds since 1970, by state."""
        with self._database.read() as tx:
            rows = tx.rows(
                f"SELECT state, COUNT(*) FROM job WHERE ended_at > :when{self._mine}"
                " GROUP BY state",
                {"when": when, "owner_id": self._owner_id},
            )
        return {state: int(count) for state, count in rows}

    def oldest_queued(self) -> float | None:
        """Return since when the longest waiting job could have started, in seconds since 1970."""
        with self._database.read() as tx:
            row = tx.row(
                "SELECT MIN(CASE WHEN not_before > created_at THEN not_before ELSE created_at END)"
                f" FROM job WHERE state = 'queued' AND not_before <= :now{self._mine}",
                {"owner_id": self._owner_id, "now": time.time()},
            )
        return row[0] if row else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _view(row: Row, asked: Row | None) -> JobView:
    values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    for name in ("created_at", "started_at", "ended_at", "discarded_at"):
        values[name] = None if values[name] is None else _time(values[name])
    values["params"] = json.loads(values["params"])
    values["result"] = None if values["result"] is None else json.loads(values["result"])
    values["cost"] = round(values["cost"], 9)  # ten times 0.1 is 1
    return JobView(question=question_of(asked) if asked else None, **values)


def question_of(row: Row) -> OpenQuestion:
    """Make the question of a row: its name, text and choices."""
    doubt = row[0].startswith(DOUBT)
    return OpenQuestion(text=row[1], choices=json.loads(row[2]), effect=doubt)
