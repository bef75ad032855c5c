"""Rows of pixels as the compressed stream of a PNG file, in pieces, on all processors.

zlib leaves the interpreter free while it works, so threads suffice. Each piece is compressed by
itself with that filter which makes some of its rows smallest: none where few colours repeat,
differences where they flow.

References
----------
PNG Specification (Third Edition), 9 Filtering and 10 Compression; RFC 1950, RFC 1951.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped

# The most thorough of zlib's quick levels: pictures of bands get no smaller by the slow ones.
LEVEL = 3
_PIECE_BYTES = 200_000
_TRIED_ROWS, _TRIED_BYTES = 8, 4096
_LOOK_UP_S = 0.01
_ADLER = 65_521
_NONE, _UP, _AVERAGE = 0, 2, 3

Rows = NDArray[np.uint8]


def deflated(
    pixels: NDArray[Any],
    *,
    level: int = LEVEL,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Iterator[bytes]:
    """Yield a zlib stream of filtered rows, piece by piece in order.

    Parameters
    ----------
    pixels : uint8 or uint16 [h, w, channels]
    level : of zlib, 1 (quick) to 9 (small)
    threads : how many to use; by default one for each processor
    progress : called with a fraction and a text such as ``"rows 400/1000"``
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True
    """
    height = len(pixels)
    tall = max(1, _PIECE_BYTES // max(pixels[0].nbytes, 1))
    starts = range(0, height, tall)
    workers = threads or _processors()
    checksum = 1
    yield b"\x78\x5e"  # deflate with a window of 32 KiB; the fast half of the levels
    with ThreadPoolExecutor(workers) as pool:
        queue: deque[tuple[int, Future[tuple[bytes, int, int]]]] = deque()
        ahead = iter(starts)
        try:
            while True:
                while len(queue) < 2 * workers and (first := next(ahead, None)) is not None:
                    last = min(first + tall, height)
                    queue.append((last, pool.submit(_piece, pixels, first, last, level)))
                if not queue:
                    break
                last, future = queue.popleft()
                while True:
                    if cancelled is not None and cancelled():
                        raise Stopped("the picture was cancelled before its file was complete.")
                    if wait([future], timeout=_LOOK_UP_S).done:
                        break
                data, adler, size = future.result()
                checksum = _joined(checksum, adler, size)
                yield data
                if progress is not None:
                    progress(last / height, f"rows {last}/{height}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    yield checksum.to_bytes(4, "big")


def _piece(pixels: NDArray[Any], first: int, last: int, level: int) -> tuple[bytes, int, int]:
    """Compress some rows: the data, and checksum and length of what was compressed."""
    known = _bytes_of(pixels[max(first - 1, 0) : last])
    # What stands above the first row of a picture counts as 0.
    rows = known if first else np.vstack([np.zeros_like(known[:1]), known])
    step = pixels.shape[2] * pixels.itemsize
    top, left = (len(rows) - 1) // 2, rows.shape[1] // (2 * step) * step
    tried = rows[top : top + _TRIED_ROWS + 1, left : left + _TRIED_BYTES]
    sizes = {
        kind: len(zlib.compress(_filtered(tried, step, kind).data, 1))
        for kind in (_NONE, _UP, _AVERAGE)
    }
    data = _filtered(rows, step, min(sizes, key=sizes.__getitem__))
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9)
    end = zlib.Z_FINISH if last == len(pixels) else zlib.Z_FULL_FLUSH
    return packer.compress(data.data) + packer.flush(end), zlib.adler32(data.data), data.size


def _processors() -> int:
    """Count the processors that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def _bytes_of(pixels: NDArray[Any]) -> Rows:
    """Give rows of pixels as rows of bytes, the higher ones first."""
    whole = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
    return whole.view(np.uint8).reshape(len(pixels), -1)


def _filtered(rows: Rows, step: int, kind: int) -> Rows:
    """Give all rows but the first as differences from what is known before them."""
    above, here = rows[:-1], rows[1:]
    out = np.empty((here.shape[0], here.shape[1] + 1), np.uint8)
    out[:, 0] = kind
    if kind == _NONE:
        out[:, 1:] = here
        return out
    if kind == _UP:
        np.subtract(here, above, out=out[:, 1:])
        return out
    left = np.zeros_like(here)
    left[:, step:] = here[:, :-step]
    # The mean of two bytes, rounded down, without a wider type.
    mean = (left & above) + ((left ^ above) >> 1)
    np.subtract(here, mean, out=out[:, 1:])
    return out


def _joined(before: int, behind: int, size: int) -> int:
    """Join the Adler-32 of two pieces of which the second has ``size`` bytes."""
    low, rest = before & 0xFFFF, size % _ADLER
    first = (low + (behind & 0xFFFF) - 1) % _ADLER
    second = (rest * low + (before >> 16) + (behind >> 16) - rest) % _ADLER
    return second << 16 | first
