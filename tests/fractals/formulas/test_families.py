"""The named formulas: what they are by their definitions, and what is derived from them."""

from __future__ import annotations

import cmath
import pickle
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput, UnknownName
from fraktal_kernel.fractals.formulas import Formula, formula_of, formulas
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate

NAMES = (
    *("mandelbrot", "multibrot", "burning_ship", "perpendicular_burning_ship", "celtic"),
    *("buffalo", "tricorn", "shark_fin", "phoenix", "lambda", "magnet1", "magnet2", "nova"),
    "newton",
)


def folded(
    f: Callable[[float, float], tuple[float, float]],
) -> Callable[[complex, complex], complex]:
    """Write a definition in x and y, to which programs add a and from which they take b."""
    return lambda z, c: complex(*f(z.real, z.imag)) + c.conjugate()


# The definitions as books and programs write them.
DEFINITIONS: dict[str, Callable[[complex, complex], complex]] = {
    "mandelbrot": lambda z, c: z * z + c,
    "multibrot": lambda z, c: z * z * z + c,
    "burning_ship": folded(lambda x, y: (x * x - y * y, 2 * abs(x * y))),
    "perpendicular_burning_ship": folded(lambda x, y: (x * x - y * y, 2 * x * abs(y))),
    "celtic": lambda z, c: complex(abs(z.real**2 - z.imag**2), 2 * z.real * z.imag) + c,
    "buffalo": folded(lambda x, y: (abs(x * x - y * y), 2 * abs(x * y))),
    "tricorn": lambda z, c: z.conjugate() ** 2 + c,
    "shark_fin": folded(lambda x, y: (x * x - y * abs(y), 2 * x * y)),
    "lambda": lambda z, c: c * z * (1 - z),
    "magnet1": lambda z, c: ((z * z + c - 1) / (2 * z + c - 2)) ** 2,
    "magnet2": lambda z, c: (
        (
            (z**3 + 3 * (c - 1) * z + (c - 1) * (c - 2))
            / (3 * z * z + 3 * (c - 2) * z + (c - 1) * (c - 2) + 1)
        )
        ** 2
    ),
    "nova": lambda z, c: z - (z**3 - 1) / (3 * z * z) + c,
    "newton": lambda z, c: z - (z**3 - 1) / (3 * z * z),
}


def at(formula: Formula, tape: Tape, z: complex, c: complex, previous: complex = 0) -> list[float]:
    """Run a tape at one point."""
    given = {"zr": z.real, "zi": z.imag, "cr": c.real, "ci": c.imag}
    given |= {"previousr": previous.real, "previousi": previous.imag, **formula.values}
    return evaluate(tape, [given[name] for name in tape.inputs])


def points(count: int = 40) -> list[tuple[complex, complex]]:
    """Draw points z and c."""
    drawn = np.random.default_rng(3).uniform(-1.5, 1.5, (count, 4))
    return [(complex(a, b), complex(c, d)) for a, b, c, d in drawn]


def test_all_names_are_there() -> None:
    """The mapping has every family, and says what is near to a name that it has not."""
    assert set(NAMES) <= set(formulas)
    with pytest.raises(UnknownName, match="did you mean 'burning_ship'"):
        formula_of("burning_shp")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_step_is_the_definition(name: str) -> None:
    """One step gives what the definition gives."""
    for z, c in points():
        ours = complex(*at(formulas[name], formulas[name].step, z, c))
        assert ours == pytest.approx(DEFINITIONS[name](z, c), rel=1e-12)


def test_phoenix_reads_the_point_before() -> None:
    """The phoenix adds p times the z before."""
    formula = formula_of("phoenix", {"p": 0.25 - 0.5j})
    for z, c in points():
        ours = complex(*at(formula, formula.step, z, c, c * z))
        assert ours == pytest.approx(z * z + c + (0.25 - 0.5j) * c * z, rel=1e-12)


@pytest.mark.parametrize("power", [2, 3, 4, 5, 6, 7, 9, 12, 31, -1, -2, -5, 2.5, -1.5])
def test_every_power_is_a_power(power: float) -> None:
    """Multibrots have whole, negative and broken powers, cheap ones in few operations."""
    formula = formula_of("multibrot", {"power": power})
    for z, c in points():
        assert complex(*at(formula, formula.step, z, c)) == pytest.approx(z**power + c, rel=1e-11)
    assert formula.start == ("0" if power > 0 else "c")
    cheap = {2: 4, 3: 6, 4: 8, 6: 10, 7: 15, 9: 12}
    assert formula.step.operations <= cheap.get(power, 99)


def test_zero_is_no_start_where_a_power_takes_its_logarithm() -> None:
    """z**z has no value at 0 in float64, so that all of its picture would end at once."""
    assert formula_of("z**z + c").start == "c" and formula_of("z**2.5 + c").start == "0"


