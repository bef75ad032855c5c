"""The audit log: who asked for what, when, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.values import checked_limit

_COLUMNS = "owner_id, time, who, action, subject, outcome, size_bytes"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row about to be."""

    owner_id: int
    time: float
    who: str
    action: str
    subject: str
    outcome: str
    size_bytes: int = 0


class AuditView(BaseModel):
    """One row as its owner sees it.

    ``who`` is a user's name, or ``token 3 of ada``; ``action`` is such as ``jobs.submit``;
    ``outcome`` is ``ok`` or what was answered instead.
    """

    id: int
    owner_id: int
    time: datetime
    who: str
    action: str
    subject: str
    outcome: str
    size_bytes: int


AuditViews = list[AuditView]


def write_entries(tx: Transaction, entries: Sequence[AuditEntry]) -> None:
    """Add rows in an open transaction."""
    for entry in entries:
        tx.execute(
            f"INSERT INTO audit({_COLUMNS}) VALUES(:owner_id, :time, :who, :action, :subject,"
            " :outcome, :size_bytes)",
            asdict(entry),
        )


def read(
    database: Database, owner_id: int | None, limit: int = 100, before: int | None = None
) -> AuditViews:
    """Read rows, newest first.

    Parameters
    ----------
    owner_id : whose; None for everybody's
    before : only rows older than this number
    """
    sql = f"SELECT id, {_COLUMNS} FROM audit WHERE TRUE"
    sql += "" if owner_id is None else " AND owner_id = :owner_id"
    sql += "" if before is None else " AND id < :before"
    with database.read() as tx:
        rows = tx.records(
            sql + " ORDER BY id DESC LIMIT :limit",
            {"owner_id": owner_id, "before": before, "limit": checked_limit(limit)},
        )
    return [AuditView(**{**row, "time": datetime.fromtimestamp(row["time"], UTC)}) for row in rows]
