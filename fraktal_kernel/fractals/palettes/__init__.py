"""Palettes: gradients in OKLab, by name, from stops, from a picture or from a file."""

from fraktal_kernel.fractals.palettes.files import read_palette, write_palette
from fraktal_kernel.fractals.palettes.gradient import Palette
from fraktal_kernel.fractals.palettes.light import from_oklab, linear, oklab, srgb
from fraktal_kernel.fractals.palettes.named import SAFE, palette_of, palettes
from fraktal_kernel.fractals.palettes.photo import palette_from_picture

__all__ = [
    "SAFE",
    "Palette",
    "from_oklab",
    "linear",
    "oklab",
    "palette_from_picture",
    "palette_of",
    "palettes",
    "read_palette",
    "srgb",
    "write_palette",
]
