"""What the logs promise about every line, and what the numbers promise about every name."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from fraktal_kernel.core.monitoring import metrics
from fraktal_kernel.core.monitoring.logs import (
    FIRST,
    ROOT,
    JsonLines,
    bind,
    close_logs,
    configure_logs,
    forward_logs,
    get_logger,
    log_file,
    write_record,
)
from fraktal_kernel.core.monitoring.secrets import LONGEST_TEXT, clean, masked
from fraktal_kernel.core.settings import Settings, load_settings

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Settings]:
    """Give the settings of an empty workspace, and undo the logging that a test sets up."""
    yield load_settings(data=tmp_path / "data")
    close_logs()


@pytest.fixture
def terminal() -> io.StringIO:
    """Give what stands in for the terminal."""
    return io.StringIO()


@pytest.fixture
def lines(workspace: Settings, terminal: io.StringIO) -> Lines:
    """Set up logging; give a function that reads the lines written so far."""
    configure_logs(workspace, console=terminal)

    def read() -> list[dict[str, Any]]:
        file = log_file(workspace)
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return read


# --- logs ---------------------------------------------------------------------------------


def test_every_line_is_json_that_begins_with_the_same_names(lines: Lines) -> None:
    """Ours, the standard library's and a worker's lines all have time, level, job and owner."""
    get_logger("jobs").info("claimed", worker="w1")
    logging.getLogger("some.library").warning("low on %s", "paper")
    write_record({"event": "from a worker", "logger": "worker"})
    found = lines()
    assert [line["event"] for line in found] == ["claimed", "low on paper", "from a worker"]
    assert [line["logger"] for line in found] == ["jobs", "some.library", "worker"]
    assert all(tuple(line)[: len(FIRST)] == FIRST for line in found)
    assert found[0]["worker"] == "w1"
    assert all(line["time"].endswith("Z") for line in found)


def test_job_and_owner_are_on_every_line_in_their_context(lines: Lines) -> None:
    """What is bound stands on our lines and on those of libraries, and ends with the block."""
    with bind(job=7, owner=1):
        get_logger("jobs").info("a")
        with bind(job=8, step="fit"):
            logging.getLogger("library").warning("b")
        get_logger("jobs").info("c")
    get_logger("jobs").info("d")
    found = [(line["event"], line["job"], line["owner"], line.get("step")) for line in lines()]
    assert found == [
        ("a", 7, 1, None),
        ("b", 8, 1, "fit"),
        ("c", 7, 1, None),
        ("d", None, None, None),
    ]


def test_contexts_of_threads_and_tasks_do_not_mix(lines: Lines) -> None:
    """Jobs that run side by side, in threads or in one event loop, keep their own names."""
    meet = threading.Barrier(4)
    log = get_logger("jobs")

    def in_thread(job: int) -> None:
        with bind(job=job):
            meet.wait()
            log.info("thread", mine=job)

    async def in_task(job: int) -> None:
        with bind(job=job):
            await asyncio.sleep(0)
            log.info("task", mine=job)

    async def all_tasks() -> None:
        await asyncio.gather(*(in_task(job) for job in range(10, 14)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(in_thread, range(4)))
    asyncio.run(all_tasks())
    found = lines()
    assert sorted(line["mine"] for line in found) == [*range(4), *range(10, 14)]
    assert all(line["job"] == line["mine"] for line in found)


def test_an_exception_is_data(lines: Lines) -> None:
    """Type, text, cause and frames are fields; local variables, which hold secrets, are not."""
    try:
        password = "hunter2"
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError(f"outer, token={password}") from error
    except ValueError:
        get_logger("jobs").exception("failed", job=7)
    (line,) = lines()
    assert [each["exc_type"] for each in line["exception"]] == ["ValueError", "KeyError"]
    assert line["exception"][0]["frames"][-1]["name"] == "test_an_exception_is_data"
    assert line["exception"][0]["exc_value"] == "outer, token=***"
    assert "hunter2" not in json.dumps(line)


def test_a_field_cannot_take_the_place_of_time_or_level(lines: Lines) -> None:
    """A field that is called like one of ours gets a mark behind its name."""
    logging.getLogger("library").error("x", extra={"level": "none", "time": 0, "job": 3})
    (line,) = lines()
    assert (line["level"], line["level_"], line["job"]) == ("error", "none", 3)
    assert line["time"].startswith("20")


def test_a_line_break_in_a_text_makes_no_new_line(lines: Lines) -> None:
    """A text cannot forge a line of its own."""
    get_logger("jobs").info('x\n{"event": "forged"}\r\u2028\0')
    get_logger("jobs").info("half a pair \ud800 and 100%s")
    found = lines()
    assert len(found) == 2
    assert found[1]["event"].endswith("100%s")


def test_a_message_that_cannot_be_formatted_is_still_a_line() -> None:
    """A library's mistake in its own arguments loses no line."""
    record = logging.LogRecord("library", logging.ERROR, "x.py", 1, "%d of %d", (1,), None)
    assert "%d of %d" in json.loads(JsonLines().format(record))["event"]


