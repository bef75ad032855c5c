"""Full disks, locked databases, files half written, second servers, deaf workers, restarts."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from fraktal_kernel import JobHandle, JobOptions
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.store import Store
from fraktal_kernel.errors import InvalidInput, JobFailed
from tests.system.serving import Serving, check_workspace, runs, serving, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serve one workspace for all the tests that leave their server alive."""
    with serving(tmp_path_factory.mktemp("faults") / "data") as server:
        yield server


@pytest.fixture
def bench(server: Serving) -> Iterator[RemoteWorkbench]:
    """Open that server's workbench."""
    with server.workbench() as workbench:
        yield workbench


def ask(bench: RemoteWorkbench, method: str, path: str, **more: object) -> httpx.Response:
    """Ask as this user's programs do, and look at the bare answer."""
    key = {"authorization": f"Bearer {bench.address.token}"}
    url = bench.address.url + path
    return httpx.request(method, url, headers=key, timeout=240, trust_env=False, **more)  # type: ignore[arg-type]


def sentence(answer: httpx.Response, status: int = 503) -> str:
    """Check that an answer is one sentence, and return it."""
    assert answer.status_code == status, answer.text
    (text,) = answer.json().values()
    assert isinstance(text, str) and text.endswith(".") and "\n" not in text
    return text


def begin_steps(bench: RemoteWorkbench, lines: Path) -> tuple[JobHandle, Path]:
    """Submit a job of twelve steps, wait until two are noted, and give the gate to the others."""
    gate = lines.with_suffix(".gate")
    job = bench.submit("test.steps", count=12, file=lines, gate=gate)
    # Its progress follows the note of a step; the line in the file comes before that.
    until(lambda: job.refresh().progress >= 2 / 12)
    return job, gate


