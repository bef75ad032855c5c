"""How much one may ask for: a bucket of tokens for each caller, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict

from fraktal_kernel.core.security import TooManyTries


class Bucket:
    """Allows so many things at once, and so many a second in the long run.

    Examples
    --------
    >>> bucket = Bucket(rate_per_s=10, burst=2)
    >>> [bucket.take(now=0.0) for _ in range(3)]
    [0.0, 0.0, 0.1]
    >>> bucket.take(now=5.0)
    0.0
    """

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate = rate_per_s
        self._burst = float(burst)
        self._left = float(burst)
        self._at: float | None = None

    def take(self, now: float | None = None, wait: bool = True) -> float:
        """Take one; returns for how many seconds to wait before acting on it.

        Parameters
        ----------
        wait : whether the caller waits; one that is turned away instead takes nothing
        """
        now = time.monotonic() if now is None else now
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1 and not wait:
            return (1 - self._left) / self._rate
        self._left -= 1
        return max(0.0, -self._left / self._rate)


class RateLimit:
    """Turns away a token that asks too often; bounded in size.

    Parameters
    ----------
    rate_per_s, burst : for each token
    """

    MOST_KEYS = 4096

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate, self._burst = rate_per_s, burst
        self._buckets: OrderedDict[int, Bucket] = OrderedDict()

    def check(self, token_id: int) -> None:
        """Count one request; raises TooManyTries. All calls come from the event loop."""
        bucket = self._buckets.get(token_id)
        if bucket is None:
            bucket = self._buckets[token_id] = Bucket(self._rate, self._burst)
            if len(self._buckets) > self.MOST_KEYS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(token_id)
        wait_s = bucket.take(wait=False)
        if wait_s > 0:
            raise TooManyTries(wait_s, f"requests with one token ({self._rate:g} a second)")
