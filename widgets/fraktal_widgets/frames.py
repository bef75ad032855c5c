"""Pictures on their way to the browser: one header, and never more than two under way.

A frame is 16 bytes of header, four little-endian uint32 (sequence, level, width, height), and
then, row by row, uint16 positions in the palette or three bytes of red, green and blue: which of
the two, the length says. What belongs together travels in one trait, because two traits do not
arrive together in every host.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

IN_FLIGHT = 2
#: longer than a busy browser takes to draw a frame: more frames would only make it busier
LOST_AFTER_S = 10.0


def pack(sequence: int, level: int, pixels: NDArray[Any]) -> bytes:
    """Put the header in front of the pixels: uint16 [h, w], or uint8 [h, w, 3].

    Examples
    --------
    >>> len(pack(1, 0, np.zeros((2, 3), np.uint16)))
    28
    """
    height, width = pixels.shape[:2]
    header = np.array([sequence, level, width, height], "<u4").tobytes()
    return header + np.ascontiguousarray(pixels, "<u2" if pixels.ndim == 2 else "u1").tobytes()


class FrameFlow:
    """Send frames no faster than the browser draws them.

    At most `IN_FLIGHT` frames are sent and not yet drawn. A frame that comes when the
    way is full waits; a newer one takes its place. Frames are ordered by
    ``(sequence, -level)``: later views first, then finer levels. The last frame is sent once more
    when the browser, long after, still says that it drew an older one.

    Parameters
    ----------
    send : called with the bytes of a frame, on whatever thread brought the news, one call at a
        time and with no lock held: what it sets off may ask for the next frame, on any thread
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._sending = False
        self._under_way: list[tuple[tuple[int, int], float]] = []
        self._waiting: tuple[int, int, NDArray[Any]] | None = None
        self._last: tuple[tuple[int, int, NDArray[Any]] | None, float] = (None, 0.0)

    def offer(self, sequence: int, level: int, pixels: NDArray[Any]) -> None:
        """Send this frame as soon as there is room for it."""
        with self._lock:
            self._waiting = (sequence, level, pixels)
        self._flush()

    def drawn(self, sequence: int, level: int) -> None:
        """Note that the browser has drawn this frame, and so all before it."""
        with self._lock:
            mark = (sequence, -level)
            self._under_way = [item for item in self._under_way if item[0] > mark]
            last, since = self._last
            late = time.monotonic() - since > LOST_AFTER_S
            if late and last is not None and self._waiting is None:
                self._waiting = last if (last[0], -last[1]) > mark else None
        self._flush()

    def forget(self) -> None:
        """Start afresh with a browser that never saw what is under way."""
        with self._lock:
            self._under_way = []
        self._flush()

    def _flush(self) -> None:
        """Send what waits while there is room; whoever sends already does it for us."""
        while frame := self._next():
            try:
                self._send(pack(*frame))
            finally:
                with self._lock:
                    self._sending = False

    def _next(self) -> tuple[int, int, NDArray[Any]] | None:
        with self._lock:
            now = time.monotonic()
            self._under_way = [item for item in self._under_way if now - item[1] < LOST_AFTER_S]
            if self._sending or self._waiting is None or len(self._under_way) >= IN_FLIGHT:
                return None
            frame, self._waiting = self._waiting, None
            self._last = (frame, now)
            self._under_way.append(((frame[0], -frame[1]), now))
            self._sending = True
            return frame
