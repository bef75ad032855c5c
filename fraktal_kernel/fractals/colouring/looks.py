"""Looks that have names."""

from __future__ import annotations

from fraktal_kernel.fractals.colouring.look import Layer, Light, Look, Relief, Scale
from fraktal_kernel.registry import Registry

looks: Registry[Look] = Registry("look", group="fraktal.looks")

looks.add("smooth", Look.default("aurora"))
looks.add("histogram", Look((Layer("smooth", Scale("histogram"), "ember"),)))
looks.add(
    "relief",
    Look(
        (Layer("smooth", Scale("histogram", density=0.9), "lagoon"),),
        Relief(
            "normal",
            height=0.9,
            lights=(Light(135, 40, "#fff1dd"), Light(-60, 30, "#a9c4ff", 0.35)),
            ambient=0.25,
            specular=0.35,
            shininess=18,
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
        Relief("normal", height=0.5, ambient=0.5, specular=0.15),
    ),
)
looks.add(
    "atoms",
    Look(
        (
            Layer("atom", Scale("linear", density=0.618034), "porcelain", where="both"),
            Layer("trap_point", Scale("power", density=1.0), "graphite", "soft_light", "lightness",
                  0.8, where="both"),
        )
    ),
)  # fmt: skip
looks.add(
    "ink",
    Look(
        (Layer("distance", Scale("power", 0.5, exponent=0.5, beyond="clamp"), "graphite"),),
        inside="#0b0c0e",
    ),
)
