"""Where a span belongs: the W3C trace context that every job carries, and the names of spans.

A job keeps the context that it was asked for under; its spans are named after that, the job and
what they are, so that whoever works them out (the worker, the server, an exporter) comes to the
same names without asking anybody. Nothing here needs OpenTelemetry.

References
----------
W3C, *Trace Context*, https://www.w3.org/TR/trace-context/ (2021).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
from dataclasses import dataclass, replace

#: What stands where a span has no parent.
NO_SPAN = "0" * 16
_NO_TRACE = "0" * 32
_WORDS = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace.

    Parameters
    ----------
    trace_id, span_id : 32 and 16 hexadecimal digits; ``span_id`` is of the span above
    sampled : whether those who asked want the spans handed on
    """

    trace_id: str
    span_id: str = NO_SPAN
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def under(self, span_id: str) -> TraceContext:
        """Give the place below one of our spans."""
        return replace(self, span_id=span_id)

    def below(self, *names: object) -> str:
        """Name a span of this trace: the same words give the same 16 digits."""
        text = "/".join(map(str, (self.trace_id, *names)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def new_trace() -> TraceContext:
    """Begin a trace that nobody else has."""
    return TraceContext(secrets.token_hex(16))


def read_traceparent(text: str) -> TraceContext | None:
    """Read a ``traceparent``; None where it is none, which begins a new trace.

    Examples
    --------
    >>> read_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").span_id
    'b7ad6b7169203331'
    >>> read_traceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01") is None
    True
    """
    found = _WORDS.fullmatch(text.strip())
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return None
    if found["trace"] == _NO_TRACE or found["span"] == NO_SPAN:
        return None
    return TraceContext(found["trace"], found["span"], bool(int(found["flags"], 16) & 1))


def context_of(job_id: int, kept: str) -> TraceContext:
    """Read what is kept with a job; one from before jobs had any gets a trace of its own."""
    found = _WORDS.fullmatch(kept)
    if found is None:
        return TraceContext(hashlib.sha256(f"job {job_id}".encode()).hexdigest()[:32])
    return TraceContext(found["trace"], found["span"], found["flags"] == "01")


def attempt_of(context: TraceContext, job_id: int, fence: int) -> TraceContext:
    """Give the place below one attempt at a job, which its fencing number tells from others."""
    return context.under(context.below(job_id, "attempt", fence))


def here() -> str:
    """Give the ``traceparent`` of the span that this thread is in; empty where there is none."""
    if "opentelemetry.trace" not in sys.modules:  # then nobody has opened one
        return ""
    from opentelemetry import trace

    now = trace.get_current_span().get_span_context()
    if not now.is_valid:
        return ""
    return str(TraceContext(f"{now.trace_id:032x}", f"{now.span_id:016x}", now.trace_flags.sampled))
