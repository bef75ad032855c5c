"""From what the journal knows of a job to spans: the job, its waits, its attempts, their parts.

A job that was killed and taken up again has an attempt for each time that a worker had it; one
that was retried after its end begins anew, as a job of its own in the same trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.core.tracing.context import NO_SPAN, TraceContext, attempt_of, context_of
from fraktal_kernel.core.tracing.model import TOKENS, Kind, SpanState, SpanView, Timeline
from fraktal_kernel.core.tracing.story import Change, Inquiry, Story

#: A question is written in the transaction in which its job begins to wait.
TOGETHER_S = 1.0
#: Of one timeline at most so many spans are shown.
MOST_SPANS = 5000


@dataclass(slots=True)
class Span:
    """One thing that took time; seconds since 1970."""

    id: str
    parent: str
    job_id: int
    kind: Kind
    name: str
    began: float
    ended: float | None
    state: SpanState = "ok"
    error: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)

    def covers(self, at: float) -> bool:
        """Tell whether a time falls into it."""
        return self.began <= at and (self.ended is None or at <= self.ended)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A state, for as long as a job was in it, and what came behind it."""

    told: Mapping[str, Any]
    began: float
    ended: float | None
    after: Mapping[str, Any]

    @property
    def state(self) -> str:
        """The state's name."""
        return str(self.told["state"])


def spans_of(story: Story) -> tuple[TraceContext, list[Span]]:
    """Work out the spans of one job.

    Returns
    -------
    context : the trace, and the span that the job was asked for under
    spans : the job first; of one that was retried each time that it was done
    """
    context = context_of(story.job["id"], story.job["traceparent"])
    found: list[Span] = []
    for number, changes in enumerate(_rounds(_whole(story))):
        found += _round(story, context, number, changes)
    _add_recorded(story, found)
    _add_begun(story, found)
    _add_tokens(found)
    return context, found


def timeline(stories: Sequence[Story], left_out: int, now: float) -> Timeline:
    """Put the spans of a job and of those below it into one order."""
    first = stories[0]
    context = context_of(first.job["id"], first.job["traceparent"])
    spans = [span for story in stories for span in spans_of(story)[1]]
    roots = {span.job_id: span for span in reversed(spans) if span.kind == "job"}
    parents = {story.job["id"]: story.job["parent_id"] for story in stories}
    known = {span.id for span in spans}
    for span in spans:
        if span.parent not in known:  # what it names is forgotten, or somebody else's
            above = parents[span.job_id] if span.kind == "job" else span.job_id
            at = roots.get(above) if above != span.job_id or span.kind != "job" else None
            span.parent = NO_SPAN if at is None or at is span else at.id
    ordered = list(_in_order(spans))[:MOST_SPANS]
    return Timeline(
        job_id=first.job["id"],
        trace_id=context.trace_id,
        now=_time(now),
        spans=ordered,
        jobs_left_out=left_out,
    )


def _in_order(spans: Sequence[Span]) -> Iterator[SpanView]:
    """Give each span behind its parent, the earliest first."""
    below: dict[str, list[Span]] = {}
    for span in spans:
        below.setdefault(span.parent, []).append(span)
    for siblings in below.values():
        siblings.sort(key=lambda span: span.began, reverse=True)
    waiting = [(span, 0) for span in below.pop(NO_SPAN, [])]
    while waiting:
        span, depth = waiting.pop()
        yield _view(span, depth)
        waiting += [(each, depth + 1) for each in below.pop(span.id, [])]


def _view(span: Span, depth: int) -> SpanView:
    return SpanView(
        id=span.id,
        parent_id=None if span.parent == NO_SPAN else span.parent,
        depth=depth,
        job_id=span.job_id,
        kind=span.kind,
        name=span.name,
        state=span.state,
        began_at=_time(span.began),
        ended_at=None if span.ended is None else _time(span.ended),
        error=span.error,
        attributes={key: value for key, value in span.attributes.items() if _says(value)},
    )


