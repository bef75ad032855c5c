"""How long work tells how far it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

from fraktal_kernel.errors import FraktalError

# Called with a fraction from 0 to 1 and a text such as "rows 400/1000".
Progress = Callable[[float, str], object]
# Asked every few milliseconds; says whether to stop.
Cancelled = Callable[[], bool]


class Stopped(FraktalError):
    """The computation was cancelled before it was complete."""


def part_of(progress: Progress | None, since: float, until: float) -> Progress | None:
    """Let a part of the work tell of itself as of the whole.

    Examples
    --------
    >>> told = []
    >>> part_of(lambda fraction, text: told.append(fraction), 0.5, 1.0)(0.5, "half of the second")
    >>> told
    [0.75]
    """
    if progress is None:
        return None
    return lambda done, text: progress(since + done * (until - since), text)
