"""Work where only the newest request matters, on one thread that comes and goes.

A callback of a widget must return at once: it hands its request to `LatestOnly`. Requests
that were never begun are forgotten when a newer one comes, and the one under way can ask
``superseded()`` between its steps whether somebody still waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

Superseded = Callable[[], bool]


class LatestOnly:
    """Do the newest request on a thread of its own; forget the older ones.

    The thread starts with a request and ends when none is left, so that a widget that rests
    or is thrown away holds no thread.

    Parameters
    ----------
    work : called as ``work(request, superseded)``; it should return soon after
        ``superseded()`` became true
    name : what the thread is called in a stack dump

    Examples
    --------
    >>> done = []
    >>> latest = LatestOnly(lambda request, superseded: done.append(request))
    >>> latest.submit("a picture")
    >>> latest.wait(timeout_s=5)
    True
    >>> done
    ['a picture']
    """

    def __init__(self, work: Callable[[Any, Superseded], None], name: str = "latest-only") -> None:
        self._work = work
        self._name = name
        self._changed = threading.Condition()
        self._pending: list[Any] = []  # nothing, or the one request that waits
        self._serial = 0
        self._running = False
        self._closed = False

    def submit(self, request: Any) -> None:
        """Ask for ``request``; whatever was asked before is superseded."""
        with self._changed:
            if self._closed:
                return
            self._pending = [request]
            self._serial += 1
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Take no more requests and tell the one under way that nobody waits for it."""
        with self._changed:
            self._closed = True
            self._pending = []

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to do; False when that took longer than ``timeout_s``."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._pending:
                    self._running = False
                    self._changed.notify_all()
                    return
                request, serial = self._pending.pop(), self._serial
            try:
                self._work(request, lambda serial=serial: self._closed or serial != self._serial)
            except Exception:
                # The thread must live on: the next request may well succeed.
                if not self._closed:  # what is shut down in the middle of work may refuse
                    logging.getLogger(__name__).exception("%s failed", self._name)
