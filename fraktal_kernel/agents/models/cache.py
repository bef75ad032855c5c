"""Answers of language models, kept in the database to be given again: JSON, never code.

A key is the digest of everything that an answer depends on. Each person has answers of their own,
so that nobody learns from a fast answer what somebody else has asked.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from fraktal_kernel.core.database import Database, Transaction

#: How much is kept for one person; beyond it the oldest go.
MOST_BYTES = 64 * 1024**2
#: An answer larger than this is not worth the room.
LARGEST_BYTES = 256 * 1024
#: An answer whose digest begins so, one in sixteen, has the room looked after.
PRUNING = "0"
DAY_S = 86400.0


def digest_of(question: Any) -> str:
    """Name a question, given as JSON values, by the SHA-256 of their canonical text.

    Examples
    --------
    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def find_answer(database: Database, owner_id: int, digest: str, days: float) -> Any | None:
    """Return what was answered before, as JSON values; None where nothing is kept, or too old."""
    with database.read() as tx:
        row = tx.row(
            "SELECT response FROM model_answer WHERE digest = :digest AND owner_id = :owner_id"
            " AND created_at > :since",
            {"digest": digest, "owner_id": owner_id, "since": time.time() - days * DAY_S},
        )
    return None if row is None else json.loads(row[0])


def keep_answer(
    tx: Transaction, owner_id: int, digest: str, model: str, response: Any, days: float
) -> None:
    """Keep an answer; every now and then let go of what is too old or too much."""
    text = json.dumps(response, separators=(",", ":"))
    size = len(text.encode())
    if size > LARGEST_BYTES:
        return
    now = time.time()
    tx.execute(
        "INSERT INTO model_answer(digest, owner_id, model, response, size_bytes, created_at)"
        " VALUES(:digest, :owner_id, :model, :response, :size, :now)"
        " ON CONFLICT (digest, owner_id) DO UPDATE SET response = excluded.response,"
        " size_bytes = excluded.size_bytes, created_at = excluded.created_at",
        {
            "digest": digest,
            "owner_id": owner_id,
            "model": model,
            "response": text,
            "size": size,
            "now": now,
        },
    )
    if digest.startswith(PRUNING):
        prune_answers(tx, owner_id, days)


def prune_answers(tx: Transaction, owner_id: int, days: float) -> None:
    """Let go of a person's answers that are too old or too much; it reads the sizes of all."""
    tx.execute(
        "DELETE FROM model_answer WHERE owner_id = :owner_id AND (created_at <= :since"
        " OR digest IN (SELECT digest FROM (SELECT digest, SUM(size_bytes) OVER"
        " (ORDER BY created_at DESC, digest) AS newer FROM model_answer"
        " WHERE owner_id = :owner_id) AS kept WHERE newer > :most))",
        {"owner_id": owner_id, "since": time.time() - days * DAY_S, "most": MOST_BYTES},
    )
