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
# Copies in multibrot sets: centre, width of a view, period.
COPIES = {
    3: (
        "0.5467961986089797221194418932570669033162911124",
        "0.31654615288095240156704914163676503330036196427",
        "9e-20",
        155,
    ),
    5: (
        "-0.62153017898214956543217631408696479574592709803",
        "-0.04486449118912563421536262254805162220951949262",
        "1.5e-19",
        147,
    ),
}


def nucleus(re: str, im: str, period: int) -> tuple[str, str]:
    """Find the c near a point at which 0 has a period, by Newton's method in 300 bits."""
    c = mpc(gmpy2.mpfr(re), gmpy2.mpfr(im))
    for _ in range(12):
        z, d = mpc(0), mpc(0)
        for _ in range(period):
            z, d = z * z + c, 2 * z * d + 1
        c -= z / d
    return tuple(f"{part:.60f}" for part in (c.real, c.imag))  # type: ignore[return-value]


def interior(c: Any, period: int, pixel: Any, power: int = 2) -> tuple[float, float]:
    """Give the size of the multiplier, and the distance to the edge in pixels."""
    z = mpc(0)
    for _ in range(2 * period):
        z = z**power + c
    for _ in range(20):
        w, a, d, b, e = z, mpc(1), mpc(0), mpc(0), mpc(0)
        for _ in range(period):
            bend, slope = power * (power - 1) * w ** (power - 2), power * w ** (power - 1)
            b, e = slope * b + bend * a * a, slope * e + bend * a * d
            d, a, w = slope * d + 1, slope * a, w**power + c
        moved = (w - z) / (1 - a)
        z += moved
        if abs(moved) < 1e-30 * abs(d) * pixel:
            break
    change, size = abs(e + b * d / (1 - a)), abs(a)
    # The root takes each value once within an atom.
    root = size ** (gmpy2.mpfr(1) / (power - 1))
    change *= root / ((power - 1) * size)
    return float(size), float((1 - root**2) / (2 * change) / pixel)


def filled(
    re: str, im: str, width: str, max_iter: int, stepwise: bool, power: int = 2
) -> dict[str, Any]:
    """Compute a view; as a copy of the set, or step by step though it may be one."""
    geometry = Geometry(View(re, im, width), *SIZE)
    formula = formula_of("multibrot", {"power": power})
    whole, _ = Perturbation(Request(formula, geometry, max_iter, NAMES)).prepared()
    assert isinstance(whole, Approximation)
    assert stepwise or whole.minibrot is not None
    if stepwise:
        whole.minibrot = None
    out = empty_fields(NAMES, SIZE[1], SIZE[0])
    whole.fill(out)
    return out


def check(re: str, im: str, width: str, period: int, out: dict[str, Any], power: int = 2) -> None:
    """Hold periods and distances around a copy against full precision."""
    inside, known = out["iterations"] == out["iterations"].max(), out["period"] > 0
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
            size, far = interior(c, found, gmpy2.mpfr(str(pixel)), power)
            assert size < 1
            assert out["interior_distance"][row, column] == pytest.approx(far, rel=1e-4)


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
    check(re, im, width, period, filled(re, im, width, 400 * period, stepwise))


@pytest.mark.parametrize(("power", "place"), COPIES.items())
def test_cycles_of_other_powers(power: int, place: tuple[str, str, str, int]) -> None:
    """In copies of multibrot sets, where the multiplier takes each value several times, too."""
    re, im, width, period = place
    out = filled(re, im, width, 300 * period, True, power)
    check(re, im, width, period, out, power)
    # The centre of the copy is where the multiplier is 0, and as far from the edge as any place.
    far = out["interior_distance"]
    assert far[11:13, 15:17].min() > 0.8 * np.nanmax(far)


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