def _says(value: Any) -> bool:
    return value is not None and value != "" and value != []


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# ------------------------------------------------------------------ states


def _whole(story: Story) -> list[Change]:
    """Give all changes; what was told so long ago that it is forgotten stands in the job itself."""
    job, changes = story.job, list(story.changes)
    if changes and changes[0].state in ("queued", "waiting") and not _forgot(job, changes[0]):
        return changes
    before = [Change(job["created_at"], {"state": "queued"})]
    started = job["started_at"]
    if started is not None and (not changes or started < changes[0].at - TOGETHER_S):
        before.append(Change(started, {"state": "running", "attempt": job["attempt"]}))
    if not changes and job["ended_at"] is not None:
        before.append(Change(job["ended_at"], {"state": job["state"], "error": job["error"]}))
    return [*before, *changes]


def _forgot(job: Mapping[str, Any], first: Change) -> bool:
    return bool(first.at > job["created_at"] + TOGETHER_S)


def _rounds(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Part the changes where a job had ended and was queued again."""
    part: list[Change] = []
    for change in changes:
        part.append(change)
        if change.state in ENDED:
            yield part
            part = []
    if part:
        yield part


def _stretches(changes: Sequence[Change]) -> Iterator[Stretch]:
    for number, change in enumerate(changes):
        if change.state not in ENDED:
            after = changes[number + 1] if number + 1 < len(changes) else None
            told = {} if after is None else after.told
            yield Stretch(change.told, change.at, None if after is None else after.at, told)


# ------------------------------------------------------------------ one time that a job was done


def _round(
    story: Story, context: TraceContext, number: int, changes: Sequence[Change]
) -> list[Span]:
    job, last = story.job, changes[-1]
    ended = last.at if last.state in ENDED else None
    again = ("again", number) if number else ()
    root = Span(
        id=context.below(job["id"], "job", *again),
        parent=context.span_id,
        job_id=job["id"],
        kind="job",
        name=job["capability"],
        began=changes[0].at,
        ended=ended,
        state=_state(last.state),
        error=str(last.told.get("error") or ""),
        attributes={
            "job": job["id"],
            "state": last.state if ended is not None else job["state"],
            "asked_by": job["asked_by"],
            "ran_on": job["ran_on"],
            "cost": job["cost"] or None,
        },
    )
    found = [root]
    seen: dict[int, int] = {}
    stretches = list(_stretches(changes))
    asked = _asked(story.inquiries, stretches)
    for place, stretch in enumerate(stretches):
        name = (job["id"], stretch.state, *again, place)
        span = Span(
            id=context.below(*name),
            parent=root.id,
            job_id=job["id"],
            kind="queue",
            name="waits for a worker",
            began=stretch.began,
            ended=stretch.ended,
            state="ok" if stretch.ended is not None else "open",
            attributes={
                key: stretch.told[key] for key in ("reason", "error") if key in stretch.told
            },
        )
        if stretch.state == "running":
            _make_attempt(span, stretch, context, seen)
        elif stretch.state == "waiting":
            _make_wait(span, asked.get(place))
        found.append(span)
    found += _steps(story, context, [span for span in found if span.kind == "attempt"])
    return found


def _state(state: str) -> SpanState:
    known: dict[str, SpanState] = {"succeeded": "ok", "failed": "error", "cancelled": "cancelled"}
    return known.get(state, "open")


def _make_attempt(
    span: Span, stretch: Stretch, context: TraceContext, seen: dict[int, int]
) -> None:
    """Make the span of a stretch in which a worker had the job."""
    number, fence = stretch.told.get("attempt", 1), stretch.told.get("fence")
    seen[number] = seen.get(number, 0) + 1
    if fence is not None:
        span.id = attempt_of(context, span.job_id, fence).span_id
    span.kind = "attempt"
    span.name = f"attempt {number}" + (", taken up again" if seen[number] > 1 else "")
    span.attributes = {"attempt": number, "agent": stretch.told.get("agent")}
    after = stretch.after
    if after:
        broke = after.get("error") or after.get("reason")
        state = str(after["state"])
        span.state = "error" if broke and state != "cancelled" else _state(state)
        if span.state == "open":  # it waits, or was put aside, as it wished
            span.state = "ok"
        span.error = str(broke or "")


def _make_wait(span: Span, asked: Inquiry | None) -> None:
    """Make the span of a stretch in which a job waited: for a person, or for other jobs."""
    if asked is None:
        span.kind, span.name = "children", "waits for its jobs, or for a time"
        return
    span.kind, span.name = "person", f"waits for a person: {asked.text}"
    span.attributes |= asked.facts


def _asked(inquiries: Iterable[Inquiry], stretches: Sequence[Stretch]) -> dict[int, Inquiry]:
    """Say with which question each stretch began, by its place; the last one where it had two."""
    waits = [place for place, stretch in enumerate(stretches) if stretch.state == "waiting"]
    found: dict[int, Inquiry] = {}
    for each in inquiries:
        near = min(waits, key=lambda place: abs(stretches[place].began - each.at), default=None)
        if near is not None and abs(stretches[near].began - each.at) < TOGETHER_S:
            found[near] = each
    return found


# ------------------------------------------------------------------ inside an attempt


def _steps(story: Story, context: TraceContext, attempts: Sequence[Span]) -> Iterator[Span]:
    for name, finished, seconds, cost in story.steps:
        within = next((each for each in attempts if each.covers(finished)), None)
        if within is None:
            continue
        yield Span(
            id=context.under(within.id).below(within.id, "step", name),
            parent=within.id,
            job_id=within.job_id,
            kind="step",
            name=name,
            began=max(within.began, finished - (seconds or 0.0)),
            ended=finished,
            attributes={"cost": cost or None},
        )


def _add_recorded(story: Story, found: list[Span]) -> None:
    """Add what libraries recorded, each below the span that it names, else where it falls."""
    known = {span.id for span in found} | {row[0] for row in story.recorded}
    attempts = [span for span in found if span.kind == "attempt"]
    job_id = story.job["id"]
    added = []
    for span_id, parent, kind, name, began, ended, error, attributes in story.recorded:
        if parent not in known:
            parent = next((each.id for each in attempts if each.covers(began)), found[0].id)
        state: SpanState = "error" if error else "ok"
        span = Span(span_id, parent, job_id, kind, name, began, ended, state, error, attributes)
        added.append(span)
    found += added


def _add_begun(story: Story, found: list[Span]) -> None:
    """Add the steps that have not ended: they go on, or ended with their attempt."""
    known = {span.id: span for span in found}
    for told in story.begun:
        attempt = known.get(told["attempt"])
        if attempt is None or told["span"] in known:
            continue
        span = Span(
            id=told["span"],
            parent=attempt.id,
            job_id=attempt.job_id,
            kind="step",
            name=told["name"],
            began=max(attempt.began, told["began"]),
            ended=attempt.ended,
            state=attempt.state,
        )
        known[span.id] = span
        found.append(span)


def _add_tokens(spans: Sequence[Span]) -> None:
    """Sum the tokens of questions to models on the step, the attempt and the job around them."""
    known = {span.id: span for span in spans}
    for span in spans:
        used = span.kind == "model" and [span.attributes.get(name) for name in TOKENS]
        above = known.get(span.parent)
        while used and above is not None:
            if above.kind != "model":
                for name, count in zip(("tokens_in", "tokens_out"), used, strict=True):
                    if isinstance(count, int):
                        above.attributes[name] = above.attributes.get(name, 0) + count
            above = known.get(above.parent)


def ended_between(spans: Iterable[Span], after: float, until: float) -> list[Span]:
    """Choose the spans that ended behind one end of their job, up to the next; for an exporter."""
    return [
        replace(span) for span in spans if span.ended is not None and after < span.ended <= until
    ]
