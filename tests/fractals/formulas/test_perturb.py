"""Perturbation: what is derived from a formula is its difference, to the last digits."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fraktal_kernel.fractals.formulas import Formula, formula_of, formulas
from fraktal_kernel.fractals.formulas.algebra import symbols
from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step
from fraktal_kernel.fractals.formulas.parse import parse
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate

gmpy2 = pytest.importorskip("gmpy2", reason="gmpy2 is not installed")

TYPED = (
    *("z**3 + c*z", "z**4 - 2*z + c", "z**5 + c", "c*(z**3 - 3*z)", "(z**2 + c)**2 + c"),
    *("(abs(re(z)) + i*abs(im(z)))**3 + c", "conj(z)**3 + c*z", "abs(re(z**3)) + i*im(z**3) + c"),
    *("(1 - z)*z**2*c", "z**2 + c*previous", "|re(z)|*z + c*conj(z)", "0.3*i*z**2 + c**2*z + c"),
    "z**7 + c",
)
DEEP = {name: formula for name, formula in formulas.items() if formula.polynomial}
DEEP |= {"multibrot 2": formula_of("multibrot", {"power": 2})}
DEEP |= {"multibrot 6": formula_of("multibrot", {"power": 6})}
DEEP |= {"phoenix with a complex p": formula_of("phoenix", {"p": "0.2 - 0.4*i"})}
DEEP |= {text: formula_of(text) for text in TYPED}


def origin(formula: Formula, large: dict[str, float], bits: int = 1400) -> list[gmpy2.mpfr]:
    """Give where z is counted from, if that follows c."""
    if not formula.drifts:
        return []
    with gmpy2.context(precision=bits):
        return list(exact_start(formula)(gmpy2.mpfr(large["cr"]), gmpy2.mpfr(large["ci"])))


def inputs_of(formula: Formula, tape: Tape, large: dict[str, float], small: dict[str, float]):
    """Give the values of a tape's inputs: capitals the reference, the others the difference."""
    values = []
    for name in tape.inputs:
        symbol, part = name[:-1], name[-1]
        if symbol == "origin()":
            values.append(float(origin(formula, large)["ri".index(part)]))
        elif symbol == "slope()":
            values.append(0.0)
        elif name in formula.values:
            values.append(formula.values[name])
        elif symbol.isupper():
            values.append(large[symbol.lower() + part])
        else:
            values.append(small[name])
    return values


def exact_difference(formula: Formula, large: dict[str, float], small: dict[str, float]):
    """Take the difference of two steps with 400 digits."""
    with gmpy2.context(precision=1400):
        step = exact_step(formula)
        names = [n for n in ("zr", "zi", "cr", "ci", "previousr", "previousi")]
        names = names[: 6 if formula.remembers else 4]
        more = origin(formula, large)
        there = step(*(gmpy2.mpfr(large[n]) + gmpy2.mpfr(small[n]) for n in names), *more)
        here = step(*(gmpy2.mpfr(large[n]) for n in names), *more)
        return [a - b for a, b in zip(there, here, strict=True)]


def draw(random_: random.Random, size: float, same_c: bool = False) -> dict[str, float]:
    """Draw one number of a size for each variable."""
    names = ("zr", "zi", "cr", "ci", "previousr", "previousi")
    drawn = {name: random_.uniform(-size, size) for name in names}
    return drawn | ({"cr": 0.0, "ci": 0.0} if same_c else {})


@pytest.mark.parametrize("same_c", [False, True], ids=["perturbed", "prepared"])
@pytest.mark.parametrize("name", DEEP)
def test_the_difference_has_all_its_digits(name: str, same_c: bool) -> None:
    """Next to a reference, differences of 1e-5 to 1e-290 come out to fourteen digits."""
    formula = DEEP[name]
    tape = formula.prepared if same_c else formula.perturbed
    assert tape is not None
    random_ = random.Random(name)
    for k in range(200):
        size = 10.0 ** -random_.choice([0, 1, 2, 5, 17, 60, 290])
        large, small = draw(random_, 1.5), draw(random_, size, same_c)
        if k % 4 == 0:  # on a fold
            large[random_.choice(["zr", "zi"])] = random_.uniform(-size, size)
        if same_c:
            small["cr"] = small["ci"] = 0.0
        ours = evaluate(tape, inputs_of(formula, tape, large, small))
        exact = [float(x) for x in exact_difference(formula, large, small)]
        # Digits of the whole complex number: one part of it may be much smaller than the other.
        scale = max(np.hypot(*exact), rest(small))
        assert np.hypot(ours[0] - exact[0], ours[1] - exact[1]) <= 4e-14 * scale, (large, small)


