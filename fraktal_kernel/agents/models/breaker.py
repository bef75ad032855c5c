"""A circuit breaker for each language model: one that failed again and again is left to rest.

It opens after :data:`FAILURES` failures in a row. After :data:`REST_S` seconds one question is
let through; its answer closes the breaker, another failure lets the model rest again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES = 3
REST_S = 30.0


@dataclass
class _State:
    failures: int = 0
    rests_until: float = 0.0


class Breakers:
    """The breakers of one server's models.

    Parameters
    ----------
    clock : tells the time in seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()

    def rest(self, model: str) -> float:
        """Tell how many seconds a model still rests; 0 lets the caller, and nobody else, try."""
        with self._lock:
            state = self._states.get(model)
            if state is None or state.failures < FAILURES:
                return 0.0
            left = state.rests_until - self._clock()
            if left > 0:
                return left
            state.rests_until = self._clock() + REST_S  # the others wait for what comes of this
            return 0.0

    def tell(self, model: str, failed: bool) -> None:
        """Take note of how an attempt ended."""
        with self._lock:
            if not failed:
                self._states.pop(model, None)
                return
            state = self._states.setdefault(model, _State())
            state.failures += 1
            if state.failures >= FAILURES:
                state.rests_until = self._clock() + REST_S

    def state(self, model: str) -> tuple[int, float]:
        """Tell failures in a row and seconds of rest, without taking the turn of who may try."""
        with self._lock:
            state = self._states.get(model) or _State()
            rests = state.rests_until - self._clock() if state.failures >= FAILURES else 0.0
            return state.failures, max(0.0, rests)

    def open(self, model: str) -> bool:
        """Tell whether a model rests, without taking the turn of whoever may try it."""
        with self._lock:
            state = self._states.get(model)
            return state is not None and state.failures >= FAILURES
