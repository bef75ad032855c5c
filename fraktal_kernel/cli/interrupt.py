"""Work that Ctrl-C, or a polite kill, ends within a second, whether it listens or not."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from fraktal_kernel.cli.exits import INTERRUPTED

T = TypeVar("T")


def interruptible(work: Callable[[], T], stop: threading.Event, grace_s: float = 0.8) -> T:
    """Do work in a thread and wait for it, so that the main thread can hear Ctrl-C and SIGTERM.

    Parameters
    ----------
    work : what to do
    stop : set at the first Ctrl-C; the work is expected to look at it
    grace_s : seconds that the work has to end by itself; then the process ends without it

    Raises
    ------
    KeyboardInterrupt
        it was stopped
    """
    ended: list[T] = []
    raised: list[BaseException] = []

    def act() -> None:
        try:
            ended.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=act, daemon=True)
    try:
        with _terminable():
            thread.start()  # only now: what it says may bring a signal at once
            while thread.is_alive():
                thread.join(0.1)
    except KeyboardInterrupt:
        stop.set()
        thread.join(grace_s)
        if thread.is_alive():
            # Compiled code may hold the interpreter's exit up; files appear whole or not at all.
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise
    if raised:
        raise raised[0]
    return ended[0]


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, as `timeout` and service managers send it, do what Ctrl-C does."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