def rest(small: dict[str, float]) -> float:
    """Bound what is left where the terms, derivatives times differences, cancel."""
    return 0.05 * max(abs(value) for value in small.values())


@pytest.mark.parametrize("name", DEEP)
def test_the_linear_part_is_the_limit(name: str) -> None:
    """The derivatives by z and c are what small differences tend to, folds included."""
    formula = DEEP[name]
    tape, slopes = formula.perturbed, formula.deep_jacobian
    assert tape is not None and slopes is not None
    random_ = random.Random(name)
    for _ in range(50):
        large, small = draw(random_, 1.5), draw(random_, 1e-30)
        ours = complex(*evaluate(tape, inputs_of(formula, tape, large, small)))
        names = [n if n in formula.values or "()" in n else n[:-1].upper() + n[-1]
                 for n in slopes.inputs]  # fmt: skip
        values = inputs_of(formula, Tape(tuple(names), (), ()), large, small)
        found = evaluate(slopes, values)
        names = ["z", "c", *(["previous"] if formula.remembers else [])]
        linear = 0j
        for k, symbol in enumerate(names):
            x, y = small[symbol + "r"], small[symbol + "i"]
            if formula.holomorphic:
                linear += complex(*found[2 * k : 2 * k + 2]) * complex(x, y)
            else:
                a, b, c, d = found[4 * k : 4 * k + 4]
                linear += complex(a * x + b * y, c * x + d * y)
        assert abs(linear - ours) <= 1e-12 * max(abs(ours), 1e-30)


@pytest.mark.parametrize("name", DEEP)
def test_an_orbit_by_differences_is_the_orbit(name: str) -> None:
    """Twenty steps of differences from a reference end where the orbit itself ends."""
    formula = DEEP[name]
    tape = formula.perturbed
    assert tape is not None
    with gmpy2.context(precision=400):
        step, start = exact_step(formula), exact_start(formula)
        big = [gmpy2.mpfr("-0.13"), gmpy2.mpfr("0.21")]
        away = [gmpy2.mpfr("3e-40"), gmpy2.mpfr("-2e-40")]
        there = [big[0] + away[0], big[1] + away[1]]
        reference, point = list(start(*big)), list(start(*there))
        at = origin(formula, {"cr": float(big[0]), "ci": float(big[1])})
        if at:
            big = [gmpy2.mpfr(float(part)) for part in big]
            there = [a + b for a, b in zip(big, away, strict=True)]
            first = list(start(*there))
            reference = [gmpy2.mpfr(0)] * 2
            point = [a - b for a, b in zip(first, at, strict=True)]
        small = {"cr": float(away[0]), "ci": float(away[1]), "previousr": 0.0, "previousi": 0.0}
        small |= {
            f"z{part}": float(p - r) for part, p, r in zip("ri", point, reference, strict=True)
        }
        before, before_there = [gmpy2.mpfr(0)] * 2, [gmpy2.mpfr(0)] * 2
        for _ in range(20):
            large = {"zr": float(reference[0]), "zi": float(reference[1])}
            large |= {"cr": float(big[0]), "ci": float(big[1])}
            large |= {"previousr": float(before[0]), "previousi": float(before[1])}
            if max(abs(large["zr"]), abs(large["zi"])) > 1e3:
                break
            zr, zi = evaluate(tape, inputs_of(formula, tape, large, small))
            small |= {"previousr": small["zr"], "previousi": small["zi"], "zr": zr, "zi": zi}
            more, more_there = (before, before_there) if formula.remembers else (at, at)
            before, reference = reference, list(step(*reference, *big, *more))
            before_there, point = point, list(step(*point, *there, *more_there))
        exact = [float(p - r) for p, r in zip(point, reference, strict=True)]
        # Where the orbits meet again, what is left is as exact as the difference in c is.
        assert np.allclose([small["zr"], small["zi"]], exact, rtol=1e-9, atol=1e-14 * 3e-40)


