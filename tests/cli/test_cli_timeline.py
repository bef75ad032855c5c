"""``fraktal jobs timeline``: one line a span, as wide as the terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from fraktal_kernel.cli.timeline import bar, draw
from fraktal_kernel.core.tracing.model import Kind, SpanState, SpanView, Timeline

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def span(
    name: str, kind: Kind, begin_s: float, end_s: float | None, state: SpanState, depth: int
) -> SpanView:
    """Make a span of job 7."""
    return SpanView(
        id=name,
        parent_id=None,
        depth=depth,
        job_id=7,
        kind=kind,
        name=name,
        state=state,
        began_at=BEGAN + timedelta(seconds=begin_s),
        ended_at=None if end_s is None else BEGAN + timedelta(seconds=end_s),
        error="it burnt" if state == "error" else "",
    )


def test_bars_stand_where_their_time_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Each half has its half of the width; a fault and what goes on have their words."""
    spans = [
        span("bake", "job", 0, None, "open", 0),
        span("waits", "queue", 0, 2, "ok", 1),
        span("attempt 1", "attempt", 2, 4, "error", 1),
    ]
    now = BEGAN + timedelta(seconds=4)
    draw(Timeline(job_id=7, trace_id="", now=now, spans=spans, jobs_left_out=3))
    text = capsys.readouterr().out
    whole, first, second = (
        next(line for line in text.splitlines() if name in line)
        for name in ("bake #7", "waits", "attempt 1")
    )
    assert whole.count("█") == first.count("░") + second.count("█")
    assert first.rindex("░") < second.index("█")
    assert "goes on" in whole and "it burnt" in second and "2 s" in first
    assert "3 more jobs" in text


@pytest.mark.parametrize("begin", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_bar_leaves_the_line(begin: float, share: float) -> None:
    """A bar has one cell at least and ends within the width."""
    drawn = bar(begin, share, 10)
    assert 1 <= drawn.count("█") <= 10 and len(drawn) <= 10


def test_a_queued_job_has_a_timeline(fraktal) -> None:
    """Without a server the job waits, and that is all there is."""
    fraktal("submit", "fractal.render", "--width", 64, "--height", 48)
    found = json.loads(fraktal("jobs", "timeline", 1, "--json").stdout)
    assert [(each["kind"], each["state"]) for each in found["spans"]] == [
        ("job", "open"),
        ("queue", "open"),
    ]
    assert "waits for a worker" in fraktal("jobs", "timeline", 1).stdout
    assert "there is no job 9" in fraktal("jobs", "timeline", 9).stderr
