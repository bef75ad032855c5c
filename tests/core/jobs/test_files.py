"""Files that no job names are swept, and no other; real kills leave them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.files import (
    SAFE_AGE_S,
    Swept,
    mark,
    new_path,
    orphans,
    sharers,
    sweep,
)
from fraktal_kernel.core.jobs.journal import Claimed, Journal, Submission
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.store import Store
from tests.system.serving import Serving, until

NOW = -60.0  # an age that even a file of the next moment has reached


class Desk:
    """A journal and the store beside it, with no server."""

    def __init__(self, url: str, store: Store) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.journal = Journal(self.database, Events(self.database))
        self.owner_id = Security(self.database).local_user().user_id
        self.store = store

    def begin(self) -> Claimed:
        """Submit a job and claim it."""
        self.journal.submit([Submission(self.owner_id, "test.echo", "{}")])
        (job,) = self.journal.claim("w", 60, 1)
        return job

    def put(self, job: Claimed, name: str) -> str:
        """Write a file of a job, and stop before its row."""
        return self.store.put(new_path(job.id, job.fence, name), name.encode()).key

    def keep(self, job: Claimed, name: str) -> str:
        """Write a file of a job and its row."""
        path = self.put(job, name)
        row = {"name": name, "size_bytes": len(name), "sha256": "", "media_type": "text/plain"}
        self.journal.keep_artifact(job.id, job.fence, {**row, "path": path})
        return path

    def orphans(self, older_than_s: float = NOW) -> list[str]:
        """Name the files that no job names."""
        return [found.key for found in orphans(self.database, self.store, older_than_s)]


@pytest.fixture(params=["sqlite-folder", "sqlite-s3", "postgres-folder"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give a journal and a store of each kind."""
    database, _, place = request.param.partition("-")
    store = Store(tmp_path / "store")
    if place == "s3":
        options = request.getfixturevalue("s3_store_options")
        store = Store(request.getfixturevalue("s3_store_url"), **options)
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    if database == "postgres":
        url = request.getfixturevalue("new_postgres_url")
    desk = Desk(url, store)
    yield desk
    desk.database.close()


def test_what_no_job_names_is_swept_and_nothing_else(desk: Desk) -> None:
    """Of kept, lost, running, foreign and odd files only the lost ones go."""
    done, lost, running = desk.begin(), desk.begin(), desk.begin()
    kept = [desk.keep(done, "tables/costs.csv"), desk.keep(lost, "a"), desk.keep(running, "b")]
    under_way = desk.put(running, "under way")
    nobodys = sorted([desk.put(done, "left"), desk.put(lost, "left")])
    foreign = ["jobs/readme.txt", "jobs/7/notes.txt", "jobs/x/1-00000000/a", "other/file"]
    for key in foreign:
        desk.store.put(key, b"not ours")
    desk.journal.fail(done.id, done.fence, "oh", again=False)
    desk.journal.lost(lost.id, lost.fence, "gone")

    assert desk.orphans(SAFE_AGE_S) == []  # all of it is young
    assert sorted(desk.orphans()) == nobodys
    assert sweep(desk.database, desk.store, NOW) == Swept(2, 2 * len("left"))
    left = {mark(desk.database), *kept, under_way, *foreign}
    assert set(desk.store.list()) == left
    assert sweep(desk.database, desk.store, NOW) == Swept(0, 0)

    # Its job goes on under another number: now its row can never come.
    desk.journal.lost(running.id, running.fence, "gone")
    assert desk.orphans() == [under_way]


def test_a_shared_store_is_not_swept(desk: Desk, tmp_path: Path) -> None:
    """What one database does not name is another's, as long as that has its mark there."""
    other = Desk(f"sqlite:///{tmp_path / 'other.db'}", desk.store)
    theirs = other.keep(other.begin(), "theirs")
    assert sweep(other.database, other.store, NOW) == Swept(0, 0)
    assert desk.orphans() == [theirs]
    assert sharers(desk.database, desk.store) == [mark(other.database)]
    assert sweep(desk.database, desk.store, NOW) == Swept(0, 0)
    assert desk.store.exists(theirs)
    other.database.close()


