"""What the workbench promises: near or far, the same questions get the same answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fraktal_kernel import JobOptions, Run, Workbench, capability
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.local import Engine, LocalWorkbench
from fraktal_kernel.core.monitoring import metrics
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workspace import read_address
from fraktal_kernel.errors import (
    AlreadyRunning,
    Conflict,
    FraktalError,
    InvalidInput,
    JobFailed,
    NotFound,
)

SERVE = """
import sys
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.server.serve import serve

serve(load_settings(
    data=sys.argv[1], port=0, workers=1, capability_modules=["tests.capabilities"]
))
"""


def until(condition: Callable[[], object], timeout_s: float = 180) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def serve(data: Path) -> subprocess.Popen[str]:
    """Start a server of a workspace, on a port that it picks."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert "http://127.0.0.1:" in server.stdout.readline()
    return server


def stop(server: subprocess.Popen[str]) -> None:
    """Stop a server in good order."""
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=120)


@pytest.fixture(scope="module", params=["near", "far"])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workbench]:
    """Open a workbench that does its work itself, and one whose server does."""
    data = tmp_path_factory.mktemp(request.param)
    server = serve(data) if request.param == "far" else None
    try:
        with Workbench.open(
            data=data, workers=1, capability_modules=["tests.capabilities"]
        ) as workbench:
            assert workbench.remote == (request.param == "far")
            yield workbench
    finally:
        if server is not None:
            stop(server)


def test_a_job_from_order_to_result(bench: Workbench) -> None:
    """Order, state, log, files and result are the same to whoever asks."""
    job = bench.submit("test.echo", text="grüß Gott", options=JobOptions(key="k", priority=3))
    assert job.wait(60) == {"text": "grüß Gott"}
    view = job.refresh()
    assert (view.state, view.key, view.priority, view.progress) == ("succeeded", "k", 3, 1.0)
    assert view.created_at.tzinfo is not None and view.created_at <= view.ended_at  # type: ignore[operator]
    assert [line.text for line in job.log()] == ["heard grüß Gott", "printed grüß Gott"]
    (artifact,) = job.artifacts()
    assert artifact.name == "echo.txt" and artifact.read().decode() == "grüß Gott"
    assert bench.submit("test.echo", options=JobOptions(key="k")).id == job.id
    assert bench.job(job.id).state == "succeeded"
    assert repr(job) == f"<job {job.id}: test.echo is succeeded>"


@pytest.mark.parametrize("name", ["run #3; 50%.csv", "%2e%2e%2f.txt", "sub/a b'c+ü 😀&=.txt"])
def test_a_file_of_any_name_is_fetched(bench: Workbench, name: str) -> None:
    """What an address would read otherwise is read as a name."""
    job = bench.submit("test.name", text=name)
    job.wait(60)
    assert job.artifact(name).read().decode() == name


def test_patience_ends_but_the_job_goes_on(bench: Workbench) -> None:
    """Waiting with a limit raises TimeoutError and leaves the job alone."""
    job = bench.submit("test.sleep")
    until(lambda: job.refresh().message == "asleep")
    with pytest.raises(TimeoutError, match=rf"job {job.id} is running after 0\.1 s"):
        job.wait(0.1)
    assert "running, 1% asleep" in repr(job)
    job.cancel()
    with pytest.raises(JobFailed, match="it was cancelled"):
        job.wait(60)


def test_questions_are_answered(bench: Workbench) -> None:
    """A waiting job shows what it asks, takes one of its choices, and goes on."""
    job = bench.submit("test.ask")
    for text in ("Deploy?", "Sure?"):
        until(lambda text=text: (asked := job.refresh().question) and asked.text == text)
        with pytest.raises(InvalidInput, match="expected one of 'yes', 'no'"):
            job.answer("perhaps")
        job.answer("yes")
    assert job.wait(60)["second"] == "yes"


