"""What can only be seen on a real card."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fraktal_kernel.errors import Unavailable
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.gpu.card import Card, card, likely, simulation
from fraktal_kernel.fractals.progress import Stopped

HEAVY = {"re": "-0.25", "im": "0", "width": "1.6", "size": (1000, 1000)}


@pytest.fixture(scope="module", name="found")
def found_card() -> Card:
    """Give the card, or skip and say why there is none."""
    if simulation() or not likely():
        pytest.skip("no NVIDIA driver answers on this machine")
    try:
        return card()
    except Unavailable as error:
        pytest.skip(str(error))


def test_a_card_says_what_it_is(found: Card) -> None:
    """Its name, its multiprocessors and its clock are known, so that shares can be computed."""
    assert found.name and found.multiprocessors > 0 and found.clock_hz > 1e8
    assert found.capability >= (5, 0)


def test_large_pictures_go_to_the_card_by_themselves(found: Card) -> None:
    """Nobody has to name the device, and the counts are the processor's."""
    asked = {**HEAVY, "max_iter": 10_000, "fields": ("iterations",)}
    done = compute(**asked)
    assert done.device == found.name
    assert np.array_equal(done.iterations, compute(**asked, device="cpu").iterations)


def test_whoever_looks_away_is_rid_of_it_at_once(found: Card) -> None:
    """Work of minutes ends with the launch that runs."""
    asked = {**HEAVY, "device": "cuda", "shortcuts": False}
    compute(**asked | {"max_iter": 1000})  # which compiles
    looked_away = 0.0
    began = time.monotonic()

    def cancelled() -> bool:
        nonlocal looked_away
        if time.monotonic() > began + 1 and not looked_away:
            looked_away = time.monotonic()
        return bool(looked_away)

    with pytest.raises(Stopped):
        compute(**asked, max_iter=10**9, cancelled=cancelled)
    assert time.monotonic() - looked_away < 0.5
