"""Spans reach a trace server, each once, and no job suffers where there is none.

No trace server that tests could start comes with Debian or PyPI, so a web server of the test takes
OTLP over HTTP and reads it with OpenTelemetry's own generated messages.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from fraktal_kernel import JobOptions, Workbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import InvalidInput, JobFailed
from tests.core.tracing.test_timeline import MODULES, until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Receiver:
    """A web server that takes spans."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Any] = []
        self.paths: set[str] = set()
        self.answer = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(body)
                found = [
                    span
                    for resource in request.resource_spans
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
                answer = receiver.answer if found else 200
                if answer == 200:
                    receiver.spans += found
                receiver.paths.add(self.path)
                content = ExportTraceServiceResponse().SerializeToString()
                self.send_response(answer)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def named(self, name: str) -> list[Any]:
        """List the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def close(self) -> None:
        """Be away."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a receiver that is there."""
    made = Receiver()
    yield made
    made.close()


@contextmanager
def exporting(data: Path, port: int) -> Iterator[Workbench]:
    """Open a workbench that tells a port of its jobs."""
    with Workbench.open(
        serve=True,
        data=data,
        workers=1,
        capability_modules=MODULES,
        otlp_endpoint=f"http://127.0.0.1:{port}",
    ) as workbench:
        yield workbench


def attributes(span: Any) -> dict[str, Any]:
    """Read a span's attributes that are texts or whole numbers."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_trace_server_is_told_the_same_as_the_timeline(
    receiver: Receiver, tmp_path: Path
) -> None:
    """Names, places, times and faults are those of the timeline; the caller stands above."""
    with exporting(tmp_path, receiver.port) as workbench:
        options = JobOptions(traceparent=f"00-{TRACE}-{CALLER}-01")
        job = workbench.submit("traced.records", options=options)
        job.wait(120)
        timeline = job.spans()
        until(lambda: len(receiver.spans) >= len(timeline.spans))
    told = {span.span_id.hex(): span for span in receiver.spans}
    assert len(told) == len(receiver.spans) == len(timeline.spans)
    assert receiver.paths == {"/v1/traces"}
    for span in timeline.spans:
        found = told[span.id]
        assert found.trace_id.hex() == TRACE
        assert found.name == span.name
        assert found.parent_span_id.hex() == (span.parent_id or CALLER)
        assert found.start_time_unix_nano / 1e9 == pytest.approx(span.began_at.timestamp())
        assert (found.status.code == found.status.STATUS_CODE_ERROR) == (span.state == "error")
        assert attributes(found)["fraktal.job"] == job.id


def test_who_keeps_no_trace_is_told_nothing(receiver: Receiver, tmp_path: Path) -> None:
    """A caller that does not sample its trace has no spans of ours; the timeline is there."""
    with exporting(tmp_path, receiver.port) as workbench:
        options = JobOptions(traceparent=f"00-{TRACE}-{CALLER}-00")
        quiet = workbench.submit("traced.steps", options=options)
        quiet.wait(120)
        assert quiet.spans().spans[0].state == "ok"
        loud = workbench.submit("traced.steps")
        loud.wait(120)
        until(lambda: len(receiver.named("traced.steps")) == 1)
    assert {attributes(span)["fraktal.job"] for span in receiver.spans} == {loud.id}


def test_a_job_that_is_retried_is_told_in_parts(receiver: Receiver, tmp_path: Path) -> None:
    """Both times that it was done arrive, and no span of the first comes again."""
    with exporting(tmp_path, receiver.port) as workbench:
        job = workbench.submit("traced.breaks", options=JobOptions(max_attempts=1))
        for number in (1, 2):
            with pytest.raises(JobFailed):
                workbench.job(job.id).wait(120)
            until(lambda number=number: len(receiver.named("traced.breaks")) == number)  # type: ignore[misc]
            if number == 1:
                job.retry()
    names = [span.span_id for span in receiver.spans]
    assert len(set(names)) == len(names) == len(receiver.named("stir")) * 4


def test_a_trace_server_that_is_away_hears_later(tmp_path: Path) -> None:
    """Jobs go on as if nothing were; what ended meanwhile is told when it is back, by whoever."""
    first = Receiver()
    port = first.port
    with exporting(tmp_path, port) as workbench:
        workbench.submit("traced.steps").wait(120)
        until(lambda: first.named("traced.steps"))
        first.close()
        assert workbench.submit("traced.steps").wait(120) == 3
    second = Receiver(port)
    try:
        with exporting(tmp_path, port) as workbench:
            assert workbench.submit("traced.steps").wait(120) == 3
            until(lambda: len(second.named("traced.steps")) == 2)
        jobs = [attributes(span)["fraktal.job"] for span in second.named("traced.steps")]
        assert jobs == [2, 3]
    finally:
        second.close()


def test_what_is_refused_holds_nothing_up(receiver: Receiver, tmp_path: Path) -> None:
    """A server that listens and refuses one message is not asked for ever; the next one arrives."""
    with exporting(tmp_path, receiver.port) as workbench:
        receiver.answer = 400
        assert workbench.submit("traced.steps").wait(120) == 3
        until(lambda: _position(workbench) >= _last_end(workbench))
        receiver.answer = 200
        workbench.submit("traced.steps").wait(120)
        until(lambda: len(receiver.named("traced.steps")) == 1)
    assert attributes(receiver.named("traced.steps")[0])["fraktal.job"] == 2


def _position(workbench: Any) -> int:
    with workbench.engine.database.read() as tx:
        row = tx.row("SELECT seq FROM span_export")
    return int(row[0]) if row else 0


def _last_end(workbench: Any) -> int:
    with workbench.engine.database.read() as tx:
        return int(tx.row("SELECT MAX(seq) FROM event WHERE topic = 'jobs.state'")[0])


@pytest.mark.parametrize("given", ["localhost:4318", "ftp://a", "http://", "http://a b"])
def test_what_is_no_address_is_refused(given: str) -> None:
    """The setting wants the address of a web server."""
    with pytest.raises(InvalidInput, match="otlp_endpoint"):
        load_settings(otlp_endpoint=given)
