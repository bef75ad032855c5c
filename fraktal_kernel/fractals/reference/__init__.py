"""Reference orbits of deep zooms: one point in arbitrary precision, its period, its nucleus.

Numbers are fixed point: GMP's limbs up to some 1,600 bits, beyond that digits that a Fourier
transform squares. Nothing here knows of pictures.
"""

from fraktal_kernel.fractals.reference.compression import Waypoints, compress, expand
from fraktal_kernel.fractals.reference.decimals import bits_for, iteration_limit
from fraktal_kernel.fractals.reference.nucleus import Atom, Nucleus, atom_of, nucleus
from fraktal_kernel.fractals.reference.orbit import Orbit, reference_orbit
from fraktal_kernel.fractals.reference.recurrences import Recurrence, recurrence_of
from fraktal_kernel.fractals.reference.storage import kept_orbit

__all__ = [
    "Atom",
    "Nucleus",
    "Orbit",
    "Recurrence",
    "Waypoints",
    "atom_of",
    "bits_for",
    "compress",
    "expand",
    "iteration_limit",
    "kept_orbit",
    "nucleus",
    "recurrence_of",
    "reference_orbit",
]