def test_a_text_cannot_play_with_the_terminal(lines: Lines, terminal: io.StringIO) -> None:
    """Escape sequences from outside are shown as text."""
    get_logger("jobs").error("red \x1b[31m\x9b2J\nnew", field="\x1b]0;title\x07")
    assert "\x1b" not in terminal.getvalue()
    assert "\x9b" not in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_uvicorn_speaks_through_our_writer(lines: Lines, terminal: io.StringIO) -> None:
    """A real server's access lines are fields, on one writer, without the token of the URL."""
    import uvicorn

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(
        uvicorn.Config(hello, port=0, log_config=None, lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            threading.Event().wait(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/a?token=0a1b2c3d&x=1"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 204
    finally:
        server.should_exit = True
        thread.join()
    (access,) = [line for line in lines() if line["logger"] == "uvicorn.access"]
    assert (access["method"], access["status"]) == ("GET", 204)
    assert access["path"] == "/a?token=***&x=1"
    assert "0a1b2c3d" not in json.dumps(lines()) + terminal.getvalue()


def test_warnings_go_to_the_log_and_the_terminal(lines: Lines, terminal: io.StringIO) -> None:
    """The terminal sees warnings and worse, each one line; the file sees all."""
    get_logger("jobs").info("quiet")
    get_logger("jobs").warning("loud", job=7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("deprecated thing", DeprecationWarning, stacklevel=1)
    assert [line["logger"] for line in lines()] == ["jobs", "jobs", "py.warnings"]
    shown = terminal.getvalue()
    assert "quiet" not in shown
    assert "loud" in shown
    assert "job=7" in shown
    assert "deprecated thing" in shown


def test_an_exception_on_the_terminal_is_one_line(lines: Lines, terminal: io.StringIO) -> None:
    """A person at the terminal reads the sentence; the frames stand in the file."""
    try:
        raise ValueError("no paper")
    except ValueError:
        get_logger("printer").exception("failed")
    assert "ValueError: no paper" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_levels_hold_for_all(tmp_path: Path, terminal: io.StringIO) -> None:
    """What is below the level of the settings is written by nobody, whatever process it is from."""
    settings = load_settings(data=tmp_path, log_level="error")
    configure_logs(settings, console=terminal)
    try:
        get_logger("jobs").warning("a")
        logging.getLogger("library").warning("b")
        write_record({"event": "c", "level": "warning"})
        write_record({"event": "d", "level": "critical"})
        found = [json.loads(line) for line in log_file(settings).read_text().splitlines()]
        assert [line["event"] for line in found] == ["d"]
    finally:
        close_logs()


def test_rotation_by_size_loses_no_line_with_many_threads(
    tmp_path: Path, terminal: io.StringIO
) -> None:
    """Eight threads and rotated files: every line stands once, no file is larger than allowed."""
    settings = load_settings(data=tmp_path, log_max_bytes=20_000, log_files=50)
    configure_logs(settings, console=terminal)
    try:

        def speak(thread: int) -> None:
            for n in range(200):
                get_logger("jobs").info("line", mark=f"{thread}-{n}")
                write_record({"event": "line", "logger": "w", "mark": f"w{thread}-{n}"})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(speak, range(8)))
    finally:
        close_logs()
    files = sorted((tmp_path / "logs").iterdir())
    assert len(files) > 5
    assert all(file.stat().st_size <= 20_000 for file in files)
    marks = [json.loads(line)["mark"] for file in files for line in file.read_text().splitlines()]
    numbers = [f"{thread}-{n}" for thread in range(8) for n in range(200)]
    expected = {kind + number for kind in ("", "w") for number in numbers}
    assert len(marks) == len(expected)
    assert set(marks) == expected


def test_only_as_many_files_are_kept_as_the_settings_say(
    tmp_path: Path, terminal: io.StringIO
) -> None:
    """Older lines go, and the newest are in the file without a number."""
    settings = load_settings(data=tmp_path, log_max_bytes=2_000, log_files=2)
    configure_logs(settings, console=terminal)
    try:
        for n in range(200):
            get_logger("jobs").info("line", n=n)
        names = sorted(file.name for file in (tmp_path / "logs").iterdir())
        assert names == ["fraktal.jsonl", "fraktal.jsonl.1", "fraktal.jsonl.2"]
        assert json.loads(log_file(settings).read_text().splitlines()[-1])["n"] == 199
    finally:
        close_logs()


def test_a_log_that_cannot_be_written_is_told_once(
    workspace: Settings, terminal: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that refuses costs lines and one sentence, never the program."""
    configure_logs(workspace, console=terminal)
    log_file(workspace).mkdir()  # as good as a full disk: nothing can be written there
    for _ in range(5):
        get_logger("jobs").info("lost")
    told = capsys.readouterr().err
    assert told.count("cannot write the log") == 1
    assert "Traceback" not in told


WORKER = """
import json, logging, sys
from fraktal_kernel.core.monitoring.logs import bind, forward_logs, get_logger
forward_logs(lambda record: print(json.dumps(record), flush=True), level="info")
with bind(job=7, owner=1):
    get_logger("worker").info("begun", token="hunter2")
    get_logger("worker").debug("not asked for")
    logging.getLogger("library").warning("from a library")
"""


def test_lines_of_a_worker_process_come_through_the_one_writer(lines: Lines) -> None:
    """A worker sends records; the server writes them, and time and job are the worker's own."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, text=True, check=True
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for record in records:
        write_record(record)
    found = lines()
    assert found == records
    assert [(line["event"], line["job"], line["owner"]) for line in found] == [
        ("begun", 7, 1),
        ("from a library", 7, 1),
    ]
    assert found[0]["token"] == "***"


def test_a_worker_whose_server_is_gone_goes_on(workspace: Settings) -> None:
    """A send that raises, or that logs itself, costs the line and nothing else."""
    sent = []

    def send(record: dict[str, Any]) -> None:
        sent.append(record["event"])
        get_logger("connection").info("sending")  # would never end
        raise ConnectionError("gone")

    forward_logs(send)
    get_logger("worker").info("a")
    get_logger("worker").info("b")
    assert sent == ["a", "b"]


@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(FIRST),
        st.none() | st.floats() | st.text(max_size=8) | st.integers() | st.lists(st.binary()),
        max_size=6,
    )
)
@example({"logger": "."})
def test_any_record_from_outside_is_one_good_line(record: dict[str, Any]) -> None:
    """Whatever a worker sends, the file stays JSON with one line a record."""
    made: list[str] = []
    handler = logging.Handler()
    handler.setFormatter(JsonLines())
    handler.emit = lambda each: made.append(handler.format(each))  # type: ignore[method-assign]
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    try:
        write_record(record)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    (line,) = made
    assert "\n" not in line
    found = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert tuple(found)[: len(FIRST)] == FIRST
    assert found["level"] in ("debug", "info", "warning", "error", "critical")


def test_a_guest_in_a_notebook_leaves_the_logging_of_others_alone(
    workspace: Settings, terminal: io.StringIO
) -> None:
    """Without the whole process, only our own lines are written and the root is untouched."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    configure_logs(workspace, whole_process=False, console=terminal)
    assert (root.handlers, root.level) == before
    get_logger("jobs").info("ours")
    logging.getLogger("theirs").error("theirs")
    text = log_file(workspace).read_text()
    assert "ours" in text
    assert "theirs" not in text


def test_a_process_that_is_not_the_writer_opens_no_file(
    workspace: Settings, terminal: io.StringIO
) -> None:
    """A command line shows warnings and writes nothing into the workspace."""
    configure_logs(workspace, to_file=False, console=terminal)
    get_logger("cli").warning("seen")
    assert "seen" in terminal.getvalue()
    assert not workspace.data.exists()


def test_closing_the_logs_restores_what_was_there(
    workspace: Settings, terminal: io.StringIO
) -> None:
    """Handlers, levels and uvicorn's own set-up are as before."""

    def state() -> list[Any]:
        names = [None, "fraktal", "uvicorn", "uvicorn.access", "botocore"]
        loggers = [logging.getLogger(name) for name in names]
        return [(list(each.handlers), each.level, each.propagate) for each in loggers]

    before = state()
    configure_logs(workspace, console=terminal)
    configure_logs(workspace, console=terminal, whole_process=False)
    assert state() != before
    close_logs()
    assert state() == before


def test_importing_the_logger_costs_no_structlog() -> None:
    """Modules may get their logger at import; structlog comes with the first line written."""
    script = (
        "import sys, logging\n"
        "from fraktal_kernel.core.monitoring.logs import get_logger, bind\n"
        "from fraktal_kernel.core.monitoring import metrics\n"
        "log = get_logger('x')\nwith bind(job=1): log.debug('nobody listens')\n"
        "print([m for m in ('structlog', 'prometheus_client', 'psutil') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# --- secrets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8081/?token=hunter2hunter2",
        "http://x/?a=1&access_token=hunter2hunter2#top",
        "GET /?x=1;api_key=hunter2hunter2 HTTP/1.1",
        "Authorization: Bearer hunter2hunter2",
        "authorization: Basic hunter2hunter2==",
        "{'Authorization': 'Bearer hunter2hunter2'}",
        '{"password": "hunter2hunter2", "x": 1}',
        "{'secret': 'hunter2hunter2'}",
        "Cookie: fraktal_session=hunter2hunter2; theme=dark",
        "Cookie: theme=dark; fraktal_session_8081=hunter2hunter2",
        "the token fk_hunter2hunter2 was used",
        "postgresql+psycopg://me:hunter2hunter2@db:5432/fraktal",
        "s3://key:hunter2hunter2@bucket/x",
        "S3 options: client_secret=hunter2hunter2",
    ],
)
def test_secrets_in_texts_are_masked(text: str) -> None:
    """No shape in which a secret comes to a log gets through."""
    assert "hunter2" not in masked(text)
    assert "***" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8081/api/jobs/7?limit=50",
        "the basic idea of a bearer of news",
        "keyed by job 7, key=poster-7",
        "2026-01-01T10:00:00Z user@host:22",
        "fk_ is how tokens begin",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Masks spare ordinary text."""
    assert masked(text) == text


def test_secrets_by_name_are_masked_at_any_depth() -> None:
    """A field called like a secret never shows its value; one without a value says so."""
    found = clean(
        {"a": [{"Password": "x", "n": 1}], "api_key": 5, "X-Auth-Token": "y", "token": None}
    )
    assert found == {
        "a": [{"Password": "***", "n": 1}],
        "api_key": "***",
        "X-Auth-Token": "***",
        "token": None,
    }


def test_a_value_that_is_too_long_or_too_deep_is_cut() -> None:
    """One line stays a line that can be read."""
    nest: list[Any] = []
    nest.append(nest)
    assert len(json.dumps(clean({"x": "y" * 100_000}))) < LONGEST_TEXT + 100
    assert len(json.dumps(clean(nest))) < 1000

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "cannot be shown" in clean(Broken())


# --- numbers ------------------------------------------------------------------------------


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read our own page of numbers as Prometheus would."""
    text, content_type = metrics.render()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float:
    """Read one number; 0 where it is not there yet."""
    return samples().get((name, tuple(sorted(labels.items()))), 0.0)


def test_the_page_is_what_prometheus_reads() -> None:
    """Names, help and types follow the conventions: units, ``_total``, one family a name."""
    metrics.observe_job("fractal.render", "succeeded", 1.5)
    metrics.observe_event("jobs.state")
    metrics.observe_request("GET", "/api/jobs/{id}", 200, 0.01)
    text = metrics.render()[0].decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.documentation and family.type != "unknown" for family in families)
    for family in families:
        assert family.name.startswith(("fraktal_", "process_"))
        if family.type == "counter":
            assert f"{family.name}_total" in text
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
    assert "_created" not in text
    assert text.endswith("\n")


