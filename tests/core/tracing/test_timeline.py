"""A timeline tells what happened: waits, attempts, steps, people, faults, and the jobs below."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from fraktal_kernel import JobOptions, Workbench
from fraktal_kernel.core.jobs.handle import JobHandle
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.tracing.context import here
from fraktal_kernel.core.tracing.model import SpanView, Timeline
from fraktal_kernel.core.tracing.recording import TEXT_CHARS
from fraktal_kernel.core.tracing.story import MOST_JOBS, keep_spans, prune_spans
from fraktal_kernel.errors import JobFailed, NotFound

MODULES = ["tests.core.tracing.traced_capabilities"]


def until(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Wait until something holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkbench]:
    """Give a workbench with two workers."""
    data = tmp_path_factory.mktemp("traced")
    with Workbench.open(serve=True, data=data, workers=2, capability_modules=MODULES) as opened:
        assert isinstance(opened, LocalWorkbench)
        yield opened


def asked_and_answered(workbench: LocalWorkbench) -> JobHandle:
    """Run the job that asks, and answer it."""
    job = workbench.submit("traced.asks")
    until(lambda: job.state == "waiting")
    job.answer("yes")
    job.wait(120)
    return job


def check_shape(timeline: Timeline) -> None:
    """Check what holds for every timeline: an order, and time that lies within time."""
    known: dict[str, SpanView] = {}
    for span in timeline.spans:
        assert span.id not in known
        above = None if span.parent_id is None else known[span.parent_id]
        assert span.depth == (0 if above is None else above.depth + 1)
        assert span.ended_at is None or span.ended_at >= span.began_at
        if above is not None:
            assert span.began_at >= above.began_at - timedelta(milliseconds=5)
        known[span.id] = span
    states: dict[str | None, list[SpanView]] = {}
    for span in timeline.spans:
        if span.kind in ("queue", "attempt", "person", "children"):
            states.setdefault(span.parent_id, []).append(span)
    for spans in states.values():  # one state follows the other, without a gap
        spans.sort(key=lambda span: span.began_at)
        for before, after in pairwise(spans):
            assert before.ended_at == after.began_at


def test_everything_that_took_time_is_there(workbench: LocalWorkbench) -> None:
    """Queue, attempts, steps with their cost, the person's answer, and the child's own parts."""
    job = asked_and_answered(workbench)
    timeline = job.spans()
    check_shape(timeline)
    assert [(span.kind, span.name) for span in timeline.spans] == [
        ("job", "traced.asks"),
        ("queue", "waits for a worker"),
        ("attempt", "attempt 1"),
        ("step", "before"),
        ("person", "waits for a person: Go on?"),
        ("queue", "waits for a worker"),
        ("attempt", "attempt 1, taken up again"),
        ("job", "traced.steps"),
        ("queue", "waits for a worker"),
        ("attempt", "attempt 1"),
        ("step", "one"),
        ("step", "one#2"),
        ("children", "waits for its jobs, or for a time"),
        ("queue", "waits for a worker"),
        ("attempt", "attempt 1, taken up again"),
        ("step", "after"),
    ]
    by_name = {span.name: span for span in timeline.spans}
    step = by_name["before"]
    assert step.ended_at is not None
    assert step.ended_at - step.began_at >= timedelta(seconds=0.02)
    assert step.attributes["cost"] == 0.25
    person = by_name["waits for a person: Go on?"]
    assert person.attributes["answer"] == "yes" and person.attributes["answered_by"]
    assert all(span.state == "ok" for span in timeline.spans)


def test_killed_and_taken_up_is_the_same_but_for_one_attempt(
    workbench: LocalWorkbench, tmp_path: Path
) -> None:
    """The steps are those of a run without the kill, each once; the lost attempt says why."""
    dead, mark = tmp_path / "dead", tmp_path / "mark"
    mark.touch()
    killed = workbench.submit("traced.dies", mark=str(dead))
    spared = workbench.submit("traced.dies", mark=str(mark))
    killed.wait(120), spared.wait(120)
    with_kill, without = killed.spans(), spared.spans()
    check_shape(with_kill)

    def steps(timeline: Timeline) -> list[str]:
        return [span.name for span in timeline.spans if span.kind == "step"]

    assert steps(with_kill) == steps(without) == ["one", "two"]
    lost, second = (span for span in with_kill.spans if span.kind == "attempt")
    assert (lost.state, lost.error) == ("error", "the worker process died")
    assert (second.state, second.error) == ("ok", "")
    parents = [span.parent_id for span in with_kill.spans if span.kind == "step"]
    assert parents == [lost.id, second.id]
    assert with_kill.spans[0].state == "ok"


def test_a_step_that_breaks_is_seen_and_its_next_try_too(workbench: LocalWorkbench) -> None:
    """What the journal does not keep, because it is not finished, is recorded."""
    job = workbench.submit("traced.breaks")
    job.wait(120)
    timeline = job.spans()
    check_shape(timeline)
    stirs = [(span.state, span.error) for span in timeline.spans if span.name == "stir"]
    assert stirs == [("error", "the ladle is broken"), ("ok", "")]


def test_libraries_record_below_the_step_that_called_them(workbench: LocalWorkbench) -> None:
    """OpenTelemetry's own spans have the step as parent, their attributes, and their faults."""
    job = workbench.submit("traced.records")
    job.wait(120)
    timeline = job.spans()
    check_shape(timeline)
    by_name = {span.name: span for span in timeline.spans}
    assert by_name["boil"].parent_id == by_name["taste"].parent_id == by_name["cook"].id
    assert by_name["salt"].parent_id == by_name["boil"].id
    recipe = ("stir " * 1000)[:TEXT_CHARS]  # long ones are cut, and nobody is warned of each
    assert by_name["boil"].attributes == {"litres": 2.5, "recipe": recipe}
    assert (by_name["taste"].state, by_name["taste"].error) == ("error", "ValueError: too hot")
    assert job.log() == []


