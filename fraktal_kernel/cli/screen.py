"""How commands speak: tables and JSON on the standard output, progress on the standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

#: What moves, colours or hides in a terminal: control characters, and those that turn directions.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console(stderr: bool = False) -> Console:
    """Open a console; where nobody looks, lines are long rather than cut."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 200)


def visible(text: object) -> str:
    r"""Write what a terminal would obey as what it is, lines and tabs aside.

    What a job, a model or another program says must not hide or rewrite what a person reads
    before they say yes.

    Examples
    --------
    >>> visible("two\nlines, \x1b[8mhidden\x1b[0m, \u202ereversed")
    'two\nlines, \\x1b[8mhidden\\x1b[0m, \\u202ereversed'
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], str(text))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        right = column in ("job", "done", "size", "attempt", "id")
        shown.add_column(column, overflow="fold", justify="right" if right else "left")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row))
    console().print(shown)


def print_json(value: Any) -> None:
    """Print JSON for other programs."""
    from pydantic_core import to_jsonable_python

    print(json.dumps(to_jsonable_python(value), indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Tell the person something that is not the result."""
    print(visible(text), file=sys.stderr, flush=True)


def bar() -> Progress:
    """Make a progress bar: what, how far, how long."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console(stderr=True),
        transient=False,
    )


def size(count: int) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> size(512), size(1_234_567)
    ('512 B', '1.23 MB')
    """
    if count < 1000:
        return f"{count} B"
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def seconds(duration_s: float) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> seconds(0.25), seconds(75), seconds(7300)
    ('0.25 s', '1 min 15 s', '2 h 1 min')
    """
    if duration_s < 59.5:
        return f"{duration_s:.2g} s" if duration_s < 10 else f"{duration_s:.0f} s"
    minutes, rest = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def ago(time: datetime | None) -> str:
    """Say how long ago something was."""
    if time is None:
        return ""
    return f"{seconds(max(0.0, (datetime.now(UTC) - time).total_seconds()))} ago"
