"""The limit of iterations that is proposed where none is given."""

from __future__ import annotations

import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import compute

VIEWS = [
    ("-0.65", "0", "3.3"),
    ("-0.743643887037151", "0.131825904205330", "1e-9"),
    ("-2", "0", "1e-600"),
]


@pytest.mark.parametrize(("re", "im", "width"), VIEWS)
def test_hardly_a_point_leaves_behind_the_proposed_limit(re: str, im: str, width: str) -> None:
    """With twice the limit, fewer than one point in a hundred turns out to be outside."""
    size, fields = (40, 30), ("iterations",)
    done = compute("mandelbrot", re, im, width, None, size, fields)
    limit = done.facts["max_iter"]
    assert done.facts["limit"] == "proposed"
    more = compute("mandelbrot", re, im, width, 2 * limit, size, fields)
    late = (done.iterations == limit) & (more.iterations < 2 * limit)
    assert late.mean() < 0.01
    assert (done.iterations < limit).any()


def test_a_view_that_is_all_inside_ends() -> None:
    """Where no point leaves, the limit is high, and found all the same."""
    done = compute("mandelbrot", "-0.1", "0.05", "1e-3", None, (20, 15), ("iterations",))
    assert done.facts["max_iter"] == done.iterations.min() >= 1_000_000


def test_what_is_no_limit_is_refused() -> None:
    """A limit is a whole number, or None."""
    with pytest.raises(InvalidInput, match="None for a proposal"):
        compute(max_iter="many")  # type: ignore[arg-type]
