"""How each language model fared since the server started: answers, times, tokens, cost, errors."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

#: The median is that of so many answers, the newest ones.
REMEMBERED = 100


@dataclass
class Record:
    """One model.

    Parameters
    ----------
    seconds : how long its newest answers took
    cost : None until an answer had a price
    error, error_at : why it did not answer the last time that it did not, and when
    """

    answers: int = 0
    failures: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    error: str = ""
    error_at: float | None = None
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def median_s(self) -> float | None:
        """Half of its newest answers took less."""
        return statistics.median(self.seconds) if self.seconds else None


class Records:
    """The records of one server's models."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def attempt(self, model: str, seconds: float, reason: str) -> None:
        """Take note that a model was asked; with a reason it did not answer."""
        with self._lock:
            record = self._records.setdefault(model, Record())
            if reason:
                record.failures += 1
                record.error, record.error_at = reason, time.time()
            else:
                record.answers += 1
                record.seconds.append(max(0.0, seconds))

    def bill(self, model: str, tokens_in: int, tokens_out: int, cost: float | None) -> None:
        """Take note of what an answer used."""
        with self._lock:
            record = self._records.setdefault(model, Record())
            record.tokens_in += max(0, tokens_in)
            record.tokens_out += max(0, tokens_out)
            if cost is not None:
                record.cost = (record.cost or 0.0) + cost

    def of(self, model: str) -> Record:
        """Return how a model fared until now."""
        with self._lock:
            record = self._records.get(model, Record())
            return replace(record, seconds=record.seconds.copy())