def test_retried_after_its_end_it_begins_anew(workbench: LocalWorkbench, tmp_path: Path) -> None:
    """Each time that a job was done stands for itself, in one trace."""
    job = workbench.submit("traced.breaks", options=JobOptions(max_attempts=1))
    with pytest.raises(JobFailed):
        job.wait(120)
    workbench.jobs.retry(job.id)
    with pytest.raises(JobFailed):
        workbench.job(job.id).wait(120)
    timeline = workbench.jobs.spans(job.id)
    check_shape(timeline)
    roots = [span for span in timeline.spans if span.kind == "job"]
    assert [span.state for span in roots] == ["error", "error"]
    assert len({span.id for span in timeline.spans}) == len(timeline.spans)


def test_a_step_that_lasts_is_seen_while_it_does(workbench: LocalWorkbench, tmp_path: Path) -> None:
    """It has a bar without an end, which keeps its name and its beginning once it has ended."""
    gate = tmp_path / "gate"
    job = workbench.submit("traced.waits", gate=str(gate))

    def steps() -> list[SpanView]:
        return [span for span in job.spans().spans if span.kind == "step"]

    until(lambda: [span.name for span in steps()] == ["short", "long"])
    going = steps()[1]
    assert going.state == "open" and going.ended_at is None
    check_shape(job.spans())
    gate.touch()
    job.wait(120)
    done = steps()[1]
    assert (done.id, done.parent_id, done.state) == (going.id, going.parent_id, "ok")
    assert abs(done.began_at - going.began_at) < timedelta(seconds=1)
    assert len({span.id for span in job.spans().spans}) == len(job.spans().spans)


def test_a_step_that_was_stopped_ends_with_its_attempt(
    workbench: LocalWorkbench, tmp_path: Path
) -> None:
    """What was under way when a job was cancelled has a bar up to that moment."""
    job = workbench.submit("traced.waits", gate=str(tmp_path / "never"))
    until(lambda: any(span.name == "long" for span in job.spans().spans))
    workbench.jobs.cancel(job.id)
    until(lambda: workbench.jobs.get(job.id).ended)
    timeline = workbench.jobs.spans(job.id)
    check_shape(timeline)
    by_name = {span.name: span for span in timeline.spans}
    long, attempt = by_name["long"], by_name["attempt 1"]
    assert (long.state, long.ended_at) == ("cancelled", attempt.ended_at)


