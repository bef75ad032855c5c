"""Fractals as an ordinary numeric library: numpy and numba, nothing of the workbench.

>>> from fraktal_kernel import fractals
>>> picture = fractals.render("seahorse", 160, 120)
>>> fractals.read_scene(picture.png()) == picture.scene
True
"""

from fraktal_kernel.fractals.colouring import colour, indices
from fraktal_kernel.fractals.compute import Computed, compute
from fraktal_kernel.fractals.escape import Field, escape
from fraktal_kernel.fractals.formulas import formula_of, formulas
from fraktal_kernel.fractals.gallery import scenes
from fraktal_kernel.fractals.palettes import Palette, palettes
from fraktal_kernel.fractals.png import read_scene
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.progressive import progressive
from fraktal_kernel.fractals.render import Picture, render
from fraktal_kernel.fractals.resolve import resolve_scene
from fraktal_kernel.fractals.scene import Scene, Seed
from fraktal_kernel.fractals.view import View

__all__ = [
    "Computed",
    "Field",
    "Palette",
    "Picture",
    "Scene",
    "Seed",
    "Stopped",
    "View",
    "colour",
    "compute",
    "escape",
    "formula_of",
    "formulas",
    "indices",
    "palettes",
    "progressive",
    "read_scene",
    "render",
    "resolve_scene",
    "scenes",
]
