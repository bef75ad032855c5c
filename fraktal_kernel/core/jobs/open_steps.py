"""The steps that a worker process is in the middle of: told once they have lasted a moment.

The journal knows a step when it has ended. One that takes long is told before, so that a timeline
shows it while it goes on. Short steps, of which there may be thousands a second, are not, and cost
no more than an entry in a dictionary and its removal.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

#: A step that lasts longer is told; so often it is looked whether one does.
TOLD_AFTER_S, LOOK_S = 0.3, 0.1


@dataclass(slots=True)
class _Step:
    tell: Callable[..., None]
    name: str
    span: str
    attempt: str
    began: float
    told: bool = False


class OpenSteps:
    """The open steps of one process; its thread sleeps while there are none."""

    def __init__(self) -> None:
        self._steps: dict[int, _Step] = {}
        self._count = itertools.count()
        self._awake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def of(self, tell: Callable[..., None], name: str, span: str, attempt: str) -> Iterator[None]:
        """Keep one step open.

        Parameters
        ----------
        tell : takes the words for the server, from a thread of ours
        span, attempt : the step's name in the trace, and that of the attempt around it
        """
        number = next(self._count)
        self._steps[number] = _Step(tell, name, span, attempt, time.time())
        if not self._awake.is_set():
            self._wake()
        try:
            yield
        finally:
            del self._steps[number]

    def _wake(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="open-steps", daemon=True)
                self._thread.start()
            self._awake.set()

    def _run(self) -> None:
        while self._awake.wait():
            time.sleep(LOOK_S)
            now = time.time()
            steps = list(self._steps.values())
            for step in steps:
                if not step.told and now - step.began > TOLD_AFTER_S:
                    step.told = True
                    with contextlib.suppress(OSError):  # the line is broken; the process ends
                        step.tell(**_words(step, now))
            if not steps:
                self._awake.clear()
                if self._steps:  # one began in between and took us for awake
                    self._awake.set()


def _words(step: _Step, now: float) -> dict[str, Any]:
    return {
        "op": "stepping",
        "now": now,
        "name": step.name,
        "span": step.span,
        "attempt": step.attempt,
        "began": step.began,
    }


open_steps = OpenSteps()
