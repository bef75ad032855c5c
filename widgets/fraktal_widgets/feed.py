"""Follow what happens in a workbench and keep what a screen shows of it.

Two threads a feed, both ending with it: one reads the workbench's events, one does
everything else (asking, reading, doing what the user wished), so that neither a callback of a
widget nor the browser waits for work. What changed is told at a bounded rate. Nothing here
knows of traits or of a browser.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fraktal_kernel.errors import FraktalError

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

#: so long after events began to be heard everything is read once more
SETTLE_S = 1.5
RECONNECT_S = 1.0

_log = logging.getLogger(__name__)


class Feed(ABC):
    """Something of a workbench, kept current.

    Parameters
    ----------
    workbench : whose
    changed : called on a thread of the feed when something changed, at a bounded rate

    Nothing happens before :meth:`start`, so that the owner can finish itself first.
    """

    #: what is followed, in words, and by the topics of its events
    about = "workbench"
    topics = "*"
    #: so often in a second it is told at most that something changed
    rate_per_s = 5.0

    def __init__(self, workbench: Workbench, changed: Callable[[], None]) -> None:
        self.workbench = workbench
        self.trouble = ""
        self.loading = True
        self._changed = changed
        self._tasks: queue.Queue[Callable[[], Any] | None] = queue.Queue()
        self._titles: dict[str, str] = {}
        self._cut = ""  # why no events come; what else succeeds meanwhile does not end that
        self._dirty = False
        self._due: dict[str, tuple[float, Callable[[], None]]] = {}
        self._starting = threading.Lock()
        self._started = False
        self._stop = threading.Event()
        self._after: int | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"fraktal-{self.about}-work", daemon=True),
            threading.Thread(target=self._read, name=f"fraktal-{self.about}-events", daemon=True),
        ]

    # what the owner of the feed calls -----------------------------------------------------

    def start(self) -> None:
        """Start both threads, once."""
        with self._starting:
            if self._started:
                return
            self._started = True
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End both threads; nothing is told any more."""
        self._stop.set()
        self._tasks.put(None)

    def wait_closed(self, timeout_s: float) -> bool:
        """Wait until both threads have ended."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def do(self, task: Callable[[], Any]) -> None:
        """Do something on the feed's thread; what does not return False has changed something."""
        self._tasks.put(task)

    def title(self, name: str) -> str:
        """Say what a capability is called on a button; its name where it is not known here."""
        if name not in self._titles:
            known = self.workbench.capabilities
            self._titles[name] = known[name].title if name in known else name
        return self._titles[name]

    # what a feed of one kind says ---------------------------------------------------------

    @abstractmethod
    def _load(self) -> None:
        """Read everything anew: at the start, and when the events were cut off for a while."""

    @abstractmethod
    def _apply(self, event: Any) -> bool | None:
        """Take in what one event tells; False where that changes nothing here."""

    def _later(self, name: str, seconds: float, task: Callable[[], None]) -> None:
        """Do something after a while, once: what is planned under that name already stays."""
        self._due.setdefault(name, (time.monotonic() + seconds, task))

    # the thread that works ---------------------------------------------------------------

    def _work(self) -> None:
        told = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            for name, (when, task) in list(self._due.items()):
                if now >= when:
                    del self._due[name]
                    self.do(task)
            tell_at = told + 1 / self.rate_per_s if self._dirty else math.inf
            if now >= tell_at:
                self._dirty = False
                self._tell()
                told = time.monotonic()
                continue
            # a nap has an end, for what the other thread may have planned meanwhile
            wake_at = min(
                [tell_at, now + SETTLE_S, *(when for when, _ in list(self._due.values()))]
            )
            try:
                task = self._tasks.get(timeout=max(0.0, wake_at - now))
            except queue.Empty:
                continue
            if task is None:
                return
            try:
                changed = task() is not False
                changed = changed or self.trouble != self._cut
                self.trouble = self._cut
            except Exception as error:  # the screen lives on and says what is wrong
                self._note(error)
                changed = True
                if self.loading:  # where nothing happens, nothing else would ask again
                    self._later("load", SETTLE_S, self._load_again)
            self._dirty = self._dirty or changed

    def _tell(self) -> None:
        try:
            self._changed()
        except Exception:
            if not self._stop.is_set():  # a widget that is just being closed may refuse
                _log.exception("showing the %s failed", self.about)

    def _note(self, error: Exception) -> None:
        if not isinstance(error, FraktalError) and not self.trouble:
            _log.exception("following the %s failed", self.about, exc_info=error)
        self.trouble = str(error) or type(error).__name__

    # the thread that reads events --------------------------------------------------------

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                # Heard from here on, and read after that: nothing falls in between, late as we are.
                heard = self.workbench.events(self.topics, after=self._after, stop=self._stop)
                self.do(self._load_again)
                self._due["load"] = (time.monotonic() + SETTLE_S, self._load)
                for event in heard:
                    self._after = event.seq
                    self.do(lambda event=event: self._apply(event))  # type: ignore[misc]
            except Exception as error:
                self.do(lambda error=error: self._lost(error))  # type: ignore[misc]
            self._stop.wait(RECONNECT_S)

    def _load_again(self) -> None:
        self._load()
        self._cut = ""

    def _lost(self, error: Exception) -> None:
        self._cut = f"The {self.about} cannot be followed right now ({error}); trying again."
        raise FraktalError(self._cut)
