"""How time goes by between two keys of a film: from 0 to 1, never backwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

# Share of the way at each end on which a gentle zoom gains and loses its speed.
_RAMP = 0.15


def _linear(t: float) -> float:
    return t


def _smooth(t: float) -> float:
    return t * t * (3 - 2 * t)


def _gentle(t: float) -> float:
    """Go at one speed, but for a start and an end that ease in and out."""
    if t > 0.5:
        return 1 - _gentle(1 - t)
    speed = 1 / (1 - _RAMP)
    return speed * t * t / (2 * _RAMP) if t < _RAMP else speed * (t - _RAMP / 2)


def _in(t: float) -> float:
    return t * t


def _out(t: float) -> float:
    return t * (2 - t)


#: by name; each gives how far the way is behind one when a share of the time is
EASINGS: Mapping[str, Callable[[float], float]] = {
    "linear": _linear,
    "smooth": _smooth,
    "gentle": _gentle,
    "in": _in,
    "out": _out,
}
