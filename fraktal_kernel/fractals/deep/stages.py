"""Where the segments of an orbit begin: stages that are aligned with the periods of its atoms.

An orbit that comes back near its start repeats what it did from there on. So segments end where
``|Z|`` dips below a level, and the levels lie in the gaps between successive records of the
nearest return: each gap is an atom within an atom, and its stage has segments of one period. Where
a stage would join too many segments of the one below, stages of `_JOIN` segments lie between.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Records of |Z| that differ by less than this factor (as a power of two) belong to one level.
_GAP_BITS = 3.0
_JOIN = 3


def sizes(
    z: NDArray[np.complex128],
    index: NDArray[np.int64],
    mantissa: NDArray[np.complex128],
    exponent: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Give ``log2 |Z|`` of a whole orbit, values too small for float64 included."""
    with np.errstate(divide="ignore"):
        bits = np.log2(np.abs(z))
        if len(index):
            bits[index] = np.log2(np.abs(mantissa)) + exponent
    return np.asarray(bits)


def levels(bits: NDArray[np.float64]) -> list[float]:
    """Find the levels between successive records of the nearest return, the highest first.

    Examples
    --------
    >>> levels(np.array([-np.inf, 0.5, 0.9, -6.0, 0.5, 0.9, -6.2, -20.0]))
    [-2.75, -13.1]
    """
    lowest = np.minimum.accumulate(bits[1:])
    records = lowest[lowest < np.append(np.inf, lowest[:-1])]
    records = records[np.isfinite(records)]
    gaps = np.flatnonzero(records[:-1] - records[1:] > _GAP_BITS)
    return [float(records[k] + records[k + 1]) / 2 for k in gaps]


def boundaries(bits: NDArray[np.float64], last: int) -> list[NDArray[np.int64]]:
    """Give for each stage, the finest first, where its segments begin; the end is ``last``.

    Each stage begins segments only where the stage below does.
    """
    inner = bits[: last + 1]
    stages: list[NDArray[np.int64]] = []
    finer = np.arange(last + 1)
    for level in [*levels(inner), -np.inf]:
        below = inner[finer] < level
        below[0] = below[-1] = True
        coarser = finer[below]
        # Between a stage and the next, as many steps of the same factor as it takes.
        mean = (len(finer) - 1) / max(1, len(coarser) - 1)
        between = max(0, int(np.ceil(np.log(max(mean, 1.0)) / np.log(_JOIN) - 0.5)) - 1)
        factor = mean ** (1 / (between + 1))
        for _ in range(between):
            if factor < 2:
                break
            finer = _joined(finer, coarser, max(2, round(factor)))
            stages.append(finer)
        if len(stages) == 0 or len(coarser) < len(stages[-1]):
            stages.append(coarser)
        finer = coarser
    return stages


def _joined(finer: NDArray[np.int64], coarser: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Keep every ``count``-th beginning after each of the coarser ones."""
    place = np.searchsorted(finer, coarser)
    group = np.append(np.repeat(place[:-1], np.diff(place)), place[-1])
    return np.asarray(finer[(np.arange(len(finer)) - group) % count == 0])
