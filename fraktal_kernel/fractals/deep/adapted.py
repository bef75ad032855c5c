"""Tapes as compiled functions, on float64 and on numbers with exponents of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.scaled import larger, power, settled
from fraktal_kernel.fractals.deep.scaled import plus as matrix_plus
from fraktal_kernel.fractals.deep.scaled import times as matrix_times
from fraktal_kernel.fractals.formulas import emit
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.reference.extended import NONE, below, normal, plus, times


def adapted(tape: Tape, names: Sequence[str], parameters: Sequence[str]) -> Any:
    """Make a function of the named numbers and an array of parameters that runs a tape."""
    inputs = [
        f"p[{parameters.index(name)}]" if name in parameters else f"a{names.index(name)}"
        for name in tape.inputs
    ]
    given = ", ".join(f"a{k}" for k in range(len(names)))
    source = f"def run({given}, p):\n    return body({', '.join(inputs)})"
    namespace: dict[str, Any] = {"body": emit.scalar(tape)}
    exec(source, namespace)
    return njit(namespace["run"], error_model="numpy")


def adapted_far(
    tape: Tape, names: Sequence[str], parameters: Sequence[str], folds: bool | None = None
) -> Any:
    """Make the same for numbers with exponents: the function takes a tuple of pairs.

    With ``folds``, the results are derivatives, which it gives as matrices.
    """
    inputs = [
        f"*normal(p[{parameters.index(name)}], 0)"
        if name in parameters
        else f"a[{names.index(name)}][0], a[{names.index(name)}][1]"
        for name in tape.inputs
    ]
    lines, given = ["def run(a, p):"], []
    for k, text in enumerate(inputs):
        if text.startswith("*"):
            lines.append(f"    m{k}, e{k} = {text[1:]}")
            text = f"m{k}, e{k}"
        given.append(text)
    lines.append(f"    r = body({', '.join(given)})")
    many = 2 * len(tape.outputs)
    if folds is None:
        lines.append("    return r")
    else:
        places = [range(k, k + 8) for k in range(0, many, 8)]
        parts = [", ".join(f"r[{k}]" for k in place) for place in places]
        if not folds:
            places = [range(k, k + 4) for k in range(0, many, 4)]
            parts = ["r[{0}], r[{1}], -r[{2}], r[{3}], r[{2}], r[{3}], r[{0}], r[{1}]".format(*at)
                     for at in places]  # fmt: skip
        lines.append("    return (" + ", ".join(f"matrix({part})" for part in parts) + ",)")
    functions = {"plus": plus, "times": times, "diffabs": _diffabs, "constant": _constant}
    body = emit.extended(tape, tape.inputs, functions)
    namespace: dict[str, Any] = {"body": body, "normal": normal, "matrix": of_pairs}
    exec("\n".join(lines), namespace)
    return njit(namespace["run"], error_model="numpy")


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _constant(value: float) -> Any:
    return normal(value, 0)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _diffabs(x: float, ex: int, d: float, ed: int) -> Any:
    """Give ``|X + x| - |X|`` without cancellation."""
    if x < 0.0:
        x, d = -x, -d
    s, es = plus(x, ex, d, ed)
    if s >= 0.0:
        return d, ed
    s, es = plus(s, es, x, ex)
    return -s, es


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def of_pairs(a: float, ea: int, b: float, eb: int, c: float, ec: int, d: float, ed: int) -> Any:
    """Bring four numbers to one exponent."""
    e = max(max(ea, eb), max(ec, ed))
    if e == NONE:
        return 0.0, 0.0, 0.0, 0.0, NONE
    return settled(
        a * power(ea - e if a != 0.0 else 0),
        b * power(eb - e if b != 0.0 else 0),
        c * power(ec - e if c != 0.0 else 0),
        d * power(ed - e if d != 0.0 else 0),
        e,
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def added(a: Any, b: Any) -> Any:
    """Add two vectors of four with exponents."""
    return matrix_plus(a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2], b[3], b[4])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def multiplied(a: Any, b: Any) -> Any:
    """Multiply two matrices with exponents."""
    return matrix_times(a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2], b[3], b[4])


def linear_of(order: int) -> Any:
    """Make what applies the linear part of a segment to a state of so many parts."""

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def applied(g: Any, at: int, y0: float, y1: float, y2: float, y3: float, d0: float, d1: float,
                ) -> Any:  # fmt: skip
        """Give ``A y + B d`` for the segment in row ``at``."""
        if order == 2:
            return (
                g[at, 1] * y0 + g[at, 2] * y1 + (g[at, 5] * d0 + g[at, 6] * d1),
                g[at, 3] * y0 + g[at, 4] * y1 + (g[at, 7] * d0 + g[at, 8] * d1),
                0.0,
                0.0,
            )
        r0 = g[at, 1] * y0 + g[at, 2] * y1 + g[at, 3] * y2 + g[at, 4] * y3
        r1 = g[at, 5] * y0 + g[at, 6] * y1 + g[at, 7] * y2 + g[at, 8] * y3
        r2 = g[at, 9] * y0 + g[at, 10] * y1 + g[at, 11] * y2 + g[at, 12] * y3
        r3 = g[at, 13] * y0 + g[at, 14] * y1 + g[at, 15] * y2 + g[at, 16] * y3
        return (
            r0 + (g[at, 17] * d0 + g[at, 18] * d1),
            r1 + (g[at, 19] * d0 + g[at, 20] * d1),
            r2 + (g[at, 21] * d0 + g[at, 22] * d1),
            r3 + (g[at, 23] * d0 + g[at, 24] * d1),
        )

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def stretched(g: Any, at: int, s: Any, p: float) -> Any:
        """Give ``A s + p B`` for a derivative: the columns are those of `applied`."""
        a = applied(g, at, s[0], s[2], s[4], s[6], p, 0.0)
        b = applied(g, at, s[1], s[3], s[5], s[7], 0.0, p)
        return a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]

    return applied, stretched


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def origin_at(branch: Any, origins: Any, j: int) -> Any:
    """Give where the reference is counted from, and how the derivative there follows c."""
    k = branch[j]
    return origins[k, 0], origins[k, 1], origins[k, 2], origins[k, 3]


def turned_of(order: int, folds: bool) -> Any:
    """Make what carries the derivative of a state by the pixel through a step."""

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def turned(f: Any, s: Any, p: float) -> Any:
        """Carry the derivative by the pixel through a step."""
        if folds:
            a, b, c, d, e0, e1, e2, e3 = f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
        else:
            a, b, c, d, e0, e1, e2, e3 = f[0], -f[1], f[1], f[0], f[2], -f[3], f[3], f[2]
        z0, z1 = a * s[0] + b * s[2] + e0 * p, a * s[1] + b * s[3] + e1 * p
        z2, z3 = c * s[0] + d * s[2] + e2 * p, c * s[1] + d * s[3] + e3 * p
        if order == 4:
            if folds:
                a, b, c, d = f[8], f[9], f[10], f[11]
            else:
                a, b, c, d = f[4], -f[5], f[5], f[4]
            z0, z1 = z0 + a * s[4] + b * s[6], z1 + a * s[5] + b * s[7]
            z2, z3 = z2 + c * s[4] + d * s[6], z3 + c * s[5] + d * s[7]
        return z0, z1, z2, z3, s[0], s[1], s[2], s[3]

    return turned


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def same(a: Any, b: Any, bits: int) -> bool:
    """Say whether the first two of four numbers are the same, but for ``2**-bits`` of them."""
    x, y, _, _, e = added(a, (-b[0], -b[1], -b[2], -b[3], b[4]))
    if x == 0.0 and y == 0.0:
        return True
    return below(larger(x, y), e, larger(a[0], a[1]), a[4] - bits)  # type: ignore[no-any-return]