# --- a full disk ----------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """Give a way to mount small disks."""
    mounted: list[Path] = []

    def mount(name: str, mebibytes: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "fraktal-test", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no mount command; a full disk needs a small one of its own")
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here ({done.stderr.strip()}); be root")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; return the file that does it."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as stream:
        for size in (1024**2, 4096, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue
    return filler


def test_full_disks_cost_time_and_nothing_else(
    tmp_path: Path, disk: Callable[[str, int], Path]
) -> None:
    """With a full disk the server answers in sentences; with space again all goes on."""
    lines = tmp_path / "lines"
    where, store = disk("database", 24), disk("store", 24)
    settings = {"database_url": f"sqlite:///{where / 'fraktal.db'}", "store_url": store / "store"}
    with serving(tmp_path / "data", **settings) as server, server.workbench() as bench:
        job, gate = begin_steps(bench, lines)
        filler = fill(where)
        accepted: list[int] = []
        order = {"capability": "test.echo", "params": {"text": "x" * 4000}}

        def submit() -> httpx.Response:
            answer = ask(bench, "POST", "/api/jobs", json=order)
            if answer.status_code == 201:
                accepted.append(answer.json()["id"])
            return answer

        # What is left of the log of changes takes a few more.
        while (answer := submit()).status_code == 201:
            assert len(accepted) < 10_000
        assert "free some space" in sentence(answer)
        health = ask(bench, "GET", "/api/health")
        assert health.status_code == 503
        report = health.json()
        assert (report["ok"], report["store"]) == (False, "ok")
        assert "free some space" in report["database"]
        gate.touch()
        until(lambda: len(lines.read_text().splitlines()) == 3, what="a step that ends now")
        time.sleep(1)  # it tries to note that it has ended
        assert ask(bench, "GET", f"/api/jobs/{job.id}").json()["state"] == "running"

        filler.unlink()
        assert job.wait(120) == sum(range(12))
        assert all(bench.job(number).wait(60) == order["params"] for number in accepted)
        until(lambda: ask(bench, "GET", "/api/health").status_code == 200)

        filler = fill(store)
        report = ask(bench, "GET", "/api/health").json()
        assert (report["ok"], report["database"]) == (False, "ok")
        assert "is full" in report["store"]
        files = bench.submit("fault.files", count=2, file=lines)
        with pytest.raises(JobFailed, match="is full"):
            files.wait(60)
        assert bench.submit("test.clock").wait(60) > 0, "what saves nothing goes on"
        filler.unlink()
        files.retry()
        assert len(bench.job(files.id).wait(60)) == 2
        until(lambda: ask(bench, "GET", "/api/health").status_code == 200)
        assert server.process is not None and server.process.poll() is None
        found = check_workspace(server.settings(), lines)
        assert found["events"] == list(range(1, len(found["events"]) + 1))


# --- a locked database ----------------------------------------------------------------------

HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(database: Path) -> Iterator[None]:
    """Let another process hold an SQLite file."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield
        process.kill()


@contextmanager
def held_by_a_stalled_server(url: str) -> Iterator[None]:
    """Hold the right to write of a PostgreSQL database, as a server that stands still does."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(4729002)")
        yield


def check_lock(bench: RemoteWorkbench, lines: Path, locked: Callable[[], object]) -> None:
    """While others hold the database, requests fail in a sentence and running jobs wait."""
    job, gate = begin_steps(bench, lines)
    with locked():  # type: ignore[attr-defined]
        gate.touch()
        order = {"capability": "test.echo", "params": {"text": "late"}, "key": "late"}
        said = sentence(ask(bench, "POST", "/api/jobs", json=order))
        assert "database" in said
        assert ask(bench, "GET", f"/api/jobs/{job.id}").json()["state"] == "running"
    assert bench.submit("test.echo", text="late", options=JobOptions(key="late")).wait(60)
    assert job.wait(120) == sum(range(12))
    written = [int(line.split()[1]) for line in lines.read_text().splitlines()]
    assert written == list(range(12)), "no step was done again"


def test_a_locked_database_is_a_sentence(
    server: Serving, bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """A program that holds SQLite's file for longer than we wait stops nothing for good."""

    @contextmanager
    def locked() -> Iterator[None]:
        with held_by_another(server.data / "fraktal.db"):
            report = ask(bench, "GET", "/api/health").json()
            assert report["ok"] is False and report["store"] == "ok"
            # Which of them depends on whether another thread of the server is waiting already.
            assert "locked by another program" in report["database"] or "busy" in report["database"]
            yield

    check_lock(bench, tmp_path / "lines", locked)
    until(lambda: ask(bench, "GET", "/api/health").status_code == 200)


def test_a_stalled_server_does_not_stall_the_others(
    tmp_path: Path, make_postgres_url: Callable[[], str]
) -> None:
    """Whoever holds PostgreSQL's right to write and does not go on makes others say so."""
    url = make_postgres_url()
    with serving(tmp_path / "data", database_url=url) as server, server.workbench() as bench:
        check_lock(bench, tmp_path / "lines", lambda: held_by_a_stalled_server(url))


# --- a file half written --------------------------------------------------------------------


def leftovers(server: Serving) -> list[str]:
    """List all files of the store's folder that are no objects."""
    store = Store(server.settings().store)
    folder = server.data / "store"
    whole = {folder / name for name in store.list()}
    return [str(path) for path in folder.rglob("*") if path.is_file() and path not in whole]


def test_a_file_half_written_does_not_exist(
    server: Serving, bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """A worker killed while it saves leaves nothing; the next one saves the file whole."""
    store, told, size = Store(server.settings().store), tmp_path / "told", 48 * 1024**2
    before = store.list()
    gate = tmp_path / "gate"
    job = bench.submit("fault.stream", told=told, gate=gate, size_bytes=size)
    until(told.exists)
    until(lambda: leftovers(server), what="the file under way")
    half = set(leftovers(server))
    assert job.artifacts() == [] and store.list() == before
    for worker in server.workers():
        worker.kill()
    # The next worker begins the file anew, and waits in its midst as well.
    until(lambda: half.isdisjoint(leftovers(server)), what="the end of the half file")
    assert store.list() == before

    gate.touch()
    assert job.wait(60) == hashlib.sha256(b"x" * size).hexdigest()
    (artifact,) = job.artifacts()
    assert artifact.size_bytes == size and artifact.read() == b"x" * size
    assert len(store.list()) == len(before) + 1 and not leftovers(server)


def test_a_file_that_breaks_off_is_not_kept(
    server: Serving, bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """A source that fails half-way fails its job with its own words, and nothing else."""
    before = Store(server.settings().store).list()
    job = bench.submit("fault.stream", told=tmp_path / "told", breaks=True)
    with pytest.raises(JobFailed, match="the tape is torn"):
        job.wait(60)
    assert job.artifacts() == [] and Store(server.settings().store).list() == before
    assert not leftovers(server)
    # Whatever worker had it is still of use.
    assert [bench.submit("test.echo").wait(60) for _ in range(4)]


# --- a second server ------------------------------------------------------------------------


def refused(data: Path, **settings: object) -> str:
    """Start a server that must be refused; return its one sentence."""
    second = Serving(data, **settings)
    second.begin()
    assert second.process is not None
    try:
        code = second.process.wait(120)
        said = second.said()
    finally:
        second.close()
    assert code == 1, said
    assert said.startswith("fraktal: ") and said.count("\n") == 1 and said.endswith(".\n")
    return said


def test_a_second_server_is_refused(
    server: Serving, bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """One database has one server, by whatever name it is called; the first goes on unharmed."""
    address = (server.data / "server.json").read_bytes()
    link = tmp_path / "link.db"
    link.symlink_to(server.data / "fraktal.db")
    for data, settings in (
        (server.data, {}),
        (tmp_path / "other", {"database_url": f"sqlite:///{server.data / 'fraktal.db'}"}),
        (tmp_path / "third", {"database_url": f"sqlite:///{link}"}),
    ):
        said = refused(data, **settings)
        assert f"in use by process {server.pid}" in said
        assert (server.data / "server.json").read_bytes() == address
        assert not (tmp_path / data / "server.json").exists() or data == server.data
    assert bench.submit("test.echo").wait(60) == {"text": "hello"}
    assert bench.health()["ok"]


def test_of_two_servers_that_start_at_once_one_serves(tmp_path: Path) -> None:
    """Two starts on an empty folder give one server and one sentence."""
    servers = [Serving(tmp_path / "data") for _ in range(2)]
    try:
        for number, server in enumerate(servers):
            server._said = tmp_path / f"said-{number}"
            server.begin()
        until(lambda: sum(s.process.poll() is not None for s in servers) == 1, 120)  # type: ignore[union-attr]
        loser = next(s for s in servers if s.process is not None and s.process.poll() is not None)
        (winner,) = [s for s in servers if s is not loser]
        winner.wait()
        assert f"in use by process {winner.pid}" in loser.said(), loser.said()
        assert loser.said().count("\n") == 1
        with winner.workbench() as bench:
            assert bench.submit("test.echo").wait(60) == {"text": "hello"}
    finally:
        for server in servers:
            server.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A database that a later version wrote is left alone, and the sentence says what to do."""
    from fraktal_kernel.core.database import Database

    data = tmp_path / "data"
    data.mkdir()
    Database(f"sqlite:///{data / 'fraktal.db'}").migrate()
    with sqlite3.connect(data / "fraktal.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (data / "fraktal.db").read_bytes()
    said = refused(data)
    assert "the database stands at version 9999" in said and "update Fraktal" in said
    assert (data / "fraktal.db").read_bytes() == before
    assert not (data / "server.json").exists()


# --- stop and start -------------------------------------------------------------------------


def test_jobs_outlive_their_server(tmp_path: Path) -> None:
    """A server that is stopped hands its jobs to the next one, the waiting ones as well."""
    lines, asked = tmp_path / "lines", tmp_path / "asked"
    server = Serving(tmp_path / "data").start()
    try:
        with server.workbench() as bench:
            waiting = bench.submit("fault.approved", file=asked)
            until(lambda: waiting.state == "waiting")
            job, gate = begin_steps(bench, lines)
            large = bench.submit("fault.stream", told=tmp_path / "told", gate=gate)
            until((tmp_path / "told").exists)
            family = server.workers()
            server.stop()
            assert server.process is not None and server.process.returncode == 0, server.said()
            assert not any(map(runs, family))
            assert not (server.data / "server.json").exists()
            assert not leftovers(server)
            with sqlite3.connect(server.data / "fraktal.db") as connection:
                states = dict(connection.execute("SELECT id, state FROM job").fetchall())
            connection.close()
            assert states == {waiting.id: "waiting", job.id: "queued", large.id: "queued"}

            gate.touch()
            server.start()
            # This workbench was opened before; it finds the new server by itself.
            assert job.wait(60) == sum(range(12))
            large.wait(60)
            assert waiting.refresh().question is not None
            server.kill()
            server.start()
            assert waiting.answer("yes").state in ("queued", "running", "succeeded")
            assert bench.job(waiting.id).wait(60) == "yes"
        assert asked.read_text().split() == ["before", "after"]
        check_workspace(server.settings(), lines)
    finally:
        server.close()


def test_who_listens_from_now_on_hears_no_old_story(bench: RemoteWorkbench) -> None:
    """Without a number, events begin with what comes after the call, and nothing is missed."""
    bench.submit("test.echo").wait(60)
    events = bench.events("jobs.state")
    job = bench.submit("test.echo")
    job.wait(60)
    told = [next(events) for _ in range(3)]
    events.close()  # type: ignore[attr-defined]
    assert {event.subject for event in told} == {str(job.id)}
    assert [event.payload["state"] for event in told] == ["queued", "running", "succeeded"]
    with pytest.raises(InvalidInput, match="topic"):
        bench.events("No Topic")


# --- workers that do not answer -------------------------------------------------------------


def frozen(file: Path) -> psutil.Process | None:
    """Find the process that has written down its number and stands still."""
    if not file.exists() or not file.read_text().endswith("\n"):
        return None
    process = psutil.Process(int(file.read_text()))
    return process if process.status() == psutil.STATUS_STOPPED else None


def test_a_frozen_worker_is_killed_at_its_time_limit(
    server: Serving, bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """A process that does not answer is ended when its time is up."""
    file = tmp_path / "process"
    job = bench.submit("fault.frozen", file=file, options=JobOptions(timeout_s=1.0))
    with pytest.raises(JobFailed, match="time limit of 1 s"):
        job.wait(60)
    assert int(file.read_text()) not in [worker.pid for worker in server.workers() if runs(worker)]


def test_a_frozen_worker_is_ended_when_its_job_is_cancelled(
    bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """A process that does not answer cannot hold its job."""
    file = tmp_path / "process"
    job = bench.submit("fault.frozen", file=file)
    until(lambda: frozen(file))
    process = frozen(file)
    assert process is not None
    job.cancel()
    until(lambda: job.refresh().ended)
    assert job.state == "cancelled"
    until(lambda: not runs(process))
    assert bench.submit("test.echo").wait(60) == {"text": "hello"}
