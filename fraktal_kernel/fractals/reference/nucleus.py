"""Newton's method to a nucleus of known period, and the size and orientation of its atom.

Only zooming *to* a nucleus needs this; a picture is drawn from any reference.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped
from fraktal_kernel.fractals.reference.decimals import (
    bits_for,
    decimal_of,
    fixed,
    gmpy2,
    log2,
    ratio,
)
from fraktal_kernel.fractals.reference.orbit import Orbit, reference_orbit
from fraktal_kernel.fractals.reference.period import NONE, Frame, sizes, together
from fraktal_kernel.fractals.reference.recurrences import Number, Recurrence, recurrence_of

_MAX_STEPS = 64
# An atom in a view is about as small as its square, or somewhat smaller.
_ROOM_BITS = 256
_LOOK_UP_S = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """How large the copy of the whole set round a nucleus is, and how it lies.

    Parameters
    ----------
    size_log2 : binary logarithm of its size, 0 for the whole set itself
    angle : by how many radians it is turned; 0 where the formula is a fold
    matrix : 2x2 of determinant 1 or -1 that makes a circle of the whole set the ellipse it is here
    """

    size_log2: float
    angle: float
    matrix: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Nucleus:
    """A point that comes back to where it began.

    Parameters
    ----------
    re, im : decimal texts with all digits that its atom needs
    period : after how many steps
    atom : its size and orientation
    """

    re: str
    im: str
    period: int
    atom: Atom


def atom_of(formula: str | Formula | Recurrence, orbit: Orbit, *, power: int | None = None) -> Atom:
    """Estimate size and orientation of the atom from an orbit up to its period.

    Examples
    --------
    >>> from fraktal_kernel.fractals.reference.orbit import reference_orbit
    >>> orbit = reference_orbit("mandelbrot", "-1.7548776662466927", "0", radius="0.01")
    >>> round(2.0 ** atom_of("mandelbrot", orbit).size_log2, 4)
    0.019
    """
    recurrence = recurrence_of(formula, power)
    if not orbit.period or len(orbit) < orbit.period:
        raise InvalidInput("the orbit has no known period; find it with a radius of the view.")
    frame = Frame(recurrence, orbit.c, recurrence.start if recurrence.drifts else None)
    place = recurrence.tape.inputs.index("zr")
    frame.put(place, 1, 1.0)
    frame.put(place + 1, 2, 1.0)
    total, exponents = np.eye(2) * 0.5, np.where(np.eye(2) > 0, 1, NONE).astype(np.int64)
    flat = sizes(
        *(orbit.z, orbit.period, orbit.small_index, orbit.small_mantissa, orbit.small_exponent),
        *(frame.code, frame.places, frame.mantissas, frame.exponents, total, exponents),
        np.zeros(1, np.int64),
    )
    rows = slice(place, place + 2)
    spread, spread_log2 = together(frame.mantissas[rows, 1:], frame.exponents[rows, 1:])
    total, total_log2 = together(total, exponents)
    area, total_area = np.linalg.det(spread), np.linalg.det(total)
    if flat or area == 0 or total_area == 0:
        return Atom(0.0, 0.0, np.eye(2))
    degree = recurrence.power or 2
    growth = (math.log2(abs(area)) / 2 + spread_log2) * degree / (degree - 1)
    size = float(-growth - math.log2(abs(total_area)) / 2 - total_log2)
    if not recurrence.power:
        return Atom(size, 0.0, _unit(np.linalg.inv(total.T)))
    turned = np.angle(spread[0, 0] + 1j * spread[1, 0]) * degree / (degree - 1)
    angle = float(-turned - np.angle(total[0, 0] + 1j * total[1, 0]))
    angle = math.remainder(angle, 2 * math.pi)
    cosine, sine = math.cos(angle), math.sin(angle)
    return Atom(size, angle, np.array([[cosine, -sine], [sine, cosine]]))


def _unit(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Scale a matrix to the determinant 1 or -1."""
    unit: NDArray[np.float64] = matrix / math.sqrt(abs(np.linalg.det(matrix)))
    return unit