def test_jobs_events_and_requests_are_counted() -> None:
    """Each observation adds one to its own series, and its time to its histogram."""
    job = {"capability": "test.count", "state": "failed"}
    page = {"method": "POST", "route": "/test", "status": "422"}
    before = samples()
    for _ in range(3):
        metrics.observe_job("test.count", "failed", 2.0)
        metrics.observe_event("test.topic")
        metrics.observe_request("post", "/test", 422, 0.2)
    metrics.observe_job("test.count", "cancelled")  # never ran: it has no duration

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return samples().get(key, 0) - before.get(key, 0)

    assert grown("fraktal_jobs_total", **job) == 3
    assert grown("fraktal_job_duration_seconds_sum", **job) == pytest.approx(6)
    assert grown("fraktal_job_duration_seconds_bucket", le="1.0", **job) == 0
    assert grown("fraktal_job_duration_seconds_bucket", le="5.0", **job) == 3
    assert grown("fraktal_jobs_total", capability="test.count", state="cancelled") == 1
    assert grown("fraktal_events_total", topic="test.topic") == 3
    assert grown("fraktal_http_requests_total", **page) == 3
    assert grown("fraktal_http_request_duration_seconds_count", **page) == 3


def test_a_stranger_cannot_make_series() -> None:
    """Invented methods and paths without a route each fall into one series."""
    before = len(samples())
    for n in range(20):
        metrics.observe_request(f"HACK{n}", "", 404, 0.1)
    assert len(samples()) - before <= 20  # one series of the counter, one of the histogram
    assert value("fraktal_http_requests_total", method="OTHER", route="unmatched", status="404")


