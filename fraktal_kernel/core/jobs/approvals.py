"""What waits for one user's yes, where the database is at hand: read it, answer it.

The answers themselves are written by the journal, with what they do to the job
(:mod:`~fraktal_kernel.core.jobs.effects`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.database import Database, Row, Transaction
from fraktal_kernel.core.jobs.effects import DOUBT, digest_of
from fraktal_kernel.core.jobs.journal import Journal
from fraktal_kernel.core.jobs.model import ApprovalView, ApprovalViews
from fraktal_kernel.core.jobs.reading import MAX_ID, question_of
from fraktal_kernel.core.jobs.service import checked_json
from fraktal_kernel.core.values import checked_limit
from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound

NOTE_CHARS = 1000
_APPROVALS = (
    "SELECT a.id, a.job_id, a.capability, a.params, a.digest, a.asked_by, a.reason, a.state,"
    " a.asked_at, a.expires_at, a.answered_at, u.name, a.used_at, a.note"
    " FROM approval a LEFT JOIN user_account u ON u.id = a.answered_by"
    " WHERE a.owner_id = :owner_id"
)
_QUESTIONS = (
    "SELECT q.name, q.text, q.choices, j.id, j.capability, j.params, j.asked_by, q.asked_at"
    " FROM job_question q JOIN job j ON j.id = q.job_id"
    " WHERE q.owner_id = :owner_id AND q.answer IS NULL AND j.state = 'waiting'"
    " ORDER BY q.asked_at DESC LIMIT :limit"
)


class LocalApprovals:
    """What waits for one user in this process's database; see :class:`~.model.Approvals`.

    Parameters
    ----------
    user_id : whose they are, and who answers
    roots : folders inside which changed arguments may name files, None for any
    wake : told when an answer has given the workers something to do
    """

    def __init__(
        self,
        journal: Journal,
        database: Database,
        user_id: int,
        roots: list[Path] | None,
        wake: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._database = database
        self._user_id = user_id
        self._roots = roots
        self._wake = wake

    def list(self, every: bool = False, limit: int = 100) -> ApprovalViews:
        """List what is open, oldest first; with ``every`` all approvals, newest first."""
        values = {"owner_id": self._user_id, "limit": checked_limit(limit)}
        which = "" if every else " AND a.state = 'open'"
        with self._database.read() as tx:
            rows = tx.rows(f"{_APPROVALS}{which} ORDER BY a.id DESC LIMIT :limit", values)
            found = [_approval(row) for row in rows]
            found += _questions(tx, values)
        found.sort(key=lambda view: view.asked_at, reverse=every)
        return found[:limit]

    def get(self, approval_id: int) -> ApprovalView:
        """Return one approval; somebody else's does not exist."""
        row = None
        if 0 < approval_id <= MAX_ID:
            values = {"id": approval_id, "owner_id": self._user_id}
            with self._database.read() as tx:
                row = tx.row(f"{_APPROVALS} AND a.id = :id", values)
        if row is None:
            raise NotFound(f"there is no approval {approval_id}.")
        return _approval(row)

    def approve(
        self,
        approval_id: int,
        params: Mapping[str, Any] | None = None,
        note: str = "",
        *,
        digest: str,
    ) -> ApprovalView:
        """Say yes, with other arguments where they are given; those are checked first."""
        asked = self.get(approval_id)
        changed = None
        if params is not None:
            changed = checked_json(capabilities[asked.capability], params, self._roots)
        self._journal.approve(
            approval_id, self._user_id, self._user_id, digest, changed, _checked(note)
        )
        self._wake()
        return self.get(approval_id)

    def deny(self, approval_id: int, note: str = "") -> ApprovalView:
        """Say no; the job is cancelled, and whoever asked for it learns why."""
        self.get(approval_id)
        self._journal.deny(approval_id, self._user_id, self._user_id, _checked(note))
        self._wake()
        return self.get(approval_id)


def _checked(note: str) -> str:
    if len(note) > NOTE_CHARS:
        raise InvalidInput(f"note: given {len(note)} characters, expected at most {NOTE_CHARS}.")
    return note


def _effect(capability: str) -> str:
    """Say what a capability does to the world; one that is not here any more cannot tell."""
    try:
        return capabilities[capability].effect
    except FraktalError:
        return ""


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _approval(row: Row) -> ApprovalView:
    return ApprovalView(
        kind="approval",
        id=row[0],
        job_id=row[1],
        capability=row[2],
        effect=_effect(row[2]),
        params=json.loads(row[3]),
        digest=row[4],
        asked_by=row[5],
        reason=row[6],
        state=row[7],
        asked_at=datetime.fromtimestamp(row[8], UTC),
        expires_at=_time(row[9]),
        answered_at=_time(row[10]),
        answered_by=row[11],
        used_at=_time(row[12]),
        note=row[13],
        question=None,
    )


def _questions(tx: Transaction, values: Mapping[str, Any]) -> ApprovalViews:
    """Read the questions that waiting jobs have asked; of one job only the newest is open."""
    found: dict[int, ApprovalView] = {}
    for name, text, choices, job_id, capability, order, asked_by, asked_at in tx.rows(
        _QUESTIONS, values
    ):
        params = json.loads(order)
        view = ApprovalView(
            kind="question",
            id=None,
            job_id=job_id,
            capability=capability,
            effect=_effect(capability) if name.startswith(DOUBT) else "",
            params=params,
            digest=digest_of(capability, params),
            asked_by=asked_by or f"{capability}, job {job_id}",
            reason="",
            state="open",
            asked_at=datetime.fromtimestamp(asked_at, UTC),
            expires_at=None,
            answered_at=None,
            answered_by=None,
            used_at=None,
            note="",
            question=question_of((name, text, choices)),
        )
        found.setdefault(job_id, view)
    return list(found.values())
