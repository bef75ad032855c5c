"""Durable jobs a second through the journal: one by one, and in batches of 50.

A cycle is what a job costs the database: submit, claim by lease, end, each committed. Beside
it stands the least that one could write by hand: the same three changes of one table through
``sqlite3``, in WAL with ``synchronous=NORMAL``, without events, keys, parents or retries.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.journal import Journal, Outcome, Submission
from fraktal_kernel.core.security import Security

ROUNDS = 7
JOBS = 2000
BATCH = 50
PEER = "sqlite3 by hand, one table, no events"
PARAMS = '{"scene": "seahorse", "width": 800, "height": 600}'


class ByHand:
    """The least a durable queue can do."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute(
            "CREATE TABLE job(id INTEGER PRIMARY KEY, params TEXT, state TEXT, fence INTEGER,"
            " lease_until REAL, result TEXT)"
        )
        self.connection.execute("CREATE INDEX queue ON job(id) WHERE state = 'queued'")

    def cycle(self, count: int) -> None:
        """Submit, claim and end so many jobs in three transactions."""
        cursor = self.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        for _ in range(count):
            cursor.execute("INSERT INTO job VALUES(NULL, ?, 'queued', 0, NULL, NULL)", (PARAMS,))
        cursor.execute("COMMIT")
        cursor.execute("BEGIN IMMEDIATE")
        rows = cursor.execute(
            "UPDATE job SET state = 'running', fence = fence + 1, lease_until = ? WHERE id IN"
            " (SELECT id FROM job WHERE state = 'queued' ORDER BY id LIMIT ?) RETURNING id, fence",
            (time.time() + 15, count),
        ).fetchall()
        cursor.execute("COMMIT")
        cursor.execute("BEGIN IMMEDIATE")
        for row in rows:
            cursor.execute(
                "UPDATE job SET state = 'succeeded', result = '1' WHERE id = ? AND fence = ?", row
            )
        cursor.execute("COMMIT")


class Ours:
    """The journal as the workbench uses it."""

    def __init__(self, file: Path) -> None:
        database = Database(f"sqlite:///{file}")
        database.migrate()
        self.owner_id = Security(database).local_user().user_id
        self.journal = Journal(database, Events(database))

    def cycle(self, count: int) -> None:
        """Submit, claim and end so many jobs in three transactions."""
        self.journal.submit([Submission(self.owner_id, "fractal.render", PARAMS)] * count)
        claimed = self.journal.claim("benchmark", 15, count)
        self.journal.end([Outcome(job.id, job.fence, "succeeded", "1") for job in claimed])


def rate(cycle: Callable[[int], None], batch: int) -> float:
    """Measure jobs a second."""
    began = time.perf_counter()
    for _ in range(JOBS // batch):
        cycle(batch)
    return JOBS / (time.perf_counter() - began)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        ours, hand = Ours(Path(folder) / "ours.db"), ByHand(Path(folder) / "hand.db")
        for figure, batch in (("journal_single", 1), ("journal_batch", BATCH)):
            pairs = [(rate(ours.cycle, batch), rate(hand.cycle, batch)) for _ in range(ROUNDS)]
            value = statistics.median(pair[0] for pair in pairs)
            peer = statistics.median(pair[1] for pair in pairs)
            print(
                json.dumps(
                    {
                        "figure": figure,
                        "value": round(value),
                        "unit": "jobs/s",
                        "peer": PEER,
                        "ratio": round(value / peer, 3),
                    }
                )
            )


if __name__ == "__main__":
    main()
