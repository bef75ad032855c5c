"""The formulas that have names, each in a few lines; plug-ins add theirs in the same way.

The burning ship and its kin have the imaginary axis as deep-zoom programs have it: ``conj(c)``
puts the ship upright with the axis pointing up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas.formula import TYPED, Formula, Value
from fraktal_kernel.fractals.formulas.parse import is_name
from fraktal_kernel.registry import Registry

formulas: Registry[Formula] = Registry("formula", group="fraktal.formulas")


def _add(name: str, title: str, expression: str, **more: object) -> None:
    formulas.add(name, Formula(name, title, expression, **more))  # type: ignore[arg-type]


_add("mandelbrot", "Mandelbrot", "z**2 + c")
_add("multibrot", "Multibrot", "z**power + c", parameters={"power": 3})
_add("burning_ship", "Burning ship", "(abs(re(z)) + i*abs(im(z)))**2 + conj(c)")
_add(
    "perpendicular_burning_ship",
    "Perpendicular burning ship",
    "(re(z) + i*abs(im(z)))**2 + conj(c)",
)
_add("celtic", "Celtic", "abs(re(z**2)) + i*im(z**2) + c")
_add("buffalo", "Buffalo", "abs(re(z**2)) + i*abs(im(z**2)) + conj(c)")
_add("tricorn", "Tricorn", "conj(z)**2 + c")
_add(
    "shark_fin",
    "Shark fin",
    "re(z)**2 - im(z)*abs(im(z)) + 2*i*re(z)*im(z) + conj(c)",
    escape_radius=1e20,  # it grows unevenly: smooth counts need a larger circle
)
_add("phoenix", "Phoenix", "z**2 + c + p*previous", parameters={"p": -0.5})
_add("lambda", "Lambda", "c*z*(1 - z)")
_add(
    "magnet1",
    "Magnet 1",
    "((z**2 + c - 1)/(2*z + c - 2))**2",
    begins="0",
    ends="both",
    escape_radius=100.0,
)
_add(
    "magnet2",
    "Magnet 2",
    "((z**3 + 3*(c - 1)*z + (c - 1)*(c - 2))/(3*z**2 + 3*(c - 2)*z + (c - 1)*(c - 2) + 1))**2",
    begins="0",
    ends="both",
    escape_radius=100.0,
)
_add(
    "nova",
    "Nova",
    "z - relaxation*polynomial/derivative(polynomial) + c",
    parameters={"polynomial": "z**3 - 1", "relaxation": 1.0},
    begins="1",
    ends="converges",
)
_add(
    "newton",
    "Newton",
    "z - relaxation*polynomial/derivative(polynomial)",
    parameters={"polynomial": "z**3 - 1", "relaxation": 1.0},
    begins="c",
    ends="converges",
)


def formula_of(
    name_or_text: str,
    parameters: Mapping[str, Value] | None = None,
    *,
    start: str = "",
) -> Formula:
    """Give a formula by its name, or read one that somebody typed.

    Parameters
    ----------
    name_or_text : ``"burning_ship"``, or ``"z**3 + c*z"``
    parameters : values of parameters: numbers, or texts such as ``"0.3 - 0.5*i"``
    start : z_0 in c and parameters; by default the formula's own, or its critical point

    Examples
    --------
    >>> formula_of("multibrot", {"power": 5}).degree
    5.0
    >>> formula_of("z**2 + c + k*z", {"k": "i/3"}).start
    '(-1/2)*k'
    >>> formula_of("mandelbort")
    Traceback (most recent call last):
    fraktal_kernel.errors.UnknownName: no formula named 'mandelbort'; did you mean 'mandelbrot'?
    """
    if not isinstance(name_or_text, str):
        raise InvalidInput(
            f"the formula is {name_or_text!r:.60}; expected a name or a text such as 'z**2 + c'."
        )
    if parameters is not None and not isinstance(parameters, Mapping):
        raise InvalidInput(
            f"parameters is {parameters!r:.60}; expected values by name, such as {{'power': 4}}."
        )
    text = name_or_text.strip()
    if is_name(text) and text not in ("z", "c"):
        formula = formulas[text]
        formula = formula.with_parameters(parameters) if parameters else formula
        return replace(formula, begins=start).checked() if start else formula
    formula = Formula(TYPED, text, text, parameters=dict(parameters or {}), begins=start)
    formula = replace(formula, ends=formula.usual_end)
    return formula.checked()
