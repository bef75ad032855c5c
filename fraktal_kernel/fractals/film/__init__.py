"""Films: zooms and morphs, each place computed once for all the frames that show it."""

from fraktal_kernel.fractals.film.make import Made, film
from fraktal_kernel.fractals.film.script import Film, Key, zoom

__all__ = ["Film", "Key", "Made", "film", "zoom"]
