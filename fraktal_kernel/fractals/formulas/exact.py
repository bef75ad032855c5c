"""Formulas in arithmetic of any precision, for reference orbits: needs gmpy2."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from fraktal_kernel.fractals.formulas.formula import Formula
from fraktal_kernel.fractals.formulas.tape import Tape

Step = Callable[..., tuple[Any, Any]]

_FORMS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "neg": "-{}",
    "abs": "abs({})",
}


def exact_step(formula: Formula) -> Step:
    """Give one step as a function of gmpy2 numbers, z counted from ``formula.centre``.

    The result is called as ``step(zr, zi, cr, ci)``, with ``previousr, previousi`` behind where
    the formula reads the z before, and computes with the precision of gmpy2's context at the
    time of the call. Parameters and numbers of the formula are rounded to the precision of the
    context at the time of `exact_step`.

    Examples
    --------
    >>> import gmpy2
    >>> from fraktal_kernel.fractals.formulas import formula_of
    >>> with gmpy2.context(precision=200):
    ...     step = exact_step(formula_of("lambda"))
    ...     [str(x) for x in step(gmpy2.mpfr(0), gmpy2.mpfr(0), gmpy2.mpfr(4), gmpy2.mpfr(0))]
    ['0.5', '0.0']
    """
    return _function(formula.exact)


def exact_start(formula: Formula) -> Step:
    """Give z_0, counted from ``formula.centre``, as a function ``(cr, ci)`` of gmpy2 numbers."""
    return _function(formula.exact_begin)


def exact_slopes(formula: Formula) -> Callable[..., tuple[Any, ...]]:
    """Give the first and the second derivative of a step by z, z counted from 0, as `exact_step`.

    The result is called as ``slopes(zr, zi, cr, ci)``.
    """
    return _function(formula.exact_slopes)


def _function(tape: Tape) -> Step:
    """Define the function that a tape is: names of registers and of ours, no user's text."""
    import gmpy2

    # Where whole numbers meet in a division, Python's own would round them to float64.
    namespace: dict[str, Any] = {
        "square": gmpy2.square,
        "div": lambda a, b: gmpy2.mpfr(a) / b,
    }
    namespace |= {n: getattr(gmpy2, n) for n in ("sqrt", "exp", "log", "sin", "cos", "atan2")}

    def constant(register: int, value: Fraction) -> None:
        whole = value.denominator == 1 and abs(value) < 2**31
        mpq = gmpy2.mpq(value.numerator, value.denominator)
        namespace[f"r{register}"] = int(value) if whole else gmpy2.mpfr(mpq)

    arguments = ", ".join(f"r{k}" for k in range(len(tape.inputs)))
    lines = [f"def step({arguments}):"]
    first = len(tape.inputs)
    negated = {k: args[0] for k, (op, *args) in enumerate(tape.code, first) if op == "neg"}
    for k, (op, *args) in enumerate(tape.code, first):
        r = [f"r{a}" for a in args] if op != "const" else []
        if op == "const":
            constant(k, args[0])
            continue
        if op == "fma" and args[0] in negated:
            value = f"{r[2]} - {_product(negated[args[0]], args[1])}"
        elif op == "fma":
            value = f"{_product(args[0], args[1])} + {r[2]}"
        elif op == "mul":
            value = _product(*args)
        else:
            value = _FORMS.get(op, op + "(" + ", ".join(["{}"] * len(r)) + ")").format(*r)
        lines.append(f"    r{k} = {value}")
    lines.append("    return " + ", ".join(f"r{k}" for k in tape.outputs))
    exec(compile("\n".join(lines), "<exact step>", "exec"), namespace)
    made: Step = namespace["step"]
    return made


def _product(a: int, b: int) -> str:
    return f"square(r{a})" if a == b else f"r{a} * r{b}"