def test_what_goes_on_has_no_end(workbench: LocalWorkbench) -> None:
    """The job and the wait for a person are open, until somebody answers."""
    job = workbench.submit("traced.asks")
    until(lambda: job.state == "waiting")
    opened = [span.kind for span in job.spans().spans if span.state == "open"]
    assert opened == ["job", "person"]
    job.cancel()
    spans = job.spans().spans
    assert spans[0].state == "cancelled"
    assert all(span.ended_at is not None for span in spans)


def test_forgotten_events_leave_what_the_job_itself_knows(workbench: LocalWorkbench) -> None:
    """A timeline from before the events that are kept still has its queue, attempt and steps."""
    job = asked_and_answered(workbench)
    with workbench.engine.database.write() as tx:
        tx.execute("DELETE FROM event WHERE subject = :id", {"id": str(job.id)})
    timeline = job.spans()
    check_shape(timeline)
    own = [span.kind for span in timeline.spans if span.job_id == job.id]
    assert own == ["job", "queue", "attempt", "step", "step"]
    assert timeline.spans[0].state == "ok"


def test_a_caller_s_trace_is_joined_and_children_stay_in_it(workbench: LocalWorkbench) -> None:
    """The trace is the caller's, its span stands above the job, and the child is below it all."""
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    options = JobOptions(traceparent=f"00-{trace_id}-{span_id}-01")
    job = workbench.submit("traced.steps", options=options)
    job.wait(120)
    assert job.spans().trace_id == trace_id
    other = workbench.submit("traced.steps", options=JobOptions(traceparent="nonsense"))
    assert other.spans().trace_id not in (trace_id, job.spans().spans[0].id)
    other.wait(120)
    assert here() == ""


def test_nobody_sees_the_timeline_of_another(workbench: LocalWorkbench) -> None:
    """Somebody else's job does not exist; neither does a number that is none."""
    job = workbench.submit("traced.steps")
    ana = workbench.as_user(workbench.security.add_user("ana", "a long password").user_id)
    for number in (job.id, 0, 2**63):
        with pytest.raises(NotFound):
            ana.jobs.spans(number)
    job.wait(120)


def test_a_large_family_is_cut_and_says_so(workbench: LocalWorkbench) -> None:
    """Of very many jobs the first are shown, and it is told how many are not."""
    job = workbench.submit("traced.steps")
    job.wait(120)
    columns = "owner_id, capability, params, state, created_at, started_at, ended_at, not_before"
    rest = (
        "priority, attempt, max_attempts, losses, fence, cancel_requested, agent, avoid, ran_on,"
        " asked_by, traceparent, effect, cost, progress, message"
    )
    with workbench.engine.database.write() as tx:
        for _ in range(MOST_JOBS + 9):
            tx.execute(
                f"INSERT INTO job(parent_id, {columns}, {rest}) SELECT id, {columns}, {rest}"
                " FROM job WHERE id = :id",
                {"id": job.id},
            )
    timeline = job.spans()
    assert timeline.jobs_left_out == 10
    assert len({span.job_id for span in timeline.spans}) == MOST_JOBS


def test_recorded_spans_are_forgotten_with_age(workbench: LocalWorkbench) -> None:
    """What ended before the days that are kept goes; what ended since stays."""
    job = workbench.submit("traced.steps")
    job.wait(120)
    span = {"parent": "", "kind": "work", "name": "a", "began": 1.0, "error": "", "attributes": {}}
    owner = workbench.user.user_id
    with workbench.engine.database.write() as tx:
        for number, ended in enumerate((10.0, time.time())):
            told = {**span, "id": f"{number:016x}", "ended": ended}
            keep_spans(tx, job.id, owner, [told])
        assert prune_spans(tx, 100.0) == 1
    kept = [span for span in job.spans().spans if span.kind == "work"]
    assert [span.id for span in kept] == [f"{1:016x}"]
    assert json.loads(job.spans().model_dump_json())["job_id"] == job.id
