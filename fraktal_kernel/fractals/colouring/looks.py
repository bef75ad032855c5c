"""Looks that have names."""

from __future__ import annotations

from fraktal_kernel.fractals.colouring.look import Layer, Light, Look, Relief, Scale
from fraktal_kernel.fractals.palettes.gradient import Palette
from fraktal_kernel.registry import Registry

looks: Registry[Look] = Registry("look", group="fraktal.looks")

_SUN, _SKY = Light(135, 42, "#fff2e0"), Light(-40, 25, "#b4ccff", 0.3)
_PAPER = Palette(
    "Ink on paper",
    ((0.0, "#10131c"), (0.25, "#28344e"), (0.6, "#b9b4a8"), (1.0, "#f6f0e3")),
    cyclic=False,
)
_BRONZE = Palette(
    "Bronze",
    ((0.0, "#0d0a14"), (0.3, "#4a2530"), (0.62, "#c27a3d"), (0.85, "#f2cf8f"), (1.0, "#fff6e2")),
    cyclic=False,
)
_REEF = Palette.of(
    ["#0b1d3a", "#0f6f8a", "#5ec4b6", "#f4e3b2", "#ef8a5b", "#a33b55", "#43224f"], "Reef"
)

_LINES = Palette(
    "Fine lines",
    ((0.0, "#3d3a45"), (0.05, "#8f8a86"), (0.13, "#ffffff"), (0.87, "#ffffff"), (0.95, "#8f8a86")),
)
_GLOW = Palette(
    "Glow",
    ((0.0, "#fff6e0"), (0.12, "#ffc46b"), (0.3, "#b4502a"), (0.6, "#2a1020"), (1.0, "#000000")),
    cyclic=False,
)
_NIGHT = Palette(
    "Night",
    ((0.0, "#05070f"), (0.5, "#12284f"), (0.85, "#2f5f8f"), (1.0, "#9cc3d9")),
    cyclic=False,
)

looks.add("smooth", Look.default("aurora"))
looks.add("histogram", Look((Layer("smooth", Scale("histogram"), "ember"),)))
looks.add(
    "relief",
    Look(
        (Layer("smooth", Scale("histogram"), _BRONZE),),
        Relief(
            "height",
            "distance",
            Scale("power", 0.6, exponent=0.4),
            height=-4.0,
            lights=(_SUN, _SKY),
            ambient=0.25,
            specular=0.7,
            shininess=20,
            metal=0.95,
            occlusion=0.35,
            radius=6,
        ),
    ),
)
looks.add(
    "stripes",
    Look(
        (
            Layer("smooth", Scale("histogram"), "dusk"),
            Layer("stripe", Scale("levels"), "graphite", "soft_light", "lightness", 0.9),
        ),
    ),
)
looks.add(
    "atoms",
    Look(
        (
            Layer("atom", Scale("linear", density=0.618034), _REEF, where="both"),
            Layer("smooth", Scale("histogram"), "graphite", "soft_light", "lightness", 0.6),
        ),
        Relief(
            "height",
            "distance",
            Scale("power", 0.6, exponent=0.4),
            height=1.0,
            ambient=0.4,
            specular=0.0,
            occlusion=0.7,
        ),
    ),
)
looks.add(
    "ink",
    Look(
        (
            Layer("distance", Scale("power", 0.3, exponent=0.4, beyond="clamp"), _PAPER),
            Layer("smooth", Scale("logarithm", 8.0), _LINES, "multiply", opacity=0.5),
        ),
        inside="#10131c",
    ),
)
looks.add(
    "stalks",
    Look(
        (
            Layer("smooth", Scale("histogram"), _NIGHT),
            Layer("trap_cross", Scale("histogram", 1.7, beyond="clamp"), _GLOW, "screen"),
        ),
    ),
)
looks.add(
    "glass",
    Look(
        (Layer("smooth", Scale("logarithm", 1.0, 0.1), "glacier"),),
        Relief(
            "normal",
            "distance",
            Scale("power", 0.6, exponent=0.4),
            height=0.8,
            lights=(_SUN, _SKY),
            ambient=0.35,
            specular=0.5,
            shininess=40,
            metal=0.9,
            occlusion=0.4,
        ),
    ),
)
looks.add(
    "lantern",
    Look(
        (
            Layer("smooth", Scale("histogram"), _NIGHT),
            Layer("trap_point", Scale("levels"), _BRONZE, where="inside"),
        ),
        Relief(
            "height",
            "distance",
            Scale("power", 0.6, exponent=0.4),
            height=-3.0,
            ambient=0.4,
            specular=0.3,
            metal=0.9,
        ),
    ),
)
