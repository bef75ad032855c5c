"""Reference orbits against gmpy2's own arithmetic with more bits."""

from __future__ import annotations

import math
from itertools import islice
from types import ModuleType

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.reference import reference_orbit
from fraktal_kernel.fractals.reference.decimals import decimal_of, fixed
from fraktal_kernel.fractals.reference.engines import (
    Engine,
    ProgramEngine,
    QuadraticEngine,
    engine_for,
)
from fraktal_kernel.fractals.reference.recurrences import recurrence_of
from fraktal_kernel.fractals.reference.wide import SpectralEngine, layout, wide

FOLDS = (
    *("mandelbrot", "burning_ship", "perpendicular_burning_ship", "celtic", "buffalo"),
    *("tricorn", "shark_fin"),
)
FORMULAS = [*[(name, 2) for name in FOLDS], ("multibrot", 3), ("multibrot", 5)]
# Points where the orbits are bounded or leave late, 40 digits so that none is a float64.
POINTS = [
    ("-0.7436438870371587047521915061147219380917", "0.1318259043091891740362510271918476829016"),
    ("-1.7548776662466927600495088963585286918946", "0.0000000000000000000000000000000000000001"),
    ("0.2500000000000000000000000000000000000123", "-0.5000000000000000000000000000000000000321"),
]


