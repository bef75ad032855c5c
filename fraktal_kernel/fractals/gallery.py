"""Scenes with names: where to begin."""

from __future__ import annotations

from fraktal_kernel.fractals.scene import HOME_VIEW, Scene, Seed
from fraktal_kernel.fractals.view import View
from fraktal_kernel.registry import Registry

scenes: Registry[Scene] = Registry("scene", group="fraktal.scenes")


def _mandelbrot(
    name: str, re: str, im: str, width: str, max_iter: int, palette: str, offset: float = 0.0
) -> None:
    view = View(re, im, width)
    scenes.add(name, Scene(view=view, max_iter=max_iter, palette=palette, offset=offset))


def _julia(name: str, re: str, im: str, width: str, palette: str, offset: float = 0.0) -> None:
    view, seed = View("0", "0", width), Seed(re, im)
    scene = Scene(view=view, seed=seed, max_iter=2000, palette=palette, offset=offset)
    scenes.add(name, scene)


scenes.add("full_set", Scene(view=HOME_VIEW))
_mandelbrot("seahorse", "-0.7453", "0.1127", "0.0065", 5000, "aurora", 0.4)
_mandelbrot(
    "seahorse_valley", "-0.746223962861", "-0.0959468433527", "0.00745", 5000, "aurora", 0.4
)
_mandelbrot("seahorse_tail", "-0.7435669", "0.1314023", "0.0022878", 5000, "classic")
_mandelbrot("elephant", "0.286931868895", "0.0142866939041", "0.00035", 3000, "ember", 0.1)
_mandelbrot("minibrot", "-1.7548776662466927", "0", "0.05", 5000, "classic")
_mandelbrot("satellite", "-0.743643887037151", "0.13182590420533", "0.000051299", 8000, "glacier")
_mandelbrot("crossroads", "0.3245046418497685", "0.048551011292808", "0.0006", 3000, "ember", 0.3)
_mandelbrot("starfish", "-0.374004139", "0.659792175", "0.006", 3000, "beacon")
_mandelbrot("lightning", "-1.25066", "0.02012", "0.00034", 5000, "glacier")
_julia("julia_dragon", "-0.8", "0.156", "3.2", "porcelain")
_julia("julia_galaxies", "-0.4", "0.6", "3", "classic")
_julia("julia_pearls", "0.285", "0.01", "2.6", "ember", 0.4)
_julia("julia_rabbit", "-0.123", "0.745", "3.3", "aurora")