@pytest.fixture
def only_own_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what workbenches of other tests in this process would add."""
    monkeypatch.setattr(metrics, "_sources", [])


@pytest.mark.usefixtures("only_own_gauges")
def test_gauges_are_what_is_now() -> None:
    """Gauges come from the registered source at each look and go with it."""
    now = metrics.Gauges({"queued": 2}, 3.5, {"busy": 1, "idle": 2}, True, False)
    current = [now]
    remove = metrics.register_gauge_source(lambda: current[0])
    try:
        assert value("fraktal_jobs_in_state", state="queued") == 2
        assert ("fraktal_jobs_in_state", (("state", "running"),)) in samples()
        assert value("fraktal_queue_oldest_age_seconds") == 3.5
        assert value("fraktal_workers", state="idle") == 2
        assert (value("fraktal_database_up"), value("fraktal_store_up")) == (1, 0)
        current[0] = metrics.Gauges()
        assert value("fraktal_jobs_in_state", state="queued") == 0
        assert ("fraktal_database_up", ()) not in samples()
        also = metrics.register_gauge_source(lambda: now)
        current[0] = now
        assert value("fraktal_jobs_in_state", state="queued") == 4
        also()
    finally:
        remove()
        remove()  # twice does no harm
    assert ("fraktal_queue_oldest_age_seconds", ()) not in samples()


@pytest.mark.usefixtures("only_own_gauges")
def test_a_source_that_breaks_costs_only_its_own_gauges(lines: Lines) -> None:
    """The page still comes, counts the error in the same look, and the log says it once."""

    def broken() -> metrics.Gauges:
        raise ZeroDivisionError("no database")

    before = value("fraktal_gauge_source_errors_total")
    remove = metrics.register_gauge_source(broken)
    try:
        assert value("fraktal_gauge_source_errors_total") == before + 1
        assert value("fraktal_gauge_source_errors_total") == before + 2
    finally:
        remove()
    told = [line for line in lines() if line["event"] == "gauge source failed"]
    assert len(told) == 1
    assert "no database" in told[0]["error"]


def test_the_process_and_the_build_are_described() -> None:
    """CPU, memory and version of the process are there and plausible."""
    found = samples()
    assert found["process_resident_memory_bytes", ()] > 1e6
    assert found["process_cpu_seconds_total", ()] > 0
    assert found["process_start_time_seconds", ()] > 1.6e9
    (build,) = [labels for name, labels in found if name == "fraktal_build_info"]
    assert dict(build)["python"] == sys.version.split()[0]


def test_counting_from_many_threads_loses_nothing() -> None:
    """Eight threads at once, from the first use on, count into one registry."""
    before = value("fraktal_events_total", topic="test.threads")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: metrics.observe_event("test.threads"), range(4000)))
    assert value("fraktal_events_total", topic="test.threads") == before + 4000


def test_the_default_registry_of_the_process_is_left_alone() -> None:
    """A user's own metrics and ours do not meet."""
    from prometheus_client import REGISTRY

    assert not [each.name for each in REGISTRY.collect() if each.name.startswith("fraktal")]


def test_the_documentation_names_every_metric() -> None:
    """Each name on the page stands in docs/monitoring.md."""
    metrics.observe_job("test.docs", "succeeded", 1)
    metrics.observe_event("test.docs")
    metrics.observe_request("GET", "/docs", 200, 0.1)
    remove = metrics.register_gauge_source(lambda: metrics.Gauges({}, 0, {"idle": 1}, True, True))
    try:
        families = list(text_string_to_metric_families(metrics.render()[0].decode()))
    finally:
        remove()
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}" in page, f"docs/monitoring.md does not speak of {name}"