def test_a_sweep_stops_where_its_server_stops(desk: Desk) -> None:
    """A sweep under way does not keep its server; the next one goes on."""
    job = desk.begin()
    for number in range(3):
        desk.put(job, f"{number}")
    desk.journal.lost(job.id, job.fence, "gone")
    answers = iter([False, True])
    swept = sweep(desk.database, desk.store, NOW, stopped=lambda: next(answers))
    assert swept == Swept(1, 1)
    assert sweep(desk.database, desk.store, NOW) == Swept(2, 2)


def test_a_job_numbered_far_apart_is_found(desk: Desk) -> None:
    """Jobs are looked up in groups; a file whose job is long forgotten is found in its own."""
    far = new_path(10**12, 1, "far")
    desk.store.put(far, b"")
    kept, near = desk.keep(desk.begin(), "near"), desk.put(desk.begin(), "near")
    desk.journal.release()
    assert desk.orphans() == [near, far]
    assert desk.store.exists(kept)


def logged(data: Path, event: str) -> list[dict[str, Any]]:
    """Read the lines of the log that tell of one event."""
    file = data / "logs" / "fraktal.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in map(json.loads, lines) if line["event"] == event]


def make_old(path: Path) -> None:
    """Date a file back to two days ago."""
    then = time.time() - 2 * SAFE_AGE_S
    os.utime(path, (then, then))


def test_the_doctor_tells_what_a_sweep_will_free(tmp_path: Path) -> None:
    """The doctor counts the files that no job names, and leaves them."""
    desk = Desk(f"sqlite:///{tmp_path / 'fraktal.db'}", Store(tmp_path / "store"))
    job = desk.begin()
    desk.keep(job, "kept")
    left = desk.put(job, "left")
    make_old(tmp_path / "store" / left)

    def told() -> str:
        command = [sys.executable, "-m", "fraktal_kernel.cli", "doctor", "--json"]
        environment = {**os.environ, "FRAKTAL_DATA": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        found = json.loads(done.stdout)["reachable"]
        return next(str(item["text"]) for item in found if item["name"] == "store")

    assert told().endswith("answers")  # its job runs, so its row may still come
    desk.journal.release()
    assert "1 file (4 B) that no job names goes at the server's next start" in told()
    desk.store.put("databases/another", b"")
    assert "1 file (4 B) that no job names stays: other databases" in told()
    assert desk.store.exists(left)
    desk.database.close()


@pytest.mark.system
def test_a_server_killed_between_a_file_and_its_row_leaves_nothing(tmp_path: Path) -> None:
    """The file that a killed server left goes at the next start; its job makes it again."""
    server = Serving(tmp_path / "data", workers=1)
    store, told, gate = Store(server.settings().store), tmp_path / "told", tmp_path / "gate"
    try:
        with server.start().workbench() as bench:
            job = bench.submit("fault.stream", told=told, gate=gate, size_bytes=4 * 1024**2)
            until(told.exists)
            lock = sqlite3.connect(server.data / "fraktal.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")  # from here on no row can be written
            gate.touch()
            until(lambda: store.list("jobs"), what="the whole file")
            server.kill()
            lock.execute("ROLLBACK")
            lock.close()
            (left,) = store.list("jobs")
            make_old(server.data / "store" / left)
            server.start()
            until(lambda: not store.exists(left), what="the sweep")
            job.wait(60)
            (artifact,) = job.artifacts()
            assert len(store.list("jobs")) == 1 and len(artifact.read()) == 4 * 1024**2
            until(lambda: len(logged(server.data, "swept the store")) == 2)
            swept = [line["freed_bytes"] for line in logged(server.data, "swept the store")]
            assert swept == [0, 4 * 1024**2]
    finally:
        server.close()