def nucleus(
    formula: str | Formula | Recurrence,
    re: Number,
    im: Number,
    period: int,
    *,
    radius: Number,
    power: int | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Nucleus:
    """Find the nucleus of a period near a point, to all the digits that its atom needs.

    Parameters
    ----------
    formula : it, its name or its text
    re, im : where to begin
    period : of the nucleus
    radius : within which it lies
    power : of multibrot
    progress : called with a fraction and a text
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Examples
    --------
    >>> nucleus("mandelbrot", "-1.75", "0", 3, radius="0.01").re[:20]
    '-1.75487766624669276'
    """
    if isinstance(period, bool) or not isinstance(period, int) or period < 1:
        raise InvalidInput(f"period is {period!r:.40}; expected a whole number above 0.")
    recurrence = recurrence_of(formula, power)
    if recurrence.begin is not None:
        raise InvalidInput(
            f"orbits of {recurrence.name} begin elsewhere for every c, where no nucleus is looked "
            "for; give the point itself."
        )
    start = -log2(radius)
    # The size of the atom says how many digits its centre needs; it is estimated on the way.
    bits = max(128, math.ceil(2 * start) + _ROOM_BITS, bits_for(radius, period))
    atom = Atom(0.0, 0.0, np.eye(2))
    for _ in range(4):
        place = _newton(recurrence, (re, im), period, bits, log2(radius), progress, cancelled)
        re, im = (decimal_of(part, bits) for part in place)
        orbit = reference_orbit(
            *(recurrence, re, im),
            bits=bits,
            max_iter=period,
            escape_radius=1e6,
            cancelled=cancelled,
        )
        if len(orbit) < period:
            break
        ended = Orbit(
            *(orbit.formula, orbit.c, orbit.bits, orbit.z, orbit.small_index),
            *(orbit.small_mantissa, orbit.small_exponent, "period", period),
            *(orbit.escape_radius, orbit.start, orbit.state),
        )
        atom = atom_of(recurrence, ended)
        enough = math.ceil(64 - atom.size_log2)
        if bits >= enough:
            return Nucleus(re, im, period, atom)
        bits = enough + 64
    raise InvalidInput(
        f"no nucleus of period {period} was found near the given point; check the period, or "
        "begin nearer."
    )


def _newton(
    recurrence: Recurrence,
    c: tuple[Number, Number],
    period: int,
    bits: int,
    radius_log2: float,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> tuple[int, int]:
    """Run Newton's method until the steps are below ``2**-bits``; returns c times 2**bits."""
    g = gmpy2()
    re, im = (g.mpz(fixed(part, bits)) for part in c)
    correct = max(32.0, -radius_log2)
    for step in range(_MAX_STEPS):
        # Precision follows the digits that are right; a step doubles them.
        precision = min(bits, int(2 * correct) + 64)
        with g.context(g.get_context(), precision=precision + 32) as context:
            context.emin, context.emax = g.get_emin_min(), g.get_emax_max()
            point = g.div_2exp(g.mpfr(re), bits), g.div_2exp(g.mpfr(im), bits)
            # The move has as many digits as are new, and so has the derivative.
            fine = max(64, precision - int(correct)) + 64
            steps = (
                _along(recurrence, point, period, fine)
                if recurrence.power
                else _along_tape(recurrence, point, period)
            )
            moves = _solved(*_watched(steps, period, step, progress, cancelled))
            if moves is None or not all(map(g.is_finite, moves)):
                break
            re -= g.mpz(g.rint(g.mul_2exp(moves[0], bits)))
            im -= g.mpz(g.rint(g.mul_2exp(moves[1], bits)))
            size = max(abs(moves[0]), abs(moves[1]))
            moved = float(g.log2(size)) if size else float(-2 * bits)
        if not moved < radius_log2 + 8:
            break
        # What is left is the square of the step, measured by the neighbourhood.
        if precision >= bits and 2 * moved - radius_log2 + 8 <= -bits:
            return int(re), int(im)
        correct = max(correct, -moved)
    raise InvalidInput(
        f"Newton's method found no nucleus of period {period} near the given point; check the "
        "period, or begin nearer."
    )


def _watched(
    steps: Iterator[Any],
    period: int,
    step: int,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> Any:
    """Run through the steps, looking up every few milliseconds; returns the last one."""
    value, looked = None, time.perf_counter()
    for count, value in enumerate(steps):  # noqa: B007
        now = time.perf_counter()
        if now - looked > _LOOK_UP_S:
            looked = now
            if cancelled is not None and cancelled():
                raise Stopped("the computation was cancelled before the nucleus was found.")
            if progress is not None:
                progress(count / period, f"Newton step {step + 1}: {count:,} of {period:,}")
    return value


def _along(recurrence: Recurrence, c: tuple[Any, Any], period: int, fine: int) -> Iterator[Any]:
    """Give ``z**d + c`` and its derivative by c, as the columns of a matrix, step by step.

    The derivative has ``fine`` bits.
    """
    g = gmpy2()
    point, power = g.mpc(*c), recurrence.power
    rough = g.context(g.get_context(), precision=fine)
    z, d, one = g.mpc(0), g.mpc(0), g.mpc(1)
    for _ in range(period):
        lower = z if power == 2 else z ** (power - 1)
        short = rough.plus(lower)
        d = rough.add(rough.mul(power, rough.mul(short, d)), one)
        z = (g.square(z) if power == 2 else lower * z) + point
        yield (z.real, z.imag), (d.real, d.imag), (-d.imag, d.real)


def _along_tape(recurrence: Recurrence, c: tuple[Any, Any], period: int) -> Iterator[Any]:
    """Give the values of any tape and its derivatives by the two parts of c, step by step."""
    g = gmpy2()
    tape = recurrence.tape
    zero, one = g.mpfr(0), g.mpfr(1)
    known = {"cr": (c[0], one, zero), "ci": (c[1], zero, one)}
    z = [(_number(part), zero, zero) for part in recurrence.start]
    if recurrence.drifts:  # it is counted from where it begins
        known |= zip(("origin()r", "origin()i"), z, strict=True)
        z = [(zero, zero, zero)] * 2
    before = [(zero, zero, zero)] * 2
    for _ in range(period):
        known.update(zip(("zr", "zi", "previousr", "previousi"), (*z, *before), strict=True))
        registers = [known[name] for name in tape.inputs]
        for op, *args in tape.code:
            registers.append(_dual(op, args, registers))
        before, z = z, [registers[k] for k in tape.outputs]
        (x, xa, xb), (y, ya, yb) = z
        yield (x, y), (xa, ya), (xb, yb)


def _number(value: Number) -> Any:
    above, below = ratio(value)
    return gmpy2().mpfr(gmpy2().mpq(above, below))


def _dual(op: str, args: list[Any], registers: list[Any]) -> Any:
    """Run one instruction on a value and two derivatives."""
    if op == "const":
        value = _number(args[0])
        return value, value * 0, value * 0
    a = registers[args[0]]
    b = registers[args[1]] if len(args) > 1 else a
    if op in ("mul", "fma"):
        product = tuple(a[0] * b[0] if k == 0 else a[0] * b[k] + a[k] * b[0] for k in range(3))
        if op == "mul":
            return product
        return tuple(u + v for u, v in zip(product, registers[args[2]], strict=True))
    if op in ("add", "sub"):
        return tuple(u + v if op == "add" else u - v for u, v in zip(a, b, strict=True))
    if op in ("max", "min"):
        return a if (a[0] >= b[0]) == (op == "max") else b
    turn = op == "neg" or (op == "abs" and a[0] < 0)
    turn = turn or (op == "copysign" and (a[0] < 0) != (b[0] < 0))
    return tuple(-u for u in a) if turn else a


def _solved(z: Any, by_re: Any, by_im: Any) -> tuple[Any, Any] | None:
    """Solve for the step that brings z to 0; None where the derivative is singular."""
    (x, y), (a, c), (b, d) = z, by_re, by_im
    area = a * d - b * c
    if area == 0:
        return None
    return (d * x - b * y) / area, (a * y - c * x) / area
