"""From the fields of a picture to its pixels: looks, layers, light, and the files' colours."""

from fraktal_kernel.fractals.colouring.look import Layer, Light, Look, Relief, Scale
from fraktal_kernel.fractals.colouring.looks import looks
from fraktal_kernel.fractals.colouring.output import develop
from fraktal_kernel.fractals.colouring.paint import paint, reach
from fraktal_kernel.fractals.colouring.places import (
    PLACES,
    TABLE_SIZE,
    colour,
    colours_of,
    indices,
    indices_of,
)
from fraktal_kernel.fractals.colouring.survey import Survey

__all__ = [
    "PLACES",
    "TABLE_SIZE",
    "Layer",
    "Light",
    "Look",
    "Relief",
    "Scale",
    "Survey",
    "colour",
    "colours_of",
    "develop",
    "indices",
    "indices_of",
    "looks",
    "paint",
    "reach",
]
