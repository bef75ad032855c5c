"""One event loop in a thread of its own, for as long as the process: connections stay open in it.

A job works in an ordinary thread, and a notebook has a loop of its own already; both wait for this
one, and look after other things while they wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as NotYet
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
#: How often whoever waits looks up: a cancellation is heard, and words are passed on, within this.
LOOK_S = 0.02


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fraktal-models", daemon=True).start()
    return loop


def wait_for(work: Coroutine[Any, Any, T], look: Callable[[], None]) -> T:
    """Run a coroutine and wait for it.

    Parameters
    ----------
    look : called many times a second meanwhile, in the caller's thread; what it raises cancels
        the work, which lets go of what it holds by itself, and is raised here at once
    """
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    while True:
        try:
            value = future.result(timeout=LOOK_S)
        except NotYet:
            if future.done():  # the work itself ran into a time limit
                raise
            try:
                look()
            except BaseException:
                future.cancel()
                raise
        else:
            look()
            return value
