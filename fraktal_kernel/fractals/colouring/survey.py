"""What the values of a whole picture are like, so that its tiles are coloured as one.

A survey is made once, from the whole picture, from a small version of it, or tile by tile from
stored fields; after that every tile is painted by itself and none shows a seam.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.colouring.look import LENGTHS, REGIONS, Look

# Values that are looked at of each part; ranks are off by a thousandth at most.
_SAMPLES = 1 << 18
_KNOTS = 2048
_EXTREME = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """The ranks of a field's values, from 0 for the lowest to 1 for the highest.

    Parameters
    ----------
    values : float64 [n], rising
    ranks : float64 [n], rising: the share of pixels whose value is lower
    """

    values: NDArray[np.float64]
    ranks: NDArray[np.float64]

    @classmethod
    def of(cls, parts: Iterable[NDArray[Any]]) -> Ranks:
        """Rank the finite values of arrays; what has none ranks everything 0."""
        kept: list[NDArray[np.float64]] = []
        weights: list[NDArray[np.float64]] = []
        for part in parts:
            values = part[np.isfinite(part)].astype(np.float64)
            # A step that divides no row length, so that no pattern of the picture is sampled.
            step = -(-values.size // _SAMPLES)
            if step > 1:
                kept.append(values[:: step | 1])
                weights.append(np.full(kept[-1].size, values.size / kept[-1].size))
            else:
                kept.append(values)
                weights.append(np.ones(values.size))
        values = np.concatenate(kept) if kept else np.empty(0)
        if not values.size:
            return cls(np.array([0.0]), np.array([0.0]))
        order = np.argsort(values)
        values, weight = values[order], np.concatenate(weights)[order]
        behind = np.cumsum(weight)
        # The first of equal values speaks for all of them, with the rank of their middle.
        first = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0)
        last = np.append(first[1:], values.size) - 1
        ranks = (behind[first] - weight[first] + behind[last]) / (2 * behind[-1])
        if first.size > _KNOTS:
            at = np.searchsorted(ranks, np.linspace(ranks[0], ranks[-1], _KNOTS))
            first, ranks = first[np.unique(at)], ranks[np.unique(at)]
        return cls(values[first], ranks)

    def rank(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Give the rank of each value, between those that are known by straight lines."""
        return np.asarray(np.interp(values, self.values, self.ranks), np.float64)

    def value(self, rank: float) -> float:
        """Give the value that has a rank."""
        return float(np.interp(rank, self.ranks, self.values))

    @property
    def levels(self) -> tuple[float, float]:
        """The lowest and the highest value, without the extreme hundredth at each end."""
        return self.value(_EXTREME), self.value(1 - _EXTREME)


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """The ranks of every field that a look has to know as a whole.

    Parameters
    ----------
    ranks : by the name of the field and the region, ``"outside"``, ``"inside"`` or ``"both"``
    """

    ranks: Mapping[tuple[str, str], Ranks]

    @classmethod
    def of(
        cls,
        parts: Mapping[str, NDArray[Any]] | Iterable[Mapping[str, NDArray[Any]]],
        look: Look,
        *,
        width_px: int | None = None,
    ) -> Survey:
        """Survey fields: those of the whole picture, or of its tiles one after the other.

        Parameters
        ----------
        parts : arrays [h, w] by name
        look : what they shall look like
        width_px : width of the picture whose pixels lengths are counted in, as `paint` takes it;
            by default that of the fields, but tiles do not tell
        """
        needs = surveyed(look)
        if not needs:
            return cls({})
        tiles = [parts] if isinstance(parts, Mapping) else parts
        if width_px is None and isinstance(parts, Mapping) and "smooth" in parts:
            width_px = np.asarray(parts["smooth"]).shape[1]
        if width_px is None and any(name in LENGTHS for name, _ in needs):
            raise InvalidInput("the survey of lengths in tiles needs the picture's width_px.")
        kept: dict[tuple[str, str], list[NDArray[Any]]] = {need: [] for need in needs}
        for tile in tiles:
            for name, where in needs:
                for key in (name, "smooth"):
                    if key not in tile:
                        raise InvalidInput(f"the survey of {name} needs the field {key!r}.")
                values = np.asarray(tile[name])
                chosen = values[region(tile["smooth"], where)]
                # Many tiles must not fill the memory.
                step = -(-chosen.size // _SAMPLES) | 1
                chosen = chosen[::step].copy()
                if name in LENGTHS and width_px is not None:
                    chosen *= 1000 / width_px  # as they are painted, whatever the picture's size
                kept[name, where].append(chosen)
        return cls({need: Ranks.of(arrays) for need, arrays in kept.items()})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Survey:
        """Read a survey that `to_dict` wrote."""
        ranks = {}
        for key, lists in data.items():
            name, _, where = key.partition("/")
            values, places = (np.array(numbers, np.float64) for numbers in lists)
            if where not in REGIONS or values.ndim != 1 or values.shape != places.shape:
                raise InvalidInput(f"the survey of {key[:60]!r} is damaged; make it again.")
            ranks[name, where] = Ranks(values, places)
        return cls(ranks)

    def to_dict(self) -> dict[str, Any]:
        """Give the survey as plain data that JSON can hold, so that a stopped picture goes on."""
        return {
            f"{name}/{where}": [ranks.values.tolist(), ranks.ranks.tolist()]
            for (name, where), ranks in self.ranks.items()
        }


def region(smooth: NDArray[Any], where: str) -> NDArray[np.bool_]:
    """Mark the pixels that lie outside of the set, inside, or both: where ``smooth`` is NaN."""
    if where == "both":
        return np.ones(smooth.shape, bool)
    inside: NDArray[np.bool_] = np.isnan(smooth)
    return inside if where == "inside" else ~inside


def surveyed(look: Look) -> list[tuple[str, str]]:
    """List the fields, with their regions, whose values a look has to know as a whole."""
    needs = [
        (layer.field, layer.where)
        for layer in look.layers
        if layer.opacity > 0 and layer.scale.kind in ("histogram", "levels")
    ]
    if look.relief is not None and look.relief.needs_height:
        needs.append((look.relief.field, "outside"))
    return list(dict.fromkeys(needs))
