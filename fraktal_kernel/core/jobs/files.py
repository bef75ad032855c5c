"""Where jobs' files lie in the store, and the sweep of those that no job names.

A server that is killed between a file and its row in the journal leaves an object that
nobody can ask for. It is told apart from a file under way exactly: its row can be written
only while its job runs under the fencing number that stands in its path. The age is there
besides, for whoever looks at the store with other eyes, such as a backup.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.store import Listed, Store

log = get_logger("store")
FOLDER = "jobs"
#: Each database that keeps files in a store leaves its mark below this folder.
MARKS = "databases"
SAFE_AGE_S = 24 * 3600.0
JOBS_AT_ONCE = 1000
TOLD_EVERY_S = 10.0
_PATH = re.compile(rf"{FOLDER}/(\d{{1,18}})/(\d{{1,9}})-[0-9a-f]{{8}}/.")


def new_path(job_id: int, fence: int, name: str) -> str:
    """Choose where a job's file lies.

    The fencing number keeps a worker that was given up from touching what its successor
    wrote, and the random part a second file of one name from half replacing the first.
    """
    return f"{FOLDER}/{job_id}/{fence}-{secrets.token_hex(4)}/{name}"


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep gave back."""

    files: int
    size_bytes: int


def orphans(database: Database, store: Store, older_than_s: float = SAFE_AGE_S) -> list[Listed]:
    """List the files of jobs that no job names, or ever will."""
    before = time.time() - older_than_s
    old = [
        (int(match[1]), int(match[2]), found)
        for found in store.look(FOLDER)  # looked at first: a row that comes later is seen
        if found.written_at <= before and (match := _PATH.match(found.key))
    ]
    old.sort(key=lambda each: each[0])
    nobodys: list[Listed] = []
    for _, group in groupby(old, lambda each: each[0] // JOBS_AT_ONCE):
        some = list(group)
        between = {"low": some[0][0], "high": some[-1][0]}
        with database.read() as tx:
            named = tx.rows(
                "SELECT path FROM artifact WHERE job_id BETWEEN :low AND :high", between
            )
            running = tx.rows(
                "SELECT id, fence FROM job WHERE id BETWEEN :low AND :high AND state = 'running'",
                between,
            )
        paths, at_work = {row[0] for row in named}, {(row[0], row[1]) for row in running}
        nobodys += [
            found
            for job_id, fence, found in some
            if found.key not in paths and (job_id, fence) not in at_work
        ]
    return nobodys


def mark(database: Database) -> str:
    """Return the key of the mark that a database leaves in its store."""
    with database.read() as tx:
        first = tx.row("SELECT created_at FROM user_account ORDER BY id LIMIT 1")
    return f"{MARKS}/{first[0] if first else 0:.6f}"


def sharers(database: Database, store: Store) -> list[str]:
    """List the marks of other databases: what this one does not name may be theirs."""
    mine = mark(database)
    return [key for key in store.list(MARKS) if key != mine]


def sweep(
    database: Database,
    store: Store,
    older_than_s: float = SAFE_AGE_S,
    stopped: Callable[[], bool] = lambda: False,
) -> Swept:
    """Remove the files that no job names, and tell in the log how far that is."""
    mine = mark(database)
    if not store.exists(mine):
        store.put(mine, b"A database of Fraktal keeps the files of its jobs in this store.\n")
    if others := sharers(database, store):
        log.warning("the store is shared, so what no job names stays", databases=others)
        return Swept(0, 0)
    found = orphans(database, store, older_than_s)
    if found:
        log.info("removing files that no job names", **asdict(_sum(found)))
    told, gone = time.monotonic(), 0
    for each in found:
        if stopped():
            break
        store.delete(each.key)
        gone += 1
        if time.monotonic() - told >= TOLD_EVERY_S:
            told = time.monotonic()
            log.info("removing files that no job names", gone=gone, of=len(found))
    return _sum(found[:gone])


def _sum(found: Sequence[Listed]) -> Swept:
    return Swept(len(found), sum(each.size_bytes for each in found))
