"""What every job may rely on, over every database, store and executor there is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fraktal_kernel import JobHandle, JobOptions, Workbench
from fraktal_kernel.core.jobs.model import ApprovalView
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.errors import Conflict, InvalidInput, JobFailed, NotFound, UnknownName

COMBINATIONS = [
    ("sqlite", "folder", "local"),
    ("postgres", "s3", "local"),
    ("sqlite", "s3", "dask"),
    ("postgres", "folder", "dask"),
]


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalWorkbench]:
    """Open a workbench of its own over one combination of engines."""
    database, store, executor = request.param
    settings: dict[str, object] = {
        "data": tmp_path_factory.mktemp("bench"),
        "capability_modules": ["tests.capabilities"],
        "workers": 2,
        "retry_delay_s": 0.05,
    }
    if database == "postgres":
        settings["database_url"] = request.getfixturevalue("make_postgres_url")()
    if store == "s3":
        settings["store_url"] = request.getfixturevalue("make_s3_store_url")()
        settings["store_options"] = request.getfixturevalue("s3_store_options")
    if executor == "dask":
        settings["dask_scheduler"] = request.getfixturevalue("dask_scheduler")
    with Workbench.open(**settings) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


def until(condition: Callable[[], bool], timeout_s: float = 180) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def ended(job: JobHandle) -> str:
    """Wait for the end of a job, whatever it is."""
    until(lambda: job.refresh().ended)
    return job.state


def test_a_job_gives_its_result_log_and_files(bench: LocalWorkbench) -> None:
    """What a capability returns, says, prints and saves is there when its job has ended."""
    job = bench.submit("test.echo", text="grüß Gott")
    assert job.wait(60) == {"text": "grüß Gott"}
    assert [line.text for line in job.log()] == ["heard grüß Gott", "printed grüß Gott"]
    assert job.artifact("echo.txt").read().decode() == "grüß Gott"
    view = job.refresh()
    assert (view.state, view.progress, view.attempt) == ("succeeded", 1.0, 1)
    assert view.created_at <= view.started_at <= view.ended_at


def test_events_tell_the_whole_story_in_order(bench: LocalWorkbench) -> None:
    """Whoever reads from the start sees each state once, in order, with rising numbers."""
    job = bench.submit("test.echo")
    job.wait(60)
    events = bench.engine.events.page(0, "jobs.*", subject=str(job.id))
    states = [event.payload["state"] for event in events if event.topic == "jobs.state"]
    assert states == ["queued", "running", "succeeded"]
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    assert {"jobs.progress", "jobs.log", "jobs.artifact"} <= {event.topic for event in events}


def test_progress_arrives_while_the_job_runs(bench: LocalWorkbench) -> None:
    """Somebody who watches sees progress before the end."""
    job = bench.submit("test.sleep")
    until(lambda: job.refresh().message == "asleep")
    assert job.state == "running"
    job.cancel()
    assert ended(job) == "cancelled"


def test_the_same_key_is_the_same_job(bench: LocalWorkbench) -> None:
    """Submitting twice with one key does the work once."""
    first = bench.submit("test.echo", options=JobOptions(key="once"))
    second = bench.submit("test.echo", options=JobOptions(key="once"))
    assert first.id == second.id
    first.wait(60)


@pytest.mark.parametrize("listens", [True, False])
def test_cancel_stops_the_work(bench: LocalWorkbench, listens: bool) -> None:
    """A job that listens stops by itself; one that does not is stopped."""
    job = bench.submit("test.sleep", listens=listens)
    until(lambda: job.refresh().message == "asleep")
    job.cancel()
    assert ended(job) == "cancelled"
    with pytest.raises(Conflict):
        job.cancel()


def test_a_queued_job_is_cancelled_at_once(bench: LocalWorkbench) -> None:
    """What nobody works on needs no grace."""
    job = bench.submit("test.echo", options=JobOptions(delay_s=3600))
    assert job.cancel().state == "cancelled"


def test_failures_are_tried_again_and_then_kept(bench: LocalWorkbench, tmp_path: Path) -> None:
    """A job is tried as often as its capability says, then it fails with its last error."""
    job = bench.submit("test.fail", file=tmp_path / "a", times=2)
    assert job.wait(60) == 3
    job = bench.submit("test.fail", file=tmp_path / "b", times=3)
    with pytest.raises(JobFailed, match="try 3 goes wrong"):
        job.wait(60)
    assert (tmp_path / "b").read_text().split() == ["1", "2", "3"]
    assert "Traceback" in job.log()[-1].text
    # The dead letter is re-driven, and now the world is better.
    job = bench.job(job.retry().id)
    assert job.wait(60) == 4


def test_bad_input_is_not_tried_again(bench: LocalWorkbench, tmp_path: Path) -> None:
    """What is wrong with the input stays wrong."""
    job = bench.submit("test.fail", file=tmp_path / "a", kind="input")
    with pytest.raises(JobFailed, match="given nonsense, expected sense"):
        job.wait(60)
    assert (tmp_path / "a").read_text().split() == ["1"]


def test_a_worker_that_dies_takes_no_job_with_it(bench: LocalWorkbench, tmp_path: Path) -> None:
    """The job goes on in another process; its try was not its fault."""
    job = bench.submit("test.fail", file=tmp_path / "a", kind="die", times=2)
    assert job.wait(60) == 3
    assert (tmp_path / "a").read_text().split() == ["1", "1", "1"]


def test_a_job_that_kills_its_workers_ends(bench: LocalWorkbench, tmp_path: Path) -> None:
    """Poison is not passed round for ever."""
    job = bench.submit("test.fail", file=tmp_path / "a", kind="die", times=1000)
    with pytest.raises(JobFailed, match="died, 5 times"):
        job.wait(60)


def test_a_time_limit_stops_the_job(bench: LocalWorkbench) -> None:
    """A job that takes longer than it may fails and says so."""
    for listens in (True, False):
        job = bench.submit("test.sleep", listens=listens, options=JobOptions(timeout_s=0.3))
        with pytest.raises(JobFailed, match=r"time limit of 0\.3 s"):
            job.wait(60)


def test_finished_steps_are_not_done_twice(bench: LocalWorkbench, tmp_path: Path) -> None:
    """After its worker is killed, a job goes on behind its last finished step."""
    file, gate = tmp_path / "steps", tmp_path / "gate"
    job = bench.submit("test.steps", count=6, file=file, gate=gate)
    until(lambda: file.exists() and len(file.read_text().splitlines()) == 2)
    dispatcher = bench.engine.dispatcher
    assert dispatcher is not None
    dispatcher.executor.kill(job.id)
    gate.touch()
    assert job.wait(60) == sum(range(6))
    lines = [int(line.split()[1]) for line in file.read_text().splitlines()]
    assert sorted(set(lines)) == list(range(6))
    # Only the step during which the kill came may stand twice: it had not finished.
    assert len(lines) <= 7


def test_a_question_holds_no_worker(bench: LocalWorkbench) -> None:
    """While jobs wait for people, other jobs run; answers let them go on."""
    waiting = [bench.submit("test.ask", what=f"Deploy {number}?") for number in range(3)]
    for job in waiting:
        until(lambda job=job: job.state == "waiting")
    assert bench.submit("test.echo").wait(60) == {"text": "hello"}
    question = waiting[0].refresh().question
    assert question is not None
    assert (question.text, question.choices) == ("Deploy 0?", ["yes", "no"])
    with pytest.raises(InvalidInput, match="expected one of 'yes', 'no'"):
        waiting[0].answer("perhaps")
    for job in waiting:
        job.answer("yes")
        until(
            lambda job=job: job.state == "waiting" and job.refresh().question.text == "Sure?"  # type: ignore[union-attr]
        )
        job.answer("no")
        assert job.wait(60) == {"before": "ready", "first": "yes", "second": "no"}
    with pytest.raises(Conflict):
        bench.jobs.answer(waiting[0].id, "yes")


def test_children_run_as_jobs_of_their_own(bench: LocalWorkbench) -> None:
    """A parent gets its children's results and holds no worker meanwhile."""
    jobs = [bench.submit("test.parent", text=str(number)) for number in range(3)]
    for number, job in enumerate(jobs):
        assert job.wait(60) == [str(number), f"{number}!"]
    children = [view for view in bench.jobs.list() if view.parent_id == jobs[0].id]
    assert [view.state for view in children] == ["succeeded", "succeeded"]


