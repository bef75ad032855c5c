"""Whose fault it is when a job is lost: the job's a little, its server's hardly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.journal import (
    MAX_LOSSES,
    SERVER_ENDS_A_LOSS,
    Claimed,
    Journal,
    Submission,
)
from fraktal_kernel.core.jobs.reading import Reader
from fraktal_kernel.core.security import Security
from tests.system.serving import Serving, runs, until

SERVER_ENDS = MAX_LOSSES * SERVER_ENDS_A_LOSS


class Desk:
    """A journal with one job."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.journal = Journal(self.database, Events(self.database))
        owner_id = Security(self.database).local_user().user_id
        ((self.job_id, _),) = self.journal.submit([Submission(owner_id, "test.echo", "{}")])

    def claim(self) -> Claimed:
        """Take the job, with a lease that is over."""
        (job,) = self.journal.claim("w", -1, 1)
        return job

    def state(self) -> tuple[str, str | None]:
        """Return the job's state and error."""
        view = Reader(self.database).get(self.job_id)
        return view.state, view.error


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give a journal on each kind of database."""
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres_url")
    desk = Desk(url)
    yield desk
    desk.database.close()


def test_servers_that_die_are_hardly_the_jobs_fault(desk: Desk) -> None:
    """A job outlives many servers, those found by their leases and those found at a start."""
    for end in range(SERVER_ENDS - 1):
        job = desk.claim()
        assert desk.journal.expired() == [(job.id, job.fence)]
        if end % 2:
            assert desk.journal.forsaken() == [job.id]
        else:
            assert desk.journal.forsaken(job.id, job.fence) == [job.id]
            assert desk.journal.forsaken(job.id, job.fence) == []
    assert desk.state() == ("queued", None)


def test_a_job_that_kills_its_server_each_time_fails(desk: Desk) -> None:
    """There is an end to it, unless the job gets on between."""
    for end in range(SERVER_ENDS):
        job = desk.claim()
        if end == 2:
            desk.journal.finish_step(job.id, job.fence, "a", "1")
        desk.journal.forsaken()
    assert desk.state()[0] == "queued"
    for _ in range(2):
        desk.claim()
        desk.journal.forsaken()
    why = f"the server was gone, {SERVER_ENDS} times without finishing a step in between."
    assert desk.state() == ("failed", why)
    desk.journal.retry(desk.job_id)
    desk.claim()
    desk.journal.forsaken()
    assert desk.state()[0] == "queued"


def test_a_server_that_stops_in_order_costs_nothing(desk: Desk) -> None:
    """However often that happens."""
    for _ in range(2 * SERVER_ENDS):
        desk.claim()
        desk.journal.release("w")
    assert desk.state() == ("queued", None)


def test_workers_count_more_than_servers(desk: Desk) -> None:
    """A few lost workers end a job; with ends of servers between them, one fewer."""
    for _ in range(MAX_LOSSES - 1):
        job = desk.claim()
        desk.journal.lost(job.id, job.fence, "gone")
    for _ in range(SERVER_ENDS_A_LOSS - 1):
        desk.claim()
        desk.journal.forsaken()
    assert desk.state() == ("queued", None)
    job = desk.claim()
    desk.journal.lost(job.id, job.fence, "gone")
    assert desk.state()[0] == "failed"


@pytest.mark.system
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_real_kills_are_told_apart(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A killed server costs a little, a stopped one nothing, a killed worker a whole loss."""
    settings: dict[str, object] = {"workers": 1, "lease_s": 1.5, "heartbeat_s": 0.3}
    if engine == "postgres":
        settings["database_url"] = request.getfixturevalue("new_postgres_url")
    server = Serving(tmp_path / "data", **settings)
    database = Database(server.settings().database)

    def losses() -> tuple[str, int]:
        with database.read() as tx:
            row = tx.row("SELECT state, losses FROM job")
        assert row is not None
        return row[0], row[1]

    try:
        with server.start().workbench() as bench:
            job = bench.submit("test.sleep", seconds=600)
            for end in (1, 2):
                until(lambda: losses()[0] == "running")
                server.kill()
                server.start()
                until(lambda end=end: losses() == ("running", end))
            server.stop()
            server.start()
            until(lambda: losses() == ("running", 2))
            until(lambda: job.refresh().message == "asleep")
            for worker in filter(runs, server.workers()):
                worker.kill()
            until(lambda: losses() == ("running", 2 + SERVER_ENDS_A_LOSS))
            job.cancel()
            until(lambda: job.refresh().ended)
    finally:
        server.close()
        database.close()