def refusals(bench: Workbench, ended: int) -> Iterator[tuple[type[FraktalError], str]]:
    """Ask for what cannot be, and tell how it is refused."""
    acts: list[Callable[[], Any]] = [
        lambda: bench.submit("test.ecko"),
        lambda: bench.submit("test.echo", txet="x"),
        lambda: bench.submit("test.steps", count=-1, file="x"),
        lambda: bench.submit("test.sleep", seconds=float("nan")),
        lambda: bench.submit("test.echo", options=JobOptions(priority=10**9)),
        lambda: bench.submit("test.echo", options=JobOptions(key="/1/test.echo")),
        lambda: bench.submit("test.echo", options=JobOptions(key="")),
        lambda: bench.job(10**15),
        lambda: bench.jobs.cancel(ended),
        lambda: bench.jobs.retry(ended),
        lambda: bench.jobs.answer(ended, "yes"),
        lambda: bench.jobs.log(10**15),
        lambda: bench.jobs.open_artifact(ended, "nothing.txt"),
        lambda: bench.jobs.list(limit=0),
        lambda: next(iter(bench.events("Not A Topic"))),
    ]
    for act in acts:
        with pytest.raises(FraktalError) as refusal:
            act()
        kind = refusal.type
        assert "\n" not in str(refusal.value)
        yield (InvalidInput if issubclass(kind, InvalidInput) else kind), str(refusal.value)


def test_what_cannot_be_is_refused_in_the_same_way(bench: Workbench) -> None:
    """Nonsense, strangers' numbers and moves that come too late are told apart near and far."""
    job = bench.submit("test.echo")
    job.wait(60)
    before = len(bench.jobs.list(limit=500))
    kinds = [kind for kind, _ in refusals(bench, job.id)]
    assert (
        kinds
        == [InvalidInput] * 7 + [NotFound] + [Conflict] * 3 + [NotFound] * 2 + [InvalidInput] * 2
    )
    assert len(bench.jobs.list(limit=500)) == before, "nothing was written"


def test_lists_are_pages_newest_first(bench: Workbench) -> None:
    """The last number of a page leads to the next one."""
    ids = [bench.submit("test.echo", options=JobOptions(delay_s=1000)).id for _ in range(5)]
    page = bench.jobs.list(limit=3, state="queued")
    rest = bench.jobs.list(limit=2, state="queued", before=page[-1].id)
    assert [view.id for view in page + rest] == ids[::-1]
    for job_id in ids:
        assert bench.jobs.cancel(job_id).state == "cancelled"


def test_events_begin_when_asked_for(bench: Workbench) -> None:
    """What happens after asking is told, all of it, in order, though one reads it later."""
    following = bench.events("jobs.state")
    job = bench.submit("test.echo")
    job.wait(60)
    states = []
    for event in following:
        if event.subject == str(job.id):
            states.append(event.payload["state"])
        if states[-1:] == ["succeeded"]:
            break
    assert states == ["queued", "running", "succeeded"]
    again = bench.events("jobs.state", after=event.seq - 1, subject=str(job.id))
    assert next(again) == event


def test_a_direct_call_gives_the_value_itself(bench: Workbench) -> None:
    """Here and now, in this process: no job, no JSON."""
    assert bench.run("test.echo", text="hi").text == "hi"
    with pytest.raises(InvalidInput, match="text: given 1"):
        bench.run("test.echo", text=1)


def test_health_tells_of_each_part(bench: Workbench) -> None:
    """After work was done, all that works says so."""
    bench.submit("test.echo").wait(60)
    assert bench.health() == {"ok": True, "database": "ok", "store": "ok", "workers": "ok"}


# --- who runs what ------------------------------------------------------------------------


class Nothing(BaseModel):
    """Nothing."""


def test_what_was_typed_into_a_session_is_not_queued(tmp_path: Path) -> None:
    """A worker process could not find it; the refusal says what to do, and direct calls work."""

    def typed(params: Nothing, run: Run) -> int:
        return 7

    typed.__module__ = "__main__"
    capability("typed.here", title="Typed here")(typed)
    try:
        with Workbench.open(data=tmp_path) as bench:
            with pytest.raises(InvalidInput, match=r"was typed into this session.*put it into a"):
                bench.submit("typed.here")
            assert bench.jobs.list() == []
            assert bench.run("typed.here") == 7
    finally:
        del capabilities._known["typed.here"]


