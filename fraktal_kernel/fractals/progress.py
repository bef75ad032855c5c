"""How long work tells how far it is, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar

from fraktal_kernel.errors import FraktalError

T = TypeVar("T")
_LOOK_UP_S = 0.01

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


def apart(work: Callable[[], T], cancelled: Cancelled | None) -> T:
    """Do something that nobody can ask on the way, so that no cancel has to wait for it.

    It is done in a thread of its own, which a cancel leaves behind: it ends by itself within
    seconds, and nobody hears of its result.

    Examples
    --------
    >>> apart(lambda: 6 * 7, cancelled=lambda: False)
    42
    """
    if cancelled is None:
        return work()
    done: Future[T] = Future()
    here = copy_context()  # what numpy is told to let pass counts there, too

    def do() -> None:
        try:
            done.set_result(here.run(work))
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=do, name="fractal-apart", daemon=True)
    while not cancelled():
        if thread.ident is None:
            thread.start()
        if wait([done], timeout=_LOOK_UP_S).done:
            return done.result()
    raise Stopped("the computation was cancelled before it was complete.")