def test_children_run_side_by_side(bench: LocalWorkbench) -> None:
    """A job begins several children, waits without a worker, and sees how each ended."""
    job = bench.submit("test.family", count=4, fails=2)
    result = job.wait(60)
    assert result["states"] == ["succeeded", "succeeded", "failed", "succeeded"]
    children = [view for view in bench.jobs.list() if view.parent_id == job.id]
    assert sorted(view.id for view in children) == sorted(result["ids"]), "each was begun once"
    asked = {view.capability: view.asked_by for view in children}
    assert asked == {"test.echo": "father", "test.talk": f"test.family, job {job.id}"}


def test_a_job_waits_for_a_time(bench: LocalWorkbench) -> None:
    """A job that waits for a time holds no worker, and goes on when it has come."""
    job = bench.submit("test.alarm", seconds=0.6)
    until(lambda: job.refresh().state in ("waiting", "succeeded"))
    assert job.wait(60) >= 0


def test_a_job_talks_to_its_server(bench: LocalWorkbench) -> None:
    """What a job says reaches its watchers, what it spends adds up, its requests are answered."""
    last = bench.engine.events.last()
    job = bench.submit("test.talk", text="hello")
    assert job.wait(60) == {"owner": bench.user.user_id, "job": job.id, "text": "hello"}
    assert job.refresh().cost == 0.75
    said = bench.engine.events.page(last, "jobs.said", subject=str(job.id))
    assert [event.payload for event in said] == [{"text": "hello"}]
    for text, error in (("refuse", "expected another"), ("stumble", "stumbled")):
        with pytest.raises(JobFailed, match=error):
            bench.submit("test.talk", text=text).wait(60)