def test_a_job_that_nobody_here_may_run_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """Two programs on one workspace: the second reads, cancels and is told who runs the jobs."""
    settings = load_settings(data=tmp_path, workers=1, capability_modules=["tests.capabilities"])
    with Workbench.open(settings) as first, Workbench.open(settings) as second:
        job = first.submit("test.sleep")
        with pytest.raises(AlreadyRunning, match="in use by process"):
            second.submit("test.echo")
        assert [view.id for view in second.jobs.list()] == [job.id]
        second.jobs.cancel(job.id)
        until(lambda: job.refresh().ended)
        assert second.jobs.retry(job.id).state in ("queued", "running")
        second.jobs.cancel(job.id)
        until(lambda: job.refresh().ended)
    with Workbench.open(settings) as third:
        assert third.submit("test.echo").wait(60) == {"text": "hello"}


def test_a_second_server_says_why_it_does_not_start(tmp_path: Path) -> None:
    """One workspace, one server."""
    settings = load_settings(data=tmp_path, workers=1)
    with Workbench.open(settings, serve=True), pytest.raises(AlreadyRunning):
        Workbench.open(settings, serve=True)
    Workbench.open(settings, serve=True).close()


def test_queued_jobs_wait_for_whoever_runs_the_workspace(tmp_path: Path) -> None:
    """A job that was only queued is done by the next workbench that has workers."""
    settings = load_settings(data=tmp_path, workers=1, capability_modules=["tests.capabilities"])
    with Workbench.open(settings, start_workers=False) as bench:
        job_id = bench.submit("test.echo").id
        assert bench.job(job_id).state == "queued"
        assert "no workers are started here" in bench.health()["workers"]
    with Workbench.open(settings, serve=True) as bench:
        assert bench.job(job_id).wait(60) == {"text": "hello"}


def test_a_closed_workbench_stays_closed(tmp_path: Path) -> None:
    """Nothing is queued, and no worker started, behind somebody who has left."""
    bench = Workbench.open(data=tmp_path, capability_modules=["tests.capabilities"])
    bench.close()
    bench.close()
    with pytest.raises(Conflict, match="this workbench is closed"):
        bench.submit("test.echo")


def test_a_stale_address_does_not_keep_one_out(tmp_path: Path) -> None:
    """After a server was killed, the workspace opens here."""
    server = serve(tmp_path)
    server.kill()
    server.communicate()
    assert read_address(load_settings(data=tmp_path)) is not None
    with Workbench.open(data=tmp_path) as bench:
        assert not bench.remote


def test_numbers_say_that_the_database_is_down(
    make_postgres_url: Callable[[], str], postgres_server: str, tmp_path: Path
) -> None:
    """With the database gone, the look at the numbers says so instead of failing."""
    import psycopg

    settings = load_settings(data=tmp_path, database_url=make_postgres_url(), workers=1)
    with Workbench.open(settings, serve=True) as bench:
        assert isinstance(bench, LocalWorkbench)
        assert b"fraktal_database_up 1.0" in metrics.render()[0]
        name = bench.database.engine.url.database
        allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS "
        with psycopg.connect(postgres_server + "postgres", autocommit=True) as admin:
            admin.execute(allow + "false")
            try:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [name],
                )
                text = metrics.render()[0]
                assert b"fraktal_database_up 0.0" in text and b"fraktal_store_up 1.0" in text
                health = bench.health()
                assert not health["ok"] and "does not answer" in health["database"]
            finally:
                admin.execute(allow + "true")
        until(lambda: bench.health()["database"] == "ok")


def test_a_start_that_fails_leaves_nothing_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a scheduler that does not answer, the same workspace starts with workers of its own."""
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    monkeypatch.setattr("fraktal_kernel.core.jobs.dask.CONNECT_S", 1)
    settings = load_settings(data=tmp_path, dask_scheduler="tcp://127.0.0.1:1", workers=1)
    engine = Engine(settings, may_run=True)
    with pytest.raises(FraktalError):
        engine.start()
    with Workbench.open(data=tmp_path, workers=1, serve=True) as bench:
        until(lambda: bench.health()["ok"])
    engine.close()
