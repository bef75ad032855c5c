"""What a screen says of agents: little lines, machines in words, measurements on one time axis."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

LEVELS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
GAP = "-"
GIB = 1024**3


def spark(values: Iterable[float | None], top: float) -> str:
    """Write measurements as one letter each, for a little line: a text is one thing to send.

    Parameters
    ----------
    values : None where nothing was measured
    top : what the highest letter stands for

    Examples
    --------
    >>> spark([0.0, 0.5, None, 2.0], 1.0)
    '0U-z'
    """
    last = len(LEVELS) - 1
    return "".join(
        GAP if value is None else LEVELS[round(last * min(1.0, max(0.0, value / top)))]
        for value in values
    )


def machine_words(machine: dict[str, Any]) -> str:
    """Say in one line where an agent runs.

    Examples
    --------
    >>> card = {"name": "H200", "memory_bytes": 1}
    >>> machine_words({"host": "box", "cores": 16, "memory_bytes": 8 * GIB, "cards": [card] * 2})
    'box, 16 cores, 8 GiB, 2 × H200'
    """
    words = [str(machine.get("host", "")), f"{machine.get('cores', '?')} cores"]
    if total := machine.get("memory_bytes"):
        words.append(f"{total / GIB:.0f} GiB")
    names = [str(card.get("name")) for card in machine.get("cards", [])]
    for name in dict.fromkeys(names):
        count = names.count(name)
        words.append(f"{count} × {name}" if count > 1 else name)
    return ", ".join(word for word in words if word)


def binned(
    times: Sequence[float], values: Sequence[float | None], start: float, end: float, bins: int
) -> np.ndarray:
    """Average measurements over equal parts of a time.

    Parameters
    ----------
    times : seconds since 1970, in any order
    values : one a time; None where nothing was measured
    start, end : the time to show, seconds since 1970

    Returns
    -------
    means : float32 [bins]; nan where nothing was measured

    Examples
    --------
    >>> binned([0.5, 1.0, 3.5], [1.0, 3.0, None], 0.0, 4.0, 2)
    array([ 2., nan], dtype=float32)
    """
    at = np.asarray(times, dtype=float)
    found = np.array([np.nan if value is None else value for value in values], dtype=float)
    inside = (at >= start) & (at < end) & ~np.isnan(found)
    place = ((at[inside] - start) / (end - start) * bins).astype(int)
    counts = np.bincount(place, minlength=bins)[:bins]
    sums = np.bincount(place, weights=found[inside], minlength=bins)[:bins]
    with np.errstate(invalid="ignore"):
        return (sums / counts).astype(np.float32)


def medians(
    times: Sequence[float], values: Sequence[float], start: float, end: float, bins: int
) -> np.ndarray:
    """Give the median of what falls into each equal part of a time; nan where nothing does.

    Examples
    --------
    >>> medians([0.1, 0.2, 0.3, 2.5], [1.0, 9.0, 2.0, 4.0], 0.0, 3.0, 3)
    array([ 2., nan,  4.], dtype=float32)
    """
    parts: list[list[float]] = [[] for _ in range(bins)]
    for time, value in zip(times, values, strict=True):
        if start <= time < end:
            parts[int((time - start) / (end - start) * bins)].append(value)
    return np.array([np.median(part) if part else np.nan for part in parts], dtype=np.float32)


def packed(line: np.ndarray) -> str:
    """Write a line as base64 of little-endian float32: one text to send, not many numbers."""
    return base64.b64encode(np.asarray(line, dtype="<f4").tobytes()).decode()
