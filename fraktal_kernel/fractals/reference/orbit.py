"""The reference orbit of a deep zoom: one point in arbitrary precision, rounded as it goes.

>>> orbit = reference_orbit("mandelbrot", "-1.7548776662466927", "0", radius="0.01")
>>> orbit.period, orbit.ended, len(orbit)
(3, 'period', 3)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped, apart
from fraktal_kernel.fractals.reference.caught import FIRST_LOOK, caught
from fraktal_kernel.fractals.reference.decimals import bits_for, fixed, gmpy2, ratio
from fraktal_kernel.fractals.reference.engines import Engine, engine_for
from fraktal_kernel.fractals.reference.period import PeriodFinder
from fraktal_kernel.fractals.reference.recurrences import Number, Recurrence, recurrence_of

MAX_BITS = 700_000
# One slice of work: a cancel is noticed after that long.
_SLICE_S = 0.01
_FIRST_SLICE = 16
# A step of an orbit with its part of all tables; an orbit is lengthened to twice what it is.
_STEP_BYTES = 400

Ended = Literal["escaped", "period", "caught", "limit"]


@dataclass(frozen=True, slots=True, eq=False)
class Orbit:
    """An orbit ``z[0] .. z[n]`` rounded to float64, and what it takes to go on.

    Parameters
    ----------
    formula : the name of what was iterated
    c : the two parts of c, exact texts or numbers
    bits : behind the point
    z : complex128 [n + 1]; what is too small for float64 is 0 or inexact here
    small_index, small_mantissa, small_exponent : the places where ``|z| < 1e-300``, in order; the
        value is ``small_mantissa * 2**small_exponent``
    ended : why it is no longer: it left the escape radius, came to the period, was caught by a
        cycle that attracts it, or came to the limit
    period : of the nucleus in view, or 0
    escape_radius : beyond which it counts as escaped
    start : z[0], exact
    state : the exact last value (and the one before where the formula needs it) times 2**bits
    """

    formula: str
    c: tuple[Number, Number]
    bits: int
    z: NDArray[np.complex128]
    small_index: NDArray[np.int64]
    small_mantissa: NDArray[np.complex128]
    small_exponent: NDArray[np.int64]
    ended: Ended
    period: int
    escape_radius: float
    start: tuple[Number, Number]
    state: tuple[int, ...] = field(repr=False)

    def __len__(self) -> int:
        """Count the steps."""
        return len(self.z) - 1

    def upto(self, last: int) -> Orbit:
        """Give the orbit up to ``z[last]``; a part of it cannot go on."""
        if last >= len(self):
            return self
        kept = int(np.searchsorted(self.small_index, last, side="right"))
        return replace(
            self,
            z=self.z[: last + 1],
            small_index=self.small_index[:kept],
            small_mantissa=self.small_mantissa[:kept],
            small_exponent=self.small_exponent[:kept],
            ended="period" if last == self.period else "limit",
            state=(),
        )


def reference_orbit(
    formula: str | Formula | Recurrence,
    re: Number,
    im: Number,
    *,
    bits: int | None = None,
    max_iter: int = 1_000_000,
    power: int | None = None,
    escape_radius: float = 1e3,
    radius: Number | None = None,
    until_period: bool = True,
    until_caught: bool = False,
    julia: tuple[Number, Number] | None = None,
    going_on: Orbit | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Orbit:
    """Compute the orbit of one point in arbitrary precision.

    Parameters
    ----------
    formula : it, its name or its text
    re, im : the point, as decimal texts of any length or numbers
    bits : behind the point; by default what ``radius`` needs
    max_iter : at most so many steps
    power : of multibrot
    escape_radius : the orbit ends with the first value beyond it
    radius : of the view: half its diagonal. With it, the period of the nucleus in view is found,
    until_period : and the orbit ends there.
    until_caught : the orbit ends where a cycle that attracts it has caught it (see `caught`)
    julia : the c of a Julia set; the point is then z_0
    going_on : an orbit of the same point that is not long enough, and is continued
    progress : called with a fraction and a text
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True
    """
    recurrence = recurrence_of(formula, power)
    _check(max_iter, escape_radius, bits, radius)
    if bits is None:
        assert radius is not None
        bits = bits_for(radius, max_iter)
    bits = whole_limbs(bits)
    c, start = points(recurrence, re, im, julia, bits)
    if going_on is not None and not (going_on.bits >= bits and going_on.state):
        going_on = None
    if going_on is not None:
        bits, state = going_on.bits, going_on.state
    else:
        state = (fixed(start[0], bits), fixed(start[1], bits))
    origin = origin_of(recurrence, c, bits) if recurrence.drifts else None
    engine = engine_for(recurrence, c, state, bits, escape_radius, origin)
    finder = None
    returns = recurrence.begin is None and "previousr" not in recurrence.tape.inputs
    at_start = julia is None and not any(ratio(part)[0] for part in start)
    if radius is not None and returns and at_start:
        finder = PeriodFinder(recurrence, c, radius, origin)
    begin = complex(float_of(start[0]), float_of(start[1]))
    held = partial(caught, recurrence, c) if until_caught else None
    z, ended, period, last = _walk(
        engine, going_on, begin, max_iter, finder, until_period, held, progress, cancelled
    )
    index, mantissa, exponent = engine.small.arrays()
    done = Orbit(
        *(recurrence.name, c, bits, z, index, mantissa, exponent),
        *(ended, period, escape_radius, start, engine.state()),
    )
    if ended == "caught":
        return replace(done.upto(last), ended=ended)
    return done.upto(period if period and until_period else max_iter)


def whole_limbs(bits: int) -> int:
    """Round a precision up to one that orbits are computed with."""
    return max(64, -(-bits // 64) * 64)


def points(
    recurrence: Recurrence,
    re: Number,
    im: Number,
    julia: tuple[Number, Number] | None,
    bits: int,
) -> tuple[tuple[Number, Number], tuple[Number, Number]]:
    """Give c and z_0, this counted from the centre of the formula, or from its own z_0."""
    c = (re, im) if julia is None else julia
    if julia is None and not recurrence.drifts:
        return c, recurrence.start if recurrence.begin is None else origin_of(recurrence, c, bits)
    if julia is None:
        return c, (0.0, 0.0)
    origin = origin_of(recurrence, c, bits) if recurrence.drifts else recurrence.centre
    x, y = (Fraction(*map(int, ratio(part))) for part in (re, im))
    return c, (x - origin[0], y - origin[1])


def begin_of(recurrence: Recurrence, c: tuple[Number, Number], bits: int) -> tuple[Number, Number]:
    """Give the z_0 of a c, not counted from anywhere but 0."""
    if recurrence.begin is not None:
        return origin_of(recurrence, c, bits)
    x, y = (Fraction(*map(int, ratio(part))) for part in recurrence.start)
    return x + recurrence.centre[0], y + recurrence.centre[1]


def origin_of(
    recurrence: Recurrence, c: tuple[Number, Number], bits: int
) -> tuple[Fraction, Fraction]:
    """Give the z_0 of a c with all digits."""
    if recurrence.begin is None:
        x, y = (Fraction(*map(int, ratio(part))) for part in recurrence.start)
        return x, y
    g = gmpy2()
    with g.context(g.get_context(), precision=bits + 64):
        at = [g.mpfr(g.mpq(*ratio(part))) for part in c]
        re, im = (
            Fraction(*map(int, g.mpfr(part).as_integer_ratio())) for part in recurrence.begin(*at)
        )
    return re, im


def _walk(
    engine: Engine,
    going_on: Orbit | None,
    start: complex,
    max_iter: int,
    finder: PeriodFinder | None,
    until_period: bool,
    held: Callable[..., int] | None,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> tuple[NDArray[np.complex128], Ended, int, int]:
    """Advance in slices until something ends the orbit."""
    known = going_on.z if going_on is not None else np.array([start])
    at, period = len(known), 0
    z = np.zeros(max(at, min(max_iter + 1, max(2 * at, 4096))), np.complex128)
    z[:at] = known
    ended: Ended = "limit"
    if going_on is not None:
        engine.small.known(going_on.small_index, going_on.small_mantissa, going_on.small_exponent)
        if finder is not None:
            period = finder.look(z, at, engine.small)
    last, due = 0, FIRST_LOOK
    slice_, escaped = _FIRST_SLICE, going_on is not None and going_on.ended == "escaped"

    def advanced(since: int, until: int, period: int) -> tuple[int, bool, int]:
        reached, escaped = engine.advance(z, since, until)
        if finder is not None and not period:
            period = finder.look(z, reached, engine.small)
        return reached, escaped, period

    while at <= max_iter and not escaped and not (period and until_period):
        if held is not None and at >= due:
            due = 2 * at
            last = held(z[:at], engine.small.arrays())
            if last:
                break
        if cancelled is not None and cancelled():
            raise Stopped("the computation was cancelled before the orbit was complete.")
        if at >= len(z):
            _check_room(at)
            z = np.concatenate((z, np.zeros(min(len(z), max_iter + 1 - len(z)), np.complex128)))
        engine.mark()
        began = time.perf_counter()
        span = at, min(at + slice_, len(z), max_iter + 1), period
        # The first slice may have to compile, which takes longer than a cancel may.
        if slice_ == _FIRST_SLICE:
            reached, escaped, period = apart(partial(advanced, *span), cancelled)
        else:
            reached, escaped, period = advanced(*span)
        if period and until_period and reached > period + 1:
            engine.back()
            reached, escaped = engine.advance(z, at, period + 1)
        took = max(time.perf_counter() - began, 1e-6)
        slice_ = max(1, int(min(2 * slice_, (reached - at) * _SLICE_S / took + 1)))
        at = reached
        if progress is not None:
            progress(min(1.0, at / max_iter), f"reference orbit {at:,} of {max_iter:,}")
    if escaped:
        ended = "escaped"
    if period and until_period:
        ended = "period"
    if last:
        ended = "caught"
    return z[:at].copy() if len(z) > at else z, ended, period, last


def _check_room(steps: int) -> None:
    """Refuse an orbit that memory cannot hold, with all that is made from it."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system says
        return
    if 2 * steps * _STEP_BYTES > memory:
        raise InvalidInput(
            f"the reference orbit has {steps:,} steps and more, which with its tables do not fit "
            f"into {memory / 2**30:.0f} GiB of memory; choose a lower max_iter, or a centre whose "
            "orbit comes back or leaves."
        )


def float_of(number: Number) -> float:
    """Round a number to float64."""
    above, below = ratio(number)
    return int(above) / int(below)


def _check(max_iter: int, escape_radius: float, bits: int | None, radius: Number | None) -> None:
    if isinstance(max_iter, bool) or not isinstance(max_iter, int) or max_iter < 1:
        raise InvalidInput(f"max_iter is {max_iter!r:.40}; expected a whole number above 0.")
    if not 2.0 <= escape_radius <= 1e100:
        raise InvalidInput(f"escape_radius is {escape_radius!r:.40}; expected 2 to 1e100.")
    if bits is None and radius is None:
        raise InvalidInput("neither bits nor radius is given; one says how precise to compute.")
    if bits is not None and not (
        isinstance(bits, int) and not isinstance(bits, bool) and 1 <= bits <= MAX_BITS
    ):
        raise InvalidInput(f"bits is {bits!r:.40}; expected a whole number from 1 to {MAX_BITS}.")
