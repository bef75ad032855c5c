from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.fractals.bodies import remade
from fraktal_kernel.fractals.deep.kinds import map_of
from fraktal_kernel.fractals.deep.maps import first_of, turned_of
from fraktal_kernel.fractals.reference.recurrences import recurrence_of

from .direct import FOLDS, STEPS

ALL = STEPS | FOLDS
PARTS = st.fractions(-3, 3, max_denominator=64)


def in_python(function: Any) -> Any:
    """Take a compiled function back to its Python, which calculates with any numbers."""
    return remade(function, {}, lambda one: one)


@pytest.mark.parametrize("name", ALL)
@given(x=PARTS, y=PARTS, u=PARTS, v=PARTS)
def test_a_difference_is_the_difference(
    name: str, x: Fraction, y: Fraction, u: Fraction, v: Fraction
) -> None:
    """Without rounding, f(Z + z) - f(Z) is what it says, on whichever side of a fold."""
    kind, _ = map_of(recurrence_of(name))
    first = in_python(first_of(kind))
    zero = Fraction(0)
    here, there = (ALL[name](a, b, zero, zero) for a, b in ((x, y), (x + u, y + v)))
    assert first(x, y, u, v) == (there[0] - here[0], there[1] - here[1])


@pytest.mark.parametrize("name", ALL)
@given(x=PARTS, y=PARTS)
def test_a_derivative_is_that_of_the_difference(name: str, x: Fraction, y: Fraction) -> None:
    """Where no fold is near, the derivative is what differences tend to, to the third digit."""
    kind, _ = map_of(recurrence_of(name))
    first, turned = in_python(first_of(kind)), in_python(turned_of(kind))
    if min(abs(x), abs(y), abs(abs(x) - abs(y))) < Fraction(1, 100):
        return
    small = Fraction(1, 10**6)
    one = (1, 0) if kind[0] == "power" else (1, 0, 0, 1)
    slope = turned(x, y, one)
    across = [part / small for part in first(x, y, small, Fraction(0))]
    columns = slope if kind[0] == "power" else slope[::2]
    for found, expected in zip(across, columns, strict=True):
        assert abs(found - expected) < Fraction(1, 1000)
