"""Scenes with names: where to begin."""

from __future__ import annotations

from fraktal_kernel.fractals.scene import Scene, Seed
from fraktal_kernel.fractals.view import View
from fraktal_kernel.registry import Registry

scenes: Registry[Scene] = Registry("scene", group="fraktal.scenes")
HOME = "full_set"

scenes.add("full_set", Scene(view=View("-0.65", "0", "3.3"), max_iter=1000))
scenes.add(
    "seahorse",
    Scene(view=View("-0.746223962861", "-0.0959468433527", "0.00745"), max_iter=5000),
)
scenes.add("elephant", Scene(view=View("0.2925", "0.0149", "0.03"), max_iter=3000, palette="ember"))
scenes.add(
    "triple_spiral",
    Scene(view=View("-0.0885", "0.6545", "0.012"), max_iter=3000, palette="glacier"),
)
scenes.add(
    "minibrot",
    Scene(view=View("-1.7548776662466927", "0", "0.05"), max_iter=5000, palette="classic"),
)
scenes.add(
    "seahorse_tail",
    Scene(view=View("-0.7435669", "0.1314023", "0.0022878"), max_iter=5000, palette="classic"),
)
scenes.add(
    "starfish",
    Scene(view=View("-0.374004139", "0.659792175", "0.0060"), max_iter=3000, palette="cividis"),
)
scenes.add(
    "lightning",
    Scene(view=View("-1.25066", "0.02012", "0.00034"), max_iter=5000, palette="glacier"),
)
scenes.add(
    "julia_dragon",
    Scene(
        formula="julia",
        view=View("0", "0", "3.2"),
        seed=Seed("-0.8", "0.156"),
        max_iter=2000,
        palette="porcelain",
    ),
)
scenes.add(
    "julia_rabbit",
    Scene(
        formula="julia",
        view=View("0", "0", "3.0"),
        seed=Seed("-0.123", "0.745"),
        max_iter=1000,
        palette="aurora",
    ),
)
