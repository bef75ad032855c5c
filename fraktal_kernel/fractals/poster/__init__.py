"""Pictures too large for the memory: computed, painted and stored tile by tile."""

from fraktal_kernel.fractals.antialias import Antialias
from fraktal_kernel.fractals.poster.make import Poster, poster

__all__ = ["Antialias", "Poster", "poster"]
