"""A timeline in the terminal: one line a span, its name, how long it took, its bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraktal_kernel.cli.screen import console, seconds, visible

if TYPE_CHECKING:
    from fraktal_kernel.core.tracing.model import SpanView, Timeline

#: A bar is so wide at least; eighths of a cell make its ends.
LEAST_WIDTH = 20
NAME_WIDTH = 44
_FILLS = {"queue": "░", "start": "░", "children": "░", "person": "▒"}
_WORDS = {"error": "failed", "cancelled": "cancelled", "open": "goes on"}
_COLOURS = {"error": "red", "cancelled": "yellow", "open": "cyan"}


def draw(timeline: Timeline) -> None:
    """Print a timeline as wide as the terminal is."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    screen = console()
    first = min(span.began_at for span in timeline.spans)
    last = max(span.ended_at or timeline.now for span in timeline.spans)
    whole = max((last - first).total_seconds(), 1e-6)
    width = max(LEAST_WIDTH, screen.width - NAME_WIDTH - 26)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("span", max_width=NAME_WIDTH, overflow="ellipsis", no_wrap=True)
    shown.add_column("took", justify="right", no_wrap=True)
    shown.add_column(f"0 to {seconds(whole)}", width=width, no_wrap=True)
    shown.add_column("", overflow="fold")
    for span in timeline.spans:
        took = ((span.ended_at or timeline.now) - span.began_at).total_seconds()
        begin = (span.began_at - first).total_seconds() / whole
        colour = _COLOURS.get(span.state, "")
        shown.add_row(
            Text("  " * span.depth + visible(_name(span)), style=colour),
            _short(took),
            Text(bar(begin, took / whole, width, _FILLS.get(span.kind, "█")), style=colour),
            Text(visible(span.error or _WORDS.get(span.state, ""))),
        )
    screen.print(shown)
    if timeline.jobs_left_out:
        print(f"{timeline.jobs_left_out} more jobs below this one are not shown.")


def bar(begin: float, share: float, width: int, fill: str = "█") -> str:
    """Draw a bar of at least one cell between 0 and 1.

    Examples
    --------
    >>> bar(0.5, 0.25, 8), bar(1, 0, 8)
    ('    ██', '       █')
    """
    cells = max(1, round(share * width))
    start = min(round(begin * width), width - cells)
    return " " * start + fill * cells


def _name(span: SpanView) -> str:
    return f"{span.name} #{span.job_id}" if span.kind == "job" else span.name


def _short(duration_s: float) -> str:
    return f"{duration_s * 1000:.1f} ms" if duration_s < 0.1 else seconds(duration_s)
