"""Where one looks: centre and width as decimal strings of any length, and how it is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from numbers import Integral, Real

from fraktal_kernel.errors import InvalidInput

Skew = tuple[tuple[float, float], tuple[float, float]]

MAX_DIGITS = 50_000
LARGEST = Decimal(1_000_000)
# Digits that a moved centre keeps beyond the width of the view: a ten-millionth of the picture.
_SPARE_DIGITS = 8
_EXACT = Context(prec=4 * MAX_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)
_STRAIGHT = (1.0, 0.0, 0.0, 1.0)
_SHORT = Context(prec=17, Emax=MAX_EMAX, Emin=MIN_EMIN)


def decimal_of(name: str, value: object) -> Decimal:
    """Read one finite decimal number of bounded length; ``name`` says in errors what it is."""
    if isinstance(value, bool) or not isinstance(value, (str, Real, Decimal)):
        raise InvalidInput(
            f"{name} is {value!r:.60}; give a decimal number as text, such as '-0.75'."
        )
    if isinstance(value, Integral) and int(value).bit_length() > 64:
        raise InvalidInput(f"{name} is a whole number of more than 64 bits; give it as text.")
    # Of a float of any size this is the shortest text that is the same; on web pages and in
    # papers a minus is a sign of its own.
    text = str(value).replace("\N{MINUS SIGN}", "-")
    if len(text) > MAX_DIGITS:
        raise InvalidInput(f"{name} has {len(text)} characters; at most {MAX_DIGITS} are read.")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(
            f"{name} is {text!r:.60}; expected a decimal number, such as '-0.75'."
        ) from None
    if not number.is_finite():
        raise InvalidInput(f"{name} is {text!r:.60}; expected a finite number.")
    if number and abs(number.adjusted()) > MAX_DIGITS:
        raise InvalidInput(f"{name} has an exponent beyond {MAX_DIGITS}; expected a nearer one.")
    return number


def text_of(number: Decimal) -> str:
    """Write a number the one way we write it, so that equal numbers are equal texts."""
    if not number:
        return "0"
    number = number.normalize(_EXACT)
    if -7 <= number.adjusted() < 21:
        return format(number, "f")
    return str(number).lower().replace("e+", "e")


def _skew_of(rows: object) -> Skew | None:
    """Take the rows of a matrix as plain floats; what changes nothing is None."""
    if rows is None:
        return None
    try:
        numbers = [number for row in rows for number in row]  # type: ignore[attr-defined]
        shape = [len(row) for row in rows]  # type: ignore[attr-defined]
        odd = any(isinstance(n, bool) or not isinstance(n, Real) for n in numbers)
        if shape != [2, 2] or odd:
            raise TypeError
        a, b, c, d = (float(n) + 0.0 for n in numbers)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(
            f"skew is {rows!r:.60}; expected the rows of a 2 x 2 matrix, such as "
            "((1, 0.5), (0, 1))."
        ) from None
    return None if (a, b, c, d) == _STRAIGHT else ((a, b), (c, d))


def _degrees_of(turn: object) -> float:
    """Take an angle as the same angle from -180 to 180."""
    number = isinstance(turn, Real) and not isinstance(turn, bool)
    if not number or not -1e9 <= turn <= 1e9:  # type: ignore[operator]
        raise InvalidInput(
            f"rotation_deg is {turn!r:.60}; expected a number of degrees, such as 30."
        )
    # Adding 0.0 makes -0.0 and 0.0 one value.
    degrees = math.remainder(turn, 360) + 0.0  # type: ignore[arg-type]
    return 180.0 if degrees == -180 else degrees


@dataclass(frozen=True, slots=True)
class View:
    """A centre and a width in the complex plane.

    Parameters
    ----------
    re, im : centre, decimal numbers as text with as many digits as the depth needs
    width : width of the picture in the plane, above 0
    rotation_deg : turns the window on the plane counter-clockwise; kept from -180 to 180
    skew : rows of a 2 x 2 matrix that stretches the plane before, or None

    Examples
    --------
    >>> View("-0.75", "0", "3.5").zoomed(10).width
    '0.35'
    >>> View("0", "0", "1", rotation_deg=90).panned(0.5, 0).im
    '0.5'
    """

    re: str
    im: str
    width: str
    rotation_deg: float = 0.0
    skew: Skew | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotation_deg", _degrees_of(self.rotation_deg))
        object.__setattr__(self, "skew", _skew_of(self.skew))
        _ = self.matrix  # refuses what flattens the plane
        for name, title in (("re", "re"), ("im", "im"), ("width", "width")):
            number = decimal_of(f"{title} of the view", getattr(self, name))
            if abs(number) > LARGEST:
                raise InvalidInput(
                    f"{title} of the view is {number:.6g}; expected at most {LARGEST}, "
                    "because there is nothing to see further out."
                )
            if name == "width" and number <= 0:
                raise InvalidInput(
                    f"width of the view is {text_of(number)[:60]}; expected it above 0."
                )
            object.__setattr__(self, name, text_of(number))

    @property
    def matrix(self) -> tuple[float, float, float, float]:
        """Rotation and skew as rows of one matrix, as `Geometry` takes it."""
        from fraktal_kernel.fractals.geometry import matrix_of

        return matrix_of(self.rotation_deg, self.skew)

    @property
    def straight(self) -> bool:
        """Whether the view is neither turned nor stretched."""
        return self.rotation_deg == 0 and self.skew is None

    def zoomed(self, factor: float, at: tuple[float, float] = (0.0, 0.0)) -> View:
        """Come nearer by ``factor`` while one point of the picture stays where it is.

        Parameters
        ----------
        factor : above 1 comes nearer, below 1 goes away
        at : the point that stays, from the centre, in fractions of the width; x right, y up
        """
        if isinstance(factor, bool) or not math.isfinite(factor) or factor <= 0:
            raise InvalidInput(f"zoom factor is {factor!r}; expected a number above 0.")
        old = Decimal(self.width)
        new = _SHORT.divide(old, Decimal(factor))
        shift = _EXACT.subtract(old, new)
        return self._moved(shift, at, new)

    def panned(self, dx: float, dy: float) -> View:
        """Move by fractions of the width as one sees it: ``dx`` to the right, ``dy`` upwards."""
        width = Decimal(self.width)
        return self._moved(width, (dx, dy), width)

    def _moved(self, unit: Decimal, by: tuple[float, float], width: Decimal) -> View:
        grain = Decimal((0, (1,), width.adjusted() - _SPARE_DIGITS))
        if not self.straight:
            a, b, c, d = self.matrix
            by = a * by[0] + b * by[1], c * by[0] + d * by[1]
        centre = []
        for name, fraction in zip(("re", "im"), by, strict=True):
            if not math.isfinite(fraction):
                raise InvalidInput(f"a move by {fraction!r} of the width; expected finite numbers.")
            step = _EXACT.multiply(unit, Decimal(fraction)).quantize(grain, context=_EXACT)
            centre.append(text_of(_EXACT.add(Decimal(getattr(self, name)), step)))
        return replace(self, re=centre[0], im=centre[1], width=text_of(width))

    def resolvable(self, width_px: int) -> bool:
        """Say whether float64 still separates neighbouring pixels of a picture so wide."""
        width = float(self.width)
        furthest = max(abs(float(self.re)), abs(float(self.im))) + width / 2
        return width / max(width_px, 1) >= 2 * math.ulp(furthest)
