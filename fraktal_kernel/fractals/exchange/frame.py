"""Frames of other programs: heights instead of widths, angles and amounts of stretch.

Other programs give the height of a picture, a `View` has its width: where a file names no size of
a picture, both are joined by the shape of most screens of their time, 4:3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.scene import MAX_ITER, Scene
from fraktal_kernel.fractals.view import View, decimal_of, text_of

ASPECT = Decimal(4) / Decimal(3)
MIRRORED = "here the imaginary axis points up: the picture is mirrored top to bottom"
# A zoom is written with more digits than widths are read with, so that widths come back as they
# were.
_WRITTEN = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN)
_READ = Context(prec=30, Emax=MAX_EMAX, Emin=MIN_EMIN)
_MOST_STRETCH = 9.0  # doublings; a picture stretched further is a line


@dataclass(frozen=True, slots=True)
class Frame:
    """How a window lies in the plane: turned counter-clockwise after it was stretched.

    Parameters
    ----------
    turn_deg : angle of the whole
    stretch_deg : direction of the stretch
    doublings : how far it is stretched there, and pressed across, in powers of two
    """

    turn_deg: float = 0.0
    stretch_deg: float = 0.0
    doublings: float = 0.0

    def mirrored(self) -> Frame:
        """Give the frame that shows the conjugate points."""
        return Frame(-self.turn_deg, -self.stretch_deg, self.doublings)


def real(name: str, value: object, low: float = -1e9, high: float = 1e9) -> float:
    """Read a number of ordinary size."""
    number = decimal_of(name, value)
    if not low <= number <= high:
        raise InvalidInput(
            f"{name} is {text_of(number)[:60]}; expected it from {low:g} to {high:g}."
        )
    return float(number)


def view_of(
    re: object, im: object, zoom: object, frame: Frame, *, conjugate: bool = False, aspect: Decimal
) -> View:
    """Make the view of a centre, of the zoom whose 1 is a height of 4, and of a frame."""
    factor = decimal_of("the zoom", zoom)
    if factor <= 0:
        raise InvalidInput(f"the zoom is {text_of(factor)[:60]}; expected it above 0.")
    width = _READ.divide(_WRITTEN.multiply(aspect, Decimal(4)), factor)
    imaginary = decimal_of("the imaginary part", im)
    if conjugate:
        imaginary, frame = imaginary.copy_negate(), frame.mirrored()
    skew = None
    if frame.doublings:
        if not abs(frame.doublings) <= _MOST_STRETCH:
            raise InvalidInput(
                f"the stretch is {frame.doublings:.6g} doublings; expected {_MOST_STRETCH:g} at "
                "most."
            )
        cos, sin = (f(math.radians(frame.stretch_deg)) for f in (math.cos, math.sin))
        long, short = 2.0**frame.doublings, 2.0**-frame.doublings
        across = cos * sin * (long - short)
        skew = (
            (cos * cos * long + sin * sin * short, across),
            (across, sin * sin * long + cos * cos * short),
        )
    real_part = text_of(decimal_of("the real part", re))
    return View(real_part, text_of(imaginary), text_of(width), frame.turn_deg, skew)


def frame_of(view: View) -> Frame:
    """Take the matrix of a view apart: a turn after a stretch. Mirrored pictures look upright."""
    if view.skew is None:
        return Frame(view.rotation_deg)
    a, b, c, d = view.matrix
    if a * d < b * c:  # a window and its mirror image cover the same points
        b, d = -b, -d
    turn = math.atan2(c - b, a + d)
    cos, sin = math.cos(turn), math.sin(turn)
    # What is left is symmetric, and of determinant 1.
    p, q, s = cos * a + sin * c, cos * b + sin * d, cos * d - sin * b
    # Half of long - short: what differs from a circle, exact also where that is little.
    doublings = math.asinh(math.hypot((p - s) / 2, q)) / math.log(2)
    angle = math.degrees(math.atan2(2 * q, p - s) / 2)
    if doublings < 1e-12:
        angle = doublings = 0.0
    return Frame(math.degrees(turn), angle, doublings)


def zoom_of(view: View) -> str:
    """Give the zoom whose 1 is a height of 4, for a picture of 4:3."""
    return text_of(_WRITTEN.divide(_WRITTEN.multiply(ASPECT, Decimal(4)), Decimal(view.width)))


def steps_of(value: object, notes: list[str]) -> int:
    """Read a limit of iterations, and lower it to ours where it is beyond."""
    number = decimal_of("the number of iterations", value)
    if number != number.to_integral_value() or number < 1:
        raise InvalidInput(
            f"the number of iterations is {text_of(number)[:60]}; expected a whole number above 0."
        )
    if number > MAX_ITER:
        notes.append(f"the iterations are limited to {MAX_ITER}")
        return MAX_ITER
    return int(number)


def left_out(names: list[str], notes: list[str]) -> None:
    """Note what stood in a file and is not taken over."""
    if names:
        shown = ", ".join(repr(name)[1:-1][:40] for name in names[:40])
        more = f" and {len(names) - 40} more" if len(names) > 40 else ""
        notes.append(f"not taken over: {shown}{more}")


def check_plane(scene: Scene, program: str) -> None:
    """Refuse to write Julia sets for programs that have none."""
    if scene.seed is not None:
        raise InvalidInput(
            f"the scene is a Julia set, which {program} cannot show; write one without a seed."
        )
