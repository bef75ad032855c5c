"""What a worker promises: all that a capability says is heard, and nothing that it does hangs."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fraktal_kernel import Workbench
from fraktal_kernel.core.jobs.worker import LogStream
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.monitoring.logs import configure_logs, log_file
from fraktal_kernel.errors import JobFailed


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkbench]:
    """Open a workbench with one worker and the odd capabilities."""
    settings = {"data": tmp_path_factory.mktemp("bench"), "workers": 1, "retry_delay_s": 0.01}
    modules = ["tests.core.jobs.odd_capabilities", "tests.capabilities"]
    with Workbench.open(**settings, capability_modules=modules) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


def test_what_is_printed_logged_or_warned_is_in_the_job_s_log(bench: LocalWorkbench) -> None:
    """Lines come whole and in order; what libraries log at length stays in the server's file."""
    terminal = io.StringIO()
    configure_logs(bench.settings, whole_process=False, console=terminal)
    job = bench.submit("odd.speak")
    job.wait(60)
    lines = [(line.level, line.text) for line in job.log()]
    warned = [text for level, text in lines if "old ways" in text and level == "warning"]
    assert len(warned) == 1
    assert [line for line in lines if "old ways" not in line[1]] == [
        ("info", "first"),
        ("info", "second"),
        ("info", "third goes on"),
        ("warning", "an error"),
        ("warning", "some.library: paper is low"),
        ("error", "written"),
        ("info", "no line break"),
    ]
    written = [json.loads(line) for line in log_file(bench.settings).read_text().splitlines()]
    mine = {line["event"]: line for line in written if line["job"] == job.id}
    assert {"first", "paper is low", "paper is there", "written"} <= set(mine)
    assert all(line["owner"] == bench.user.user_id for line in mine.values())
    assert mine["paper is there"]["logger"] == "some.library"
    assert terminal.getvalue() == "", "a job's lines are in its log, not on our terminal"


def test_steps_are_replayed_from_the_journal(bench: LocalWorkbench, tmp_path: Path) -> None:
    """After a kill, finished steps give the values that the dead process wrote down."""
    file = tmp_path / "traces"
    first, second, end = bench.submit("odd.replay", file=file).wait(60)
    assert file.read_text().split() == ["one", "two", "dying"]
    assert (first["word"], second["word"]) == ("one", "two")
    assert first["pid"] == second["pid"] != end["pid"]


def test_a_file_that_breaks_off_is_not_kept(bench: LocalWorkbench) -> None:
    """The capability hears of it, what it kept before stays, and the job goes on."""
    job = bench.submit("odd.save")
    assert job.wait(60) == ["other.txt"]
    assert job.artifact("whole.txt").read() == b"before"
    assert [line.text for line in job.log()] == ["the tape tore"]
    assert [artifact.name for artifact in job.artifacts()] == ["other.txt", "whole.txt"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nan", "cannot be kept as JSON"),
        ("half", "cannot be kept as JSON"),
        ("object", "a value of type object cannot be kept as JSON"),
        ("big step", "step 'big' returned 2,000,002 bytes of JSON, expected at most"),
        ("name", "artifact name: given '../up.txt'"),
        ("exit", "SystemExit: goodbye"),
        ("message", "ValueError: NUL \ufffd and half ? a character"),
    ],
)
def test_what_cannot_be_kept_fails_with_a_sentence(
    bench: LocalWorkbench, kind: str, words: str
) -> None:
    """The job says what was wrong; the worker lives on."""
    before = worker_pids(bench)
    with pytest.raises(JobFailed) as failure:
        bench.submit("odd.return", kind=kind).wait(60)
    assert words in str(failure.value)
    assert worker_pids(bench) == before


def worker_pids(bench: LocalWorkbench) -> set[int]:
    """Tell which processes do the jobs."""
    dispatcher = bench.engine.dispatcher
    return {worker.pid for worker in dispatcher.hub.workers.values()} if dispatcher else set()


def test_odd_progress_does_not_stop_progress(bench: LocalWorkbench) -> None:
    """A share that is no number, and text that no database keeps, become what can be kept."""
    job = bench.submit("odd.return", kind="progress")
    assert job.wait(60) == "said"
    assert [line.text for line in job.log()] == ["half ? and NUL \ufffd"]
    events = bench.engine.events.page(0, "jobs.progress", subject=str(job.id))
    assert [event.payload["progress"] for event in events] == [0.0, 1.0]
    assert bench.submit("test.echo").wait(60) == {"text": "hello"}


def test_the_last_progress_before_a_silence_is_told(bench: LocalWorkbench, tmp_path: Path) -> None:
    """What was held back to keep the line quiet arrives though the work says no more."""
    gate = tmp_path / "gate"
    job = bench.submit("test.gate", file=str(gate))
    for percent in (10, 20, 30):
        gate.write_text(str(percent))
        end = time.monotonic() + 60
        while job.refresh().progress < percent / 100:
            assert time.monotonic() < end
            time.sleep(0.02)
    gate.write_text("100")
    assert job.wait(60) == 100


def test_streams_take_whole_lines() -> None:
    """Text that comes in pieces is logged line by line; the rest at the end."""
    said: list[tuple[str, str]] = []

    class Listening:
        def log(self, text: str, level: str) -> None:
            said.append((text, level))

    stream = LogStream(Listening(), "info")  # type: ignore[arg-type]
    assert stream.writable() and stream.write("a") == 1
    stream.write("b\n\n  \nc\nd")
    stream.finish()
    stream.finish()
    assert said == [("ab", "info"), ("c", "info"), ("d", "info")]


def test_closing_leaves_no_process_thread_or_file(tmp_path: Path) -> None:
    """Opening, working and closing again and again costs nothing in the end."""
    process = psutil.Process()

    def work(name: str) -> set[threading.Thread]:
        with Workbench.open(
            data=tmp_path / name, workers=1, capability_modules=["tests.capabilities"]
        ) as bench:
            assert bench.submit("test.echo").wait(60) == {"text": "hello"}
            return set(threading.enumerate())

    before = set(threading.enumerate())
    for thread in work("first") - before:
        thread.join(60)
        assert not thread.is_alive(), thread.name
    left = len(process.children()), process.num_fds()
    for thread in work("second") - before:
        thread.join(60)
    assert (len(process.children()), process.num_fds()) == left
