from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from fraktal_kernel.fractals.bodies import remade


@njit  # type: ignore[untyped-decorator]
def _half(x: Any) -> Any:
    return x / 2


@njit  # type: ignore[untyped-decorator]
def _rounded(x: float) -> float:
    return np.floor(x)  # type: ignore[no-any-return]


def _of(scale: int) -> Any:
    @njit  # type: ignore[untyped-decorator]
    def body(x: Any) -> Any:
        return _rounded(_half(x)) * scale

    return body


def test_a_body_is_made_of_the_python_of_all_that_it_calls() -> None:
    """What is compiled, and what that calls, is made anew; one thing is put in another's place."""
    made: list[str] = []

    def make(function: Any) -> Any:
        made.append(function.__name__)
        return function

    body = _of(3)
    text = remade(body, {_rounded: lambda x: [x]}, make)
    assert body(5.0) == 6.0
    assert text(5.0) == [2.5] * 3
    assert sorted(made) == ["_half", "body"]
