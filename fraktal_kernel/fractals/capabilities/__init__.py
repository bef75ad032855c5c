"""What the workbench can do with fractals: thin skins round the numeric library."""

from fraktal_kernel.fractals.capabilities.fields import compute_fields
from fraktal_kernel.fractals.capabilities.film import make_film
from fraktal_kernel.fractals.capabilities.picture import render_picture
from fraktal_kernel.fractals.capabilities.poster import make_poster

__all__ = ["compute_fields", "make_film", "make_poster", "render_picture"]
