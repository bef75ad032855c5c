"""References that serve again: beside one of a view near by, the picture is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.fractals import Scene, Seed, View, scenes
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.nearby import FURTHEST
from fraktal_kernel.fractals.perturbation import Perturbation, radius_of
from fraktal_kernel.fractals.planner import request_of

SIZE = 48, 36
WHEEL = replace(scenes["deep_wheel"], max_iter=20_000, look=None)
SCENES = {
    "power": WHEEL,
    "turned": replace(WHEEL, view=replace(WHEEL.view, rotation_deg=40)),
    "fold": Scene(
        "burning_ship", View("-1.7443359374531", "-0.0174511719749", "1e-12"), max_iter=1500
    ),
    "julia": Scene(
        view=View("0.3137218521", "0.0214521458", "1e-13"),
        seed=Seed("-0.8", "0.156"),
        max_iter=3000,
    ),
    "stepwise": Scene("z**3 + c*z + 0.1", View("0.2751", "0.6412", "1e-11"), max_iter=500),
}


def smooth(method: Perturbation, reference: Any) -> Any:
    """Fill a picture beside a reference."""
    out = empty_fields(("smooth",), *SIZE[::-1])
    method.beside(reference).fill(out)
    return out["smooth"]


def method_of(scene: Scene, view: View) -> Perturbation:
    """Make the method of a scene at a view."""
    return Perturbation(request_of(replace(scene, view=view), *SIZE))


@pytest.mark.parametrize("name", list(SCENES))
def test_the_picture_is_the_same_beside_a_reference_near_by(name: str) -> None:
    """Far to the side and made for a view a hundred times as wide: counts agree, but for few."""
    scene = SCENES[name]
    view = scene.view.zoomed(30, at=(0.21, -0.13))
    wide, narrow = method_of(scene, scene.view), method_of(scene, view)
    reference = wide.reference(spare_bits=32)
    assert reference.serves(narrow.request, radius_of(narrow.request.geometry))
    ours, theirs = smooth(narrow, reference), smooth(narrow, narrow.reference())
    same = np.isclose(ours, theirs, rtol=0, atol=1e-4, equal_nan=True)
    assert same.mean() > 0.99


def test_a_reference_ends_to_serve() -> None:
    """Too far, too narrow, too long, another formula or constant: a new one is needed."""
    reference = method_of(WHEEL, WHEEL.view).reference(spare_bits=32)

    def serves(view: View, **other: Any) -> bool:
        method = method_of(replace(WHEEL, **other), view)
        return reference.serves(method.request, radius_of(method.request.geometry))

    assert serves(WHEEL.view)
    assert serves(WHEEL.view.zoomed(0.01))
    assert serves(WHEEL.view.zoomed(0.9 * FURTHEST))
    assert not serves(WHEEL.view.zoomed(1.1 * FURTHEST))
    assert serves(WHEEL.view.panned(0.4 * FURTHEST, 0))
    assert not serves(WHEEL.view.panned(0, 0.6 * FURTHEST))
    assert not serves(WHEEL.view, formula="tricorn")
    assert not serves(WHEEL.view, seed=Seed("0.1", "0"))
    # It came back to where it began, and goes on so for ever.
    assert serves(WHEEL.view, max_iter=10**8)