@pytest.fixture(scope="module")
def exact() -> ModuleType:
    """Give the slow orbits that stand beside this file."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("exact", Path(__file__).with_name("exact.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compared(
    exact: ModuleType, name: str, degree: int, re: str, im: str, bits: int, count: int
) -> None:
    """Check an orbit against one with 64 more bits, within what rounding may have grown to."""
    orbit = reference_orbit(
        name, re, im, bits=bits, max_iter=count, power=degree if name == "multibrot" else None
    )
    error, unit = 0.0, 2.0 ** -(bits // 64 * 64)
    values = list(islice(exact.orbit(name, re, im, bits + 128, degree), len(orbit)))
    for k, (x, y) in enumerate(values, start=1):
        size = abs(complex(orbit.z[k - 1]))
        error *= degree * (size + error) ** (degree - 1)
        error += 64 * unit * max(1.0, size) ** degree
        if error > 1e-3:
            return
        off = abs(complex(orbit.z[k]) - complex(x, y))
        assert off <= error + 3e-16 * abs(complex(x, y)), (k, orbit.z[k], x, y)
    if orbit.ended == "escaped":
        assert math.hypot(*map(float, values[-1])) > 1e3
        assert all(math.hypot(*map(float, value)) <= 1e3 for value in values[:-1])


@pytest.mark.parametrize("bits", [64, 320, 704, 1600, 3200, 9000])
@pytest.mark.parametrize(("name", "degree"), FORMULAS)
def test_an_orbit_is_that_of_slow_arithmetic(
    exact: ModuleType, name: str, degree: int, bits: int
) -> None:
    """Every formula, at every kind of precision, gives what mpfr gives with more bits."""
    for re, im in POINTS:
        compared(exact, name, degree, re, im, bits, 300)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(-(2**200), 2**199),
    st.integers(-(2**200), 2**200),
    st.sampled_from(FORMULAS),
    st.sampled_from([128, 512, 1664]),
)
def test_any_point_escapes_where_slow_arithmetic_says(
    exact: ModuleType, x: int, y: int, formula: tuple[str, int], bits: int
) -> None:
    """Random points of the plane, all formulas: values and the index of the escape agree."""
    re, im = decimal_of(x, 199), decimal_of(y, 200)
    compared(exact, *formula, re, im, bits, 150)


@pytest.mark.parametrize("bits", [1536, 2560, 4096, 8768, 17600, 26752, 40000, 75008, 150016])
def test_one_step_of_the_transform_is_exact(bits: int) -> None:
    """A step of random numbers, at every kind of length, is right to the last few bits."""
    random = gmpy2.random_state(bits)
    x, y, a, b = (int(gmpy2.mpz_urandomb(random, bits)) - (1 << (bits - 1)) for _ in range(4))
    bits = bits // 64 * 64
    c = decimal_of(a, bits + 8), decimal_of(b, bits + 8)
    for name in ("mandelbrot", "burning_ship", "celtic", "tricorn", "buffalo"):
        engine = SpectralEngine(recurrence_of(name), c, (x, y), bits, 1e3)
        z = np.zeros(2, np.complex128)
        assert engine.advance(z, 1, 2) == (2, False)
        re, im = (x * x - y * y) >> bits, (2 * x * y) >> bits
        re = abs(re) if name in ("celtic", "buffalo") else re
        im = abs(im) if name in ("burning_ship", "buffalo") else im
        im = -im if name == "tricorn" else im
        turned = -1 if name in ("burning_ship", "buffalo") else 1
        expected = re + fixed(c[0], bits), im + turned * fixed(c[1], bits)
        for got, wanted in zip(engine.state(), expected, strict=True):
            assert abs(got - wanted) <= 4


def test_lengths_grow_with_the_bits() -> None:
    """Every precision has digits enough, and no transform is longer than it has to be."""
    lengths = []
    for bits in range(1536, 100_000, 640):
        length, digit_bits, digits = layout(bits)
        assert (digits - 1) * digit_bits >= bits
        assert 2 * digits <= length
        lengths.append(length)
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("make", [QuadraticEngine, ProgramEngine, SpectralEngine])
def test_engines_agree_and_go_back(make: type[Engine]) -> None:
    """All arithmetics give the same orbit; from a mark they go the same way again."""
    c, bits, z = POINTS[0], 2048, np.zeros(201, np.complex128)
    engine = make(recurrence_of("mandelbrot"), c, (0, 0), bits, 1e3)  # type: ignore[call-arg]
    other = QuadraticEngine(recurrence_of("mandelbrot"), c, (0, 0), bits, 1e3)
    expected = z.copy()
    other.advance(expected, 1, 201)
    engine.advance(z, 1, 101)
    engine.mark()
    engine.advance(z, 101, 201)
    np.testing.assert_allclose(z, expected, rtol=4e-16)
    once = z.copy()
    engine.back()
    z[101:] = 0
    engine.advance(z, 101, 201)
    assert np.array_equal(z, once)


def test_unsafe_rounding_hands_over_to_limbs() -> None:
    """Digits that are too large for the transform are noticed, and the orbit is right."""
    c, bits = POINTS[0], 8768
    engine = SpectralEngine(recurrence_of("mandelbrot"), c, (0, 0), bits, 1e3)
    engine._work[engine._places[4] - 8] = 0.5  # as if a coefficient had been half way
    z, expected = np.zeros(101, np.complex128), np.zeros(101, np.complex128)
    engine.advance(z, 1, 101)
    QuadraticEngine(recurrence_of("mandelbrot"), c, (0, 0), bits, 1e3).advance(expected, 1, 101)
    np.testing.assert_allclose(z, expected, rtol=4e-16)
    assert engine.state() != (0, 0)


def test_the_fastest_engine_is_taken() -> None:
    """Short numbers go to limbs, long ones to the transform, other formulas to their tape."""
    kinds = {
        (type(engine_for(recurrence, ("0", "0"), (0, 0), bits, 1e3)), bits)
        for recurrence in (recurrence_of("mandelbrot"), recurrence_of("multibrot", 3))
        for bits in (640, 6400)
    }
    assert kinds == {
        *((QuadraticEngine, 640), (SpectralEngine, 6400)),
        *((ProgramEngine, 640), (ProgramEngine, 6400)),
    }
    assert not wide(recurrence_of("shark_fin"), 10_000)


def test_values_below_float64_keep_their_size() -> None:
    """Where the orbit comes nearer to 0 than 1e-300, the value stands beside it."""
    for bits in (1280, 2560):
        orbit = reference_orbit("mandelbrot", "-1." + "0" * 329 + "1", "0", bits=bits, max_iter=5)
        assert orbit.small_index.tolist() == [2, 4]
        for mantissa, exponent in zip(orbit.small_mantissa, orbit.small_exponent, strict=True):
            assert 0.5 <= abs(mantissa.real) < 1
            assert mantissa.real * 2.0 ** (exponent + 330 * math.log2(10)) == pytest.approx(1)
        assert abs(orbit.z[2]) < 1e-300


@pytest.mark.parametrize("bits", [1280, 2560])
def test_a_part_that_is_nothing_beside_the_other_keeps_its_side(bits: int) -> None:
    """A value just beside an axis is known to the last bit, or at least on which side it lies."""
    orbit = reference_orbit("mandelbrot", "-1.5", "3e-292", bits=bits, max_iter=2)
    assert orbit.z[1].imag == pytest.approx(3e-292, rel=1e-15)
    assert orbit.z[2].imag == pytest.approx(-6e-292, rel=1e-15)
    orbit = reference_orbit("mandelbrot", "-1.5", "1e-350", bits=bits, max_iter=2)
    assert 0 < orbit.z[1].imag < 1e-300 and -1e-300 < orbit.z[2].imag < 0


def test_a_julia_orbit_begins_at_the_point() -> None:
    """With a seed, the point is z_0 and the seed is added."""
    orbit = reference_orbit("mandelbrot", "0.3", "0.4", julia=("-1", "0.25"), bits=64, max_iter=2)
    z = 0.3 + 0.4j
    assert orbit.z[0] == z
    assert orbit.z[1] == pytest.approx(z * z - 1 + 0.25j)


def test_a_cancelled_orbit_stops() -> None:
    """A cancel ends the computation in the middle of a very long orbit."""
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises(Stopped, match="cancelled"):
        reference_orbit("mandelbrot", "0", "0", bits=75_000, max_iter=10**9, cancelled=cancelled)


def test_progress_grows_to_one() -> None:
    """Progress is told in order and ends at 1."""
    told: list[float] = []
    reference_orbit(
        "mandelbrot", "0", "0", bits=64, max_iter=50_000, progress=lambda f, _: told.append(f)
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_going_on_gives_what_one_run_gives() -> None:
    """An orbit that is continued equals the one computed at once."""
    for bits in (192, 3008):
        for formula in (recurrence_of("mandelbrot"), recurrence_of("multibrot", 3)):
            whole = reference_orbit(formula, *POINTS[0], bits=bits, max_iter=400)
            half = reference_orbit(formula, *POINTS[0], bits=bits, max_iter=150)
            more = reference_orbit(formula, *POINTS[0], bits=bits, max_iter=400, going_on=half)
            assert len(more) == len(whole)
            np.testing.assert_allclose(more.z, whole.z, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("mandelbort", "0", "0"), "no formula named"),
        (("mandelbrot", "zero", "0"), "expected a decimal number"),
        (("mandelbrot", "0", float("nan")), "expected a finite number"),
        (("mandelbrot", "1" * 300_000, "0"), "at most"),
        (("mandelbrot", "1e999999", "0"), "exponent"),
        (("mandelbrot", "1e30", "0"), "far outside"),
    ],
)
def test_what_is_no_orbit_is_refused(arguments: tuple[str, str, str], text: str) -> None:
    """Bad names and numbers are refused in one sentence."""
    with pytest.raises(InvalidInput, match=text):
        reference_orbit(*arguments, bits=128, max_iter=10)
    with pytest.raises(InvalidInput, match="neither bits nor radius"):
        reference_orbit("mandelbrot", "0", "0", max_iter=10)
    with pytest.raises(InvalidInput, match="no orbit in arbitrary precision"):
        recurrence_of("magnet1")


def test_formulas_are_recognised_however_they_are_written() -> None:
    """What equals a fold of z*z + c gets its fast kernel; what only resembles it does not."""
    for text, name in (
        ("c + z*z", "mandelbrot"),
        ("conj(z)*conj(z) + c", "tricorn"),
        ("(abs(re(z)) - i*abs(im(z)))**2 + c", "perpendicular_burning_ship"),
    ):
        assert recurrence_of(text).fold >= 0
        if name != "perpendicular_burning_ship":
            assert recurrence_of(text).fold == recurrence_of(name).fold
    assert recurrence_of("z**4 + c").power == 4
    for text in ("z**2 + 2*c", "z**2 + c + z/1000000", "c*z*(1 - z)", "z**2 + c + previous/2"):
        assert (recurrence_of(text).fold, recurrence_of(text).power) == (-1, 0)


@pytest.mark.parametrize("text", ["c*z*(1 - z)", "z**3 + c*z", "z**2 + c - previous/2", "lambda"])
def test_typed_formulas_have_orbits(text: str) -> None:
    """Any polynomial, from its own start, counted from its centre, gives what gmpy2 gives."""
    from fraktal_kernel.fractals.formulas import formula_of
    from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step

    formula = formula_of(text)
    orbit = reference_orbit(formula, "0.7", "0.31", bits=500, max_iter=60)
    with gmpy2.context(gmpy2.get_context(), precision=700):
        step, c = exact_step(formula), (gmpy2.mpfr("0.7"), gmpy2.mpfr("0.31"))
        z = exact_start(formula)(*c)
        before = (gmpy2.mpfr(0), gmpy2.mpfr(0))
        origin = z if formula.drifts else ()
        z = before if formula.drifts else z  # it is counted from where it begins
        for k in range(len(orbit) + 1):
            assert complex(*map(float, z)) == pytest.approx(complex(orbit.z[k]), rel=1e-12)
            more = before if formula.remembers else origin
            z, before = step(*z, *c, *more), z


def test_importing_orbits_loads_no_compiler() -> None:
    """Neither numba nor gmpy2 is imported before an orbit is asked for."""
    import subprocess
    import sys

    code = (
        "import sys, fraktal_kernel.fractals.reference; "
        "print([name for name in ('numba', 'llvmlite', 'gmpy2', 'flint') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_orbit_that_a_cycle_attracts_ends_on_it() -> None:
    """It comes to the fixed point of the closed form; what repels or is neutral holds none."""
    asked = {"bits": 256, "max_iter": 20_000, "until_caught": True}
    orbit = reference_orbit("mandelbrot", "-0.1", "0.15", **asked)
    c = complex(-0.1, 0.15)
    assert orbit.ended == "caught" and len(orbit) < 2000
    assert orbit.z[-1] == pytest.approx((1 - (1 - 4 * c) ** 0.5) / 2, rel=1e-14)
    held = reference_orbit("tricorn", "-0.1", "0.15", **asked)
    assert held.ended == "caught"
    for re, im in (("-2", "0"), ("0", "1"), ("0.25", "0")):
        assert reference_orbit("mandelbrot", re, im, **asked).ended == "limit"
    # Of a small copy's cycle, the end is where it is nearest to 0.
    orbit = reference_orbit("mandelbrot", "-1.754", "0.001", **asked)
    assert orbit.ended == "caught" and len(orbit) % 3 == 0
    assert abs(orbit.z[-1]) <= np.abs(orbit.z[-3:]).min()