def test_nothing_comes_before_the_first_step() -> None:
    """A critical point that would depend on the z before is that of the first step."""
    assert formula_of("previous*z + z**2 + c").start == "0"
    assert formula_of("z**3 + (previous - c)*z").start == formula_of("z**3 - c*z").start


def test_a_parameter_may_be_a_variable() -> None:
    """A parameter that stands for c, or for z alone, is part of the formula."""
    assert formula_of("z**2 + k", {"k": "c"}).step == formula_of("z**2 + c").step
    assert formula_of("newton", {"polynomial": "z"}).uniforms == ("relaxation",)


def test_counts_are_continuous_for_a_power_that_is_a_parameter() -> None:
    """They grow with the value of the power, as those of a power that is written do."""
    typed = formula_of("z**k + c", {"k": 2.5}, start="0")
    assert typed.uniforms == ("k",)
    assert typed.degree == formula_of("multibrot", {"power": 2.5}).degree == 2.5


def test_broken_powers_share_their_code() -> None:
    """A film over powers compiles once: broken ones are inputs, begun where the power begins."""
    one, other = (formula_of("multibrot", {"power": power}) for power in (2.1, "31/7"))
    assert one.step == other.step and one.jacobian == other.jacobian
    assert (one.start, one.degree) == ("0", 2.1)
    assert other.exact_values == {"powerr": Fraction(31, 7)}
    assert formula_of("multibrot", {"power": -1.5}).start == "c"


@pytest.mark.parametrize("name", formulas)
def test_derivatives_are_limits_of_differences(name: str) -> None:
    """The jacobian is what small differences of a step tend to, by z and c and the z before."""
    formula = formulas[name]
    h = 1e-6
    for z, c in points(10):
        found = at(formula, formula.jacobian, z, c, z / 2)
        here = complex(*at(formula, formula.step, z, c, z / 2))
        for k in range(3 if formula.remembers else 2):
            for turn in (1, 1j):
                moved = [z, c, z / 2]
                there, back = list(moved), list(moved)
                there[k] += h * turn
                back[k] -= h * turn
                rise = complex(*at(formula, formula.step, *there))
                rise = (rise - complex(*at(formula, formula.step, *back))) / (2 * h)
                if formula.holomorphic:
                    slope = complex(*found[2 * k : 2 * k + 2]) * turn
                else:
                    column = 0 if turn == 1 else 1
                    slope = complex(found[4 * k + column], found[4 * k + 2 + column])
                assert slope == pytest.approx(rise, rel=1e-4, abs=1e-6 * (1 + abs(here)))


@pytest.mark.parametrize("name", formulas)
def test_an_orbit_begins_where_it_should(name: str) -> None:
    """Orbits start at a critical point where one is known in closed form."""
    formula = formulas[name]
    _, c = points(1)[0]
    given = {"cr": c.real, "ci": c.imag, **formula.values}
    start = evaluate(formula.begin, [given[n] for n in formula.begin.inputs])
    z = complex(*start[:2])
    if name == "newton":
        assert z == c and start[2:] == [1.0, 0.0]
    elif formula.holomorphic and not name.startswith("magnet"):
        slope = at(formula, formula.jacobian, z, c)
        assert abs(complex(*slope[:2])) < 1e-12


@pytest.mark.parametrize("text", ["z**3 + c*z", "z**4 - 2*z + c", "c*(z**3 - 3*z)", "z**3+z**2+c"])
def test_a_typed_polynomial_begins_at_its_critical_point(text: str) -> None:
    """The critical point of a typed polynomial is found where it has a closed form."""
    formula = formula_of(text)
    c = 0.3 + 0.4j
    z = complex(*evaluate(formula.begin, [c.real, c.imag])[:2])
    assert abs(complex(*at(formula, formula.jacobian, z, c)[:2])) < 1e-12


def test_newton_takes_any_polynomial() -> None:
    """Newton's method for a polynomial as text finds its roots."""
    formula = formula_of("newton", {"polynomial": "z^4 - 2*i*z + 3"})
    z = 1.3 + 0.4j
    for _ in range(60):
        z = complex(*at(formula, formula.step, z, 0j))
    assert abs(z**4 - 2j * z + 3) < 1e-12


def test_nova_starts_at_a_critical_point() -> None:
    """With a relaxation of 1, Newton's method for z**3 - 1 is flat at 1."""
    formula = formulas["nova"]
    assert abs(complex(*at(formula, formula.jacobian, 1 + 0j, 0.1j)[:2])) < 1e-15


