"""What libraries record inside a job, handed to its server: OpenTelemetry's SDK in a worker.

Whatever opens OpenTelemetry spans while a job works (pydantic-ai for each question to a language
model, an instrumented web client, a capability with a tracer of its own) finds the job's step as
their parent and this process's provider as where they go. Imported only where something records.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags
from typing_extensions import override

from fraktal_kernel.core.tracing.context import TraceContext
from fraktal_kernel.core.values import plain_text

Tell = Callable[..., None]
#: which job a span was recorded in
JOB = "fraktal.job"
BATCH = 64
DELAY_MS = 500
END_MS = 1000
#: What is kept of one span: so many attributes, of such a length each, and in all.
ATTRIBUTES, TEXT_CHARS, SPAN_CHARS = 64, 1000, 8000
#: They repeat what the model's answer and the capabilities' own schemas say, at length.
_LONG = frozenset(
    {
        "gen_ai.tool.definitions",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "model_request_parameters",
        "logfire.json_schema",
    }
)
_KINDS = {
    "execute_tool": "tool",
    "chat": "model",
    "embeddings": "model",
    "text_completion": "model",
}


class Recording(SpanExporter):
    """The end of this process's one provider: tells the server what the job at work recorded."""

    def __init__(self) -> None:
        self._job = 0
        self._tell: Tell | None = None
        self._batches = BatchSpanProcessor(
            self, schedule_delay_millis=DELAY_MS, max_export_batch_size=BATCH
        )
        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):  # else somebody has one, and we listen too
            provider = TracerProvider(
                sampler=ALWAYS_ON,
                resource=Resource({"service.name": "fraktal"}),
                shutdown_on_exit=False,
                span_limits=SpanLimits(max_span_attributes=ATTRIBUTES),
            )
            trace.set_tracer_provider(provider)
        provider.add_span_processor(_Stamp(self))
        provider.add_span_processor(self._batches)

    @property
    def job(self) -> int:
        """The number of the job at work."""
        return self._job

    @contextlib.contextmanager
    def under(self, job_id: int, here: TraceContext, tell: Tell) -> Iterator[None]:
        """Let spans of this thread begin below one of the job's."""
        self._job, self._tell = job_id, tell
        above = SpanContext(
            int(here.trace_id, 16), int(here.span_id, 16), True, TraceFlags(TraceFlags.SAMPLED)
        )
        token = contexts.attach(trace.set_span_in_context(NonRecordingSpan(above)))
        try:
            yield
        finally:
            contexts.detach(token)

    def end(self) -> None:
        """Tell what is untold; what threads that the job left behind record is nobody's."""
        self._batches.force_flush(END_MS)
        self._job, self._tell = 0, None

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        tell, job = self._tell, self._job
        ours = [span for span in spans if (span.attributes or {}).get(JOB) == job]
        if tell is not None and ours:
            with contextlib.suppress(OSError):  # the line is broken; the process is about to end
                tell(op="spans", now=time.time(), spans=[_told(span) for span in ours])
        return SpanExportResult.SUCCESS


class _Stamp(SpanProcessor):
    """Writes on each span in which job it began."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @override
    def on_start(self, span: Span, parent_context: contexts.Context | None = None) -> None:
        span.set_attribute(JOB, self._recording.job)


@cache
def recording() -> Recording:
    """Give the recording of this process."""
    return Recording()


def _told(span: ReadableSpan) -> dict[str, Any]:
    attributes: dict[str, str | float | bool] = {}
    room = SPAN_CHARS
    for key, value in (span.attributes or {}).items():
        if key in _LONG or key == JOB:
            continue
        written = _plain(value)
        room -= len(key) + len(str(written))
        if room > 0:
            attributes[plain_text(key)] = written
    error = ""
    if span.status.status_code is StatusCode.ERROR:
        error = span.status.description or str(_raised(span)) or "it failed"
    parent = span.parent
    context = span.context
    return {
        "id": f"{context.span_id:016x}" if context else "",
        "parent": f"{parent.span_id:016x}" if parent else "",
        "kind": _KINDS.get(str(attributes.get("gen_ai.operation.name", "")), "work"),
        "name": plain_text(span.name)[:200],
        "began": (span.start_time or 0) / 1e9,
        "ended": (span.end_time or 0) / 1e9,
        "error": plain_text(error)[:2000],
        "attributes": attributes,
    }


def _raised(span: ReadableSpan) -> object:
    """Find what an exception said that a span noted."""
    for event in span.events:
        if event.attributes and "exception.message" in event.attributes:
            return event.attributes["exception.message"]
    return ""


def _plain(value: Any) -> str | float | bool:
    """Write an attribute as one value, cut where it is long; a short list as its JSON.

    The cut is ours: that of the SDK warns of each.
    """
    if isinstance(value, str):
        return plain_text(value[:TEXT_CHARS])
    if isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    if isinstance(value, int | float):
        return str(value)
    return json.dumps(list(value), default=str)[:TEXT_CHARS]
