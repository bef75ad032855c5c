"""What is known of points inside of deep views, against arithmetic that does not round."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpc

from fraktal_kernel.fractals.deep.approximation import Approximation
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes import task
from fraktal_kernel.fractals.perturbation import Perturbation
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.view import View

from .direct import nucleus_near_minus_two

SIZE = (32, 24)
NAMES = ("iterations", "interior_distance", "period")
# Near the nucleus of a copy of period 2,123, 2e-23 wide, from the examples of Fractalshades.
COPY = "-1.768667862837488812627419470", "0.001645580546820209430325900"


def nucleus(re: str, im: str, period: int) -> tuple[str, str]:
    """Find the c near a point at which 0 has a period, by Newton's method in 300 bits."""
    c = mpc(gmpy2.mpfr(re), gmpy2.mpfr(im))
    for _ in range(12):
        z, d = mpc(0), mpc(0)
        for _ in range(period):
            z, d = z * z + c, 2 * z * d + 1
        c -= z / d
    return tuple(f"{part:.60f}" for part in (c.real, c.imag))  # type: ignore[return-value]


def interior(c: Any, period: int, pixel: Any) -> tuple[float, float]:
    """Give the size of the multiplier, and the distance to the edge in pixels."""
    z = mpc(0)
    for _ in range(2 * period):
        z = z * z + c
    for _ in range(20):
        w, a, d, b, e = z, mpc(1), mpc(0), mpc(0), mpc(0)
        for _ in range(period):
            b, e = 2 * (w * b + a * a), 2 * (w * e + a * d)
            d, a, w = 2 * w * d + 1, 2 * w * a, w * w + c
        moved = (w - z) / (1 - a)
        z += moved
        if abs(moved) < 1e-30 * abs(d) * pixel:
            break
    change = e + b * d / (1 - a)
    return float(abs(a)), float((1 - abs(a) ** 2) / (2 * abs(change)) / pixel)


def filled(re: str, im: str, width: str, max_iter: int, stepwise: bool) -> dict[str, Any]:
    """Compute a view; as a copy of the set, or step by step though it may be one."""
    geometry = Geometry(View(re, im, width), *SIZE)
    whole, _ = Perturbation(Request(formula_of("mandelbrot"), geometry, max_iter, NAMES)).prepared()
    assert isinstance(whole, Approximation)
    assert stepwise or whole.minibrot is not None
    if stepwise:
        whole.minibrot = None
    out = empty_fields(NAMES, SIZE[1], SIZE[0])
    whole.fill(out)
    return out


@pytest.mark.parametrize(
    ("period", "stepwise"), [(2123, True), (40, True), (40, False), (340, False)]
)
def test_cycles_are_those_of_full_precision(period: int, stepwise: bool) -> None:
    """Step by step or as a copy of the set, period and distance are what full precision says."""
    if period == 2123:
        with gmpy2.context(precision=300):
            (re, im), width = nucleus(*COPY, period), "3e-23"
    else:
        (re, width), im = nucleus_near_minus_two(period), "0"
    most = 400 * period
    out = filled(re, im, width, most, stepwise)
    inside, known = out["iterations"] == most, out["period"] > 0
    assert 0.05 < inside.mean() < 0.9
    assert not known[~inside].any()
    assert np.isnan(out["interior_distance"][~known]).all()
    assert known[inside].mean() > 0.9
    assert {period, 2 * period} <= set(np.unique(out["period"][known]).tolist())
    picks = np.argwhere(known & (out["period"] <= 4 * period))
    picks = picks[np.random.default_rng(2).permutation(len(picks))[:4]]
    digits = len(re)
    with localcontext() as context, gmpy2.context(precision=int(3.4 * digits) + 60):
        context.prec = digits + 40
        pixel = Decimal(width) / SIZE[0]
        for row, column in picks.tolist():
            x = Decimal(re) + pixel * (Decimal(column) - Decimal(SIZE[0] - 1) / 2)
            y = Decimal(im) + pixel * (Decimal(SIZE[1] - 1) / 2 - Decimal(row))
            c = mpc(gmpy2.mpfr(str(x)), gmpy2.mpfr(str(y)))
            found = int(out["period"][row, column])
            size, far = interior(c, found, gmpy2.mpfr(str(pixel)))
            assert size < 1
            assert out["interior_distance"][row, column] == pytest.approx(far, rel=1e-4)


def test_a_copy_and_its_steps_say_the_same() -> None:
    """Cycles of the map of a whole period are those that are found step by step."""
    re, width = nucleus_near_minus_two(40)
    one, other = (filled(re, "0", width, 4000, stepwise) for stepwise in (False, True))
    both = (one["period"] > 0) & (other["period"] > 0)
    assert both.sum() > 0.9 * (one["period"] > 0).sum() > 20
    assert np.array_equal(one["period"][both], other["period"][both])
    far = "interior_distance"
    assert np.allclose(one[far][both], other[far][both], rtol=1e-4)


def test_shortcuts_of_a_copy_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a copy of the set the shortcuts are those of the set, and can be switched off."""
    monkeypatch.setattr(task, "_WORTHWHILE", 0)
    re, width = nucleus_near_minus_two(340)
    geometry = Geometry(View(re, "0", width), 160, 120)
    counts = []
    for shortcuts in (True, ["discs", "period"], False):
        request = Request(
            formula_of("mandelbrot"), geometry, 340 * 500, NAMES[:1], shortcuts=shortcuts
        )
        out = empty_fields(NAMES[:1], 120, 160)
        assert "w*w + c" in Perturbation(request).fill(out)
        counts.append(out["iterations"])
    assert np.array_equal(counts[0], counts[1])
    assert np.array_equal(counts[0], counts[2])