@pytest.mark.parametrize(
    "text, function",
    [
        ("sin(z)*c", lambda z, c: cmath.sin(z) * c),
        ("cos(z) + c", lambda z, c: cmath.cos(z) + c),
        ("tan(z) + c", lambda z, c: cmath.tan(z) + c),
        ("exp(z) + c", lambda z, c: cmath.exp(z) + c),
        ("log(z) + c", lambda z, c: cmath.log(z) + c),
        ("sqrt(z) + c", lambda z, c: cmath.sqrt(z) + c),
        ("sinh(z) - c*cosh(z)", lambda z, c: cmath.sinh(z) - c * cmath.cosh(z)),
        ("tanh(z) + c", lambda z, c: cmath.tanh(z) + c),
        ("|z|*z + c", lambda z, c: abs(z) * z + c),
        ("|z|^2*z + c", lambda z, c: abs(z) ** 2 * z + c),
        ("z**c + c", lambda z, c: z**c + c),
        ("z**(1.5+i) + pi*c", lambda z, c: z ** (1.5 + 1j) + cmath.pi * c),
        ("conj(z)^2/(z + 2i) + c", lambda z, c: z.conjugate() ** 2 / (z + 2j) + c),
    ],
)
def test_typed_functions_are_what_they_are_called(
    text: str, function: Callable[[complex, complex], complex]
) -> None:
    """Functions of complex numbers, and their derivatives, agree with Python's own."""
    formula = formula_of(text)
    for z, c in points(20):
        z += 0.01
        assert complex(*at(formula, formula.step, z, c)) == pytest.approx(function(z, c), rel=1e-11)
        if formula.holomorphic:
            slope = complex(*at(formula, formula.jacobian, z, c)[:2])
            rise = (function(z + 1e-6, c) - function(z - 1e-6, c)) / 2e-6
            assert slope == pytest.approx(rise, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "text, degree",
    [
        *(("z**3 + c", 3), ("(z**2 + c)**2", 4), ("z**2.5 + c", 2.5), ("(z**3-1)/z + c", 2)),
        *(("exp(z) + c", 2), ("|re(z)|**3 + c", 3), ("z**-2 + c", 2)),
    ],
)
def test_the_degree_is_how_orbits_grow(text: str, degree: float) -> None:
    """The degree is the power with which z grows, 2 where there is none."""
    assert formula_of(text).degree == degree


def test_parameters_are_inputs_or_part_of_the_formula() -> None:
    """A number changes values only; a whole number or an expression changes the tape."""
    first, second = (
        formula_of("z**2 + c + k", {"k": 0.25}),
        formula_of("z**2 + c + k", {"k": "0.5"}),
    )
    assert first.step == second.step and first.step.inputs[-1] == "kr"
    assert (first.values, second.values) == ({"kr": 0.25}, {"kr": 0.5})
    third = formula_of("z**2 + c + k", {"k": 0.5j})
    assert third.values == {"kr": 0.0, "ki": 0.5}
    assert formula_of("z**k + c", {"k": 4}).step == formula_of("z**4 + c").step
    assert formula_of("z**2 + k", {"k": "c - z"}).step == formula_of("z**2 + c - z").step


@pytest.mark.parametrize(
    "name, parameters, words",
    [
        ("multibrot", {"powr": 3}, "no parameter named 'powr'"),
        ("mandelbrot", {"p": 3}, "it has none"),
        ("multibrot", {"power": float("nan")}, "expected a finite number"),
        ("multibrot", {"power": True}, "expected a finite number"),
        ("multibrot", {"power": "three"}, "unknown name 'three'"),
        ("multibrot", {"power": 10**6}, "power beyond 1024"),
        ("newton", {"polynomial": "z + "}, "ends at position 5"),
        ("newton", {"polynomial": "c"}, "divides by zero"),
        ("z**2 + c", {"z": 1.0}, "named 'z'"),
        ("z**2 + c", {"Z": 1.0}, "named 'Z'"),
        ("z**2 + c", {"a b": 1.0}, "named 'a b'"),
        ("z**2 + k", {"k": [1]}, "expected a finite number"),
        ("c + 1", {}, "has no z in it"),
        ("", {}, "is empty"),
    ],
)
def test_what_is_no_parameter_is_refused(name: str, parameters: dict, words: str) -> None:
    """One sentence says what was given and what was expected."""
    with pytest.raises(InvalidInput, match=words) as raised:
        formula_of(name, parameters)
    assert str(raised.value).endswith((".", "?")) and "\n" not in str(raised.value)


def test_formulas_travel_between_processes() -> None:
    """A formula and its tapes are plain values: pickled, equal, hashable."""
    for name in ("mandelbrot", "newton", "phoenix"):
        formula = formulas[name]
        again = pickle.loads(pickle.dumps(formula))
        assert again == formula and hash(again) == hash(formula)
        assert again.step == formula.step and hash(again.step) == hash(formula.step)


def test_a_start_can_be_chosen() -> None:
    """The start is an expression in c and parameters, and nothing else."""
    assert formula_of("z**2 + c", start="c/2").start == "(1/2)*c"
    assert formula_of("mandelbrot", start="0.1").start == "1/10"
    with pytest.raises(InvalidInput, match="has z in it"):
        formula_of("z**2 + c", start="z")