@st.composite
def polynomials(draw_: st.DrawFn) -> str:
    """Draw a polynomial in z and c, with or without folds, as text."""
    z = st.sampled_from(["z", "z", "z", "conj(z)", "(abs(re(z)) + i*im(z))", "abs(im(z))"])
    terms = []
    for _ in range(draw_(st.integers(1, 4))):
        factors = [draw_(st.sampled_from(["1", "-1", "2", "0.5", "i", "(1 - 2*i)", "c"]))]
        factors += [
            f"{draw_(z)}**{draw_(st.integers(1, 4))}" for _ in range(draw_(st.integers(0, 2)))
        ]
        terms.append("*".join(factors))
    inner = " + ".join(terms)
    outer = draw_(st.sampled_from(["{} + z + c", "({})*z + c", "({} + c)**2 + z", "{} + z**2 + c"]))
    return outer.format(inner)


@settings(deadline=None, max_examples=150)
@given(text=polynomials(), seed=st.integers(0, 2**32), exponent=st.sampled_from([0, 3, 20, 100]))
def test_every_polynomial_has_its_difference(text: str, seed: int, exponent: int) -> None:
    """Random polynomials and folds: the derived difference is the difference."""
    assume("z" in symbols(parse(text)))  # terms may cancel
    formula = formula_of(text)
    assume(formula.polynomial)
    assert formula.perturbed is not None
    random_ = random.Random(seed)
    large, small = draw(random_, 1.2), draw(random_, 10.0**-exponent)
    ours = evaluate(formula.perturbed, inputs_of(formula, formula.perturbed, large, small))
    exact = [float(x) for x in exact_difference(formula, large, small)]
    size = max(abs(value) for value in small.values())
    bound = 1e-12 * max(np.hypot(*exact), size) * max(1.0, size) ** formula.degree
    weight = 1.0 + sum(
        abs(x)
        for x in evaluate(
            formula.jacobian,
            [formula.values.get(n, large.get(n, 0.0)) for n in formula.jacobian.inputs],
        )
    )
    assert np.hypot(ours[0] - exact[0], ours[1] - exact[1]) <= bound * weight


def test_the_square_is_the_known_form() -> None:
    """``z**2 + c`` differs by ``z*(2Z + z) + c``: six operations; the burning ship by ten."""
    square = formulas["mandelbrot"].perturbed
    assert square is not None and square.operations == 6
    assert square.inputs == ("Zr", "Zi", "zr", "zi", "Cr", "Ci", "cr", "ci")
    ship = formulas["burning_ship"].perturbed
    assert ship is not None and ship.operations == 10
    assert sum(op == "diffabs" for op, *_ in ship.code) == 1


def test_lambda_is_counted_from_its_critical_point() -> None:
    """Where the orbit starts the derivative vanishes, and no digit is lost to that."""
    formula = formulas["lambda"]
    assert complex(formula.centre) == 0.5
    assert formula.perturbed is not None
    small = {"zr": 1e-200, "zi": 0.0, "cr": 0.0, "ci": 0.0}
    large = {"zr": 1e-200, "zi": 0.0, "cr": 2.0, "ci": 0.0}
    assert (
        evaluate(formula.perturbed, inputs_of(formula, formula.perturbed, large, small))[0] == 0.0
    )
    small["zr"] = large["zr"] = 1e-100
    found = evaluate(formula.perturbed, inputs_of(formula, formula.perturbed, large, small))
    assert found[0] == pytest.approx(-6e-200, rel=1e-14)


def test_formulas_that_divide_have_no_perturbation() -> None:
    """Rational and transcendental formulas say that they cannot go deep."""
    for formula in (formulas["newton"], formulas["magnet1"], formula_of("c*sin(z)")):
        assert not formula.polynomial
        assert formula.perturbed is None and formula.prepared is None
