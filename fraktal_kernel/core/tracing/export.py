"""Telling a trace server what the journal knows: every job that ends, once, over OTLP.

The database is the buffer: how far the trace server has been told stands beside the events, so a
server of theirs that is away for an hour, or one of ours that was killed, loses nothing. A job
knows nothing of it. Two servers of ours on one database may tell a job twice; the spans have the
same names then, and are one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.topics import EventView
from fraktal_kernel.core.tracing.context import NO_SPAN, TraceContext
from fraktal_kernel.core.tracing.story import read_one
from fraktal_kernel.core.tracing.telling import Span, ended_between, spans_of
from fraktal_kernel.errors import FraktalError, MissingExtra

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = get_logger("tracing")
PATH = "/v1/traces"
LOOK_S = 1.0
TIMEOUT_S = 5.0
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
#: One message tells of so many events' jobs and holds so many spans.
EVENTS, BATCH = 200, 512


class Exporter:
    """A thread that follows the ends of jobs and tells their spans.

    Parameters
    ----------
    endpoint : a trace server such as ``http://HOST:4318``; without a path, OTLP's own is meant

    Raises
    ------
    MissingExtra
        the OTLP exporter of OpenTelemetry is not installed
    """

    def __init__(self, database: Database, events: Events, endpoint: str) -> None:
        self._database, self._events = database, events
        self._endpoint = endpoint
        self._exporter = _exporter(endpoint)
        self._position()  # what ends from now on is told, whenever the thread gets to it
        self._stop = threading.Event()
        self._pause_s = 0.0
        self._thread = threading.Thread(target=self._loop, name="fraktal-spans", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell what has ended until now, if anybody listens, and end."""
        self._stop.set()
        self._thread.join(timeout=TIMEOUT_S + LOOK_S)
        self._exporter.shutdown()

    def _loop(self) -> None:
        while not self._stop.wait(self._pause_s or LOOK_S):
            self._try()
        if not self._pause_s:
            self._try()

    def _try(self) -> None:
        try:
            told = self._tell_news()
        except FraktalError as error:
            told = False
            log.warning("spans cannot be read now", reason=str(error))
        except Exception:
            told = False
            log.exception("telling the trace server stumbled")
        if told:
            self._pause_s = 0.0
        else:
            self._pause_s = min(max(PAUSE_S, 2 * self._pause_s), LONGEST_PAUSE_S)

    def _tell_news(self) -> bool:
        """Tell all that is untold; False where nobody took it."""
        seq = self._position()
        while page := self._events.page(seq, "jobs.state", limit=EVENTS):
            spans = [made for event in page for made in self._news(event)]
            for start in range(0, len(spans), BATCH):
                if not self._send(spans[start : start + BATCH]):
                    return False
            seq = page[-1].seq
            with self._database.write() as tx:
                tx.execute(
                    "UPDATE span_export SET seq = :seq WHERE endpoint = :endpoint",
                    {"seq": seq, "endpoint": self._endpoint},
                )
        return True

    def _position(self) -> int:
        """Say up to where this trace server knows all; a new one hears of what ends from now on."""
        values = {"endpoint": self._endpoint}
        with self._database.read() as tx:
            row = tx.row("SELECT seq FROM span_export WHERE endpoint = :endpoint", values)
        if row is not None:
            return int(row[0])
        last = self._events.last()
        with self._database.write() as tx:
            tx.execute(
                "INSERT INTO span_export(endpoint, seq) VALUES(:endpoint, :seq)"
                " ON CONFLICT (endpoint) DO NOTHING",
                {**values, "seq": last},
            )
        return last

    def _news(self, event: EventView) -> Iterator[ReadableSpan]:
        """Give the spans of a job that has ended with an event."""
        if event.payload["state"] not in ENDED:
            return
        with self._database.read() as tx:
            story = read_one(tx, int(event.subject))
        if story is None:
            return
        context, spans = spans_of(story)
        if not context.sampled:  # those who asked for it keep no spans of it
            return
        until = event.time.timestamp()
        ends = [each.at for each in story.changes if each.state in ENDED and each.at < until - 1e-4]
        for span in ended_between(spans, ends[-1] if ends else 0.0, until + 1e-4):
            yield _readable(span, context)

    def _send(self, spans: Sequence[ReadableSpan]) -> bool:
        """Send spans; what is refused by a server that listens will be refused again."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return True
        if self._stop.is_set() or self._exporter.export([]) is not SpanExportResult.SUCCESS:
            return False
        log.warning("the trace server refused spans", endpoint=self._endpoint, spans=len(spans))
        return True


def _exporter(endpoint: str) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        raise MissingExtra(
            "otlp_endpoint needs OpenTelemetry's exporter: pip install 'fraktal[otlp]'."
        ) from None
    url = endpoint if urlsplit(endpoint).path else endpoint + PATH
    return OTLPSpanExporter(endpoint=url, timeout=TIMEOUT_S)


def _readable(span: Span, context: TraceContext) -> ReadableSpan:
    """Write a span as OpenTelemetry's own."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def place(span_id: str) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(context.trace_id, 16), int(span_id, 16), True, flags)

    status = {
        "ok": Status(StatusCode.OK),
        "error": Status(StatusCode.ERROR, span.error),
    }.get(span.state, Status(StatusCode.UNSET))
    assert span.ended is not None
    return ReadableSpan(
        name=span.name,
        context=place(span.id),
        parent=None if span.parent == NO_SPAN else place(span.parent),
        resource=Resource({"service.name": "fraktal", "service.version": version("fraktal")}),
        attributes=_attributes(span),
        kind=SpanKind.CLIENT if span.kind == "model" else SpanKind.INTERNAL,
        status=status,
        start_time=round(span.began * 1e9),
        end_time=round(span.ended * 1e9),
    )


def _attributes(span: Span) -> dict[str, Any]:
    own = {"fraktal.job": span.job_id, "fraktal.kind": span.kind, "fraktal.state": span.state}
    for key, value in span.attributes.items():
        if value is not None and value != "":
            own[key if "." in key else f"fraktal.{key}"] = value
    return own
