r"""An orbit in little memory: only the values from which float64 arithmetic finds all others.

An orbit near a nucleus follows its own beginning again and again. Iterating the difference from
its own earlier part,

.. math:: \delta' = (Z_m + \delta)^d - Z_m^d, \qquad z = Z_m + \delta,

loses hardly anything, and where that is not enough a waypoint is kept. Expanding runs the same
recurrence from waypoint to waypoint. This is for ``z**d + c`` that begins at 0; other orbits stay
as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.reference.orbit import Orbit, float_of

# Relative error of what is regained: four units in the last place.
TOLERANCE = 2.0**-50
_MODULE = "fraktal_kernel.fractals.reference.waypoints"
_choose = Kernel(
    _MODULE,
    "choose",
    "int64(complex128[::1], complex128[::1], int64, int64, float64, float64, float64, "
    "int64[::1], complex128[::1])",
)
_follow = Kernel(
    _MODULE,
    "follow",
    "int64(complex128[::1], int64, int64, float64, float64, int64[::1], complex128[::1])",
)


@dataclass(frozen=True, slots=True, eq=False)
class Waypoints:
    """An orbit of ``z**power + c`` as its waypoints.

    Parameters
    ----------
    rest : the orbit without its values
    power : d
    count : how many values it has
    index, value : where waypoints are, and which
    """

    rest: Orbit
    power: int
    count: int
    index: NDArray[np.int64]
    value: NDArray[np.complex128]

    @property
    def nbytes(self) -> int:
        """How much memory the values take."""
        rest = self.rest
        small = (rest.small_index, rest.small_mantissa, rest.small_exponent)
        return sum(part.nbytes for part in (self.index, self.value, *small))


def compress(orbit: Orbit, power: int, tolerance: float = TOLERANCE) -> Waypoints:
    """Keep the waypoints of an orbit of ``z**power + c`` that began at 0.

    Examples
    --------
    >>> from fraktal_kernel.fractals.reference.orbit import reference_orbit
    >>> orbit = reference_orbit("mandelbrot", "-1.7548776662466927", "0", bits=64, max_iter=9999)
    >>> short = compress(orbit, 2)
    >>> bool(np.allclose(expand(short).z, orbit.z, rtol=1e-14, atol=1e-20))
    True
    """
    count = len(orbit.z)
    room = 4096
    c = float_of(orbit.c[0]), float_of(orbit.c[1])
    scratch = np.zeros(count, np.complex128)
    while True:
        index, value = np.zeros(room, np.int64), np.zeros(room, np.complex128)
        kept = _choose(orbit.z, scratch, count, power, *c, tolerance, index, value)
        if kept <= room:
            break
        room = max(kept, 2 * room)
    rest = replace(orbit, z=np.zeros(0, np.complex128))
    return Waypoints(rest, power, count, index[:kept].copy(), value[:kept].copy())


def expand(short: Waypoints) -> Orbit:
    """Regain the orbit."""
    z = np.zeros(short.count, np.complex128)
    c = float_of(short.rest.c[0]), float_of(short.rest.c[1])
    _follow(z, short.count, short.power, *c, short.index, short.value)
    return replace(short.rest, z=z)