def test_a_job_for_an_agent_is_left_to_that_agent(bench: LocalWorkbench) -> None:
    """No worker of the server takes what was meant for somebody else."""
    job = bench.submit("test.echo", options=JobOptions(agent="far-away"))
    assert bench.submit("test.echo").wait(60)
    assert job.refresh().state == "queued"
    assert job.cancel().state == "cancelled"
    with pytest.raises(InvalidInput, match="agent: given"):
        bench.submit("test.echo", options=JobOptions(agent="a b"))


def test_the_urgent_goes_first_and_then_the_oldest(bench: LocalWorkbench) -> None:
    """Priority decides, then age."""
    blockers = [bench.submit("test.sleep") for _ in range(2)]
    for job in blockers:
        until(lambda job=job: job.refresh().message == "asleep")
    jobs = [
        bench.submit("test.clock", options=JobOptions(priority=priority))
        for priority in (0, 5, 0, 9)
    ]
    for job in blockers:
        job.cancel()
    for job in jobs:
        job.wait(60)
    events = bench.engine.events.page(0, "jobs.state", limit=100_000)
    begun = [int(event.subject) for event in events if event.payload["state"] == "running"]
    ids = [job.id for job in jobs]
    assert [number for number in begun if number in ids] == [ids[3], ids[1], ids[0], ids[2]]


def test_large_and_empty_files_come_back_whole(bench: LocalWorkbench) -> None:
    """Eight mebibytes and nothing at all are both files."""
    job = bench.submit("test.big")
    job.wait(60)
    assert job.artifact("zeros.bin").read() == bytes(8 * 1024**2)
    assert job.artifact("empty.bin").read() == b""
    with pytest.raises(NotFound):
        job.artifact("other.bin")


def test_nonsense_is_refused_at_the_door(bench: LocalWorkbench) -> None:
    """Nothing is queued for what cannot run."""
    before = len(bench.jobs.list(limit=1000))
    with pytest.raises(UnknownName, match=r"did you mean 'test\.echo'"):
        bench.submit("test.ecko")
    with pytest.raises(UnknownName, match="did you mean 'text'"):
        bench.submit("test.echo", txet="x")
    with pytest.raises(InvalidInput, match="count: given -1"):
        bench.submit("test.steps", count=-1, file="x")
    with pytest.raises(InvalidInput, match="priority"):
        bench.submit("test.echo", options=JobOptions(priority=10**9))
    with pytest.raises(NotFound):
        bench.jobs.get(10**12)
    assert len(bench.jobs.list(limit=1000)) == before


def test_another_users_job_does_not_exist(bench: LocalWorkbench) -> None:
    """Jobs, logs, files and events are their owner's alone."""
    job = bench.submit("test.echo", text="secret")
    job.wait(60)
    name = f"other-{time.time()}"
    other = bench.as_user(bench.security.add_user(name, "correct horse battery").user_id)
    assert other.jobs.list() == []
    for act in (other.jobs.get, other.jobs.log, other.jobs.artifacts, other.jobs.cancel):
        with pytest.raises(NotFound):
            act(job.id)
    with pytest.raises(NotFound):
        other.jobs.open_artifact(job.id, "echo.txt")
    assert bench.engine.events.page(0, "*", owner_id=other.user.user_id) == []


def test_health_says_that_all_answer(bench: LocalWorkbench) -> None:
    """Database, store and workers are asked."""
    bench.submit("test.echo").wait(60)
    assert bench.health() == {"ok": True, "database": "ok", "store": "ok", "workers": "ok"}
    json.dumps(bench.health())


def test_what_stays_waits_for_a_yes_and_is_asked_about(
    bench: LocalWorkbench, tmp_path: Path
) -> None:
    """Wherever the process runs: no deed before the yes, and none again when it was killed."""
    file, gate = tmp_path / "lines", tmp_path / "gate"
    job = bench.submit("test.errand", deeds=[{"file": str(file), "after": str(gate)}])

    def asked() -> list[ApprovalView]:
        children = [child.id for child in bench.jobs.children(job.id).values()]
        return [each for each in bench.approvals.list() if each.job_id in children]

    until(lambda: len(asked()) == 1)
    assert not file.exists()
    (seen,) = asked()
    bench.approvals.approve(seen.id or 0, digest=seen.digest)
    until(gate.with_suffix(".reached").exists)
    (child,) = bench.jobs.children(job.id).values()
    assert bench.engine.dispatcher is not None
    bench.engine.dispatcher.executor.kill(child.id)
    until(lambda: len(asked()) == 1)
    (doubt,) = asked()
    assert doubt.question is not None and doubt.question.effect
    bench.jobs.answer(child.id, "it happened")
    assert job.wait(60) == ["succeeded None"]
    assert len(file.read_text().splitlines()) == 1
