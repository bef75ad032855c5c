"""Where one looks: the centre and the width of a view, as decimal strings of any length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation

from fraktal_kernel.errors import InvalidInput

MAX_DIGITS = 20_000
LARGEST = Decimal(1_000_000)
# Digits that a moved centre keeps beyond the width of the view: a ten-millionth of the picture.
_SPARE_DIGITS = 8
_EXACT = Context(prec=4 * MAX_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)
_SHORT = Context(prec=17, Emax=MAX_EMAX, Emin=MIN_EMIN)


def decimal_of(name: str, value: object) -> Decimal:
    """Read one finite decimal number of bounded length; ``name`` says in errors what it is."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidInput(
            f"{name} is {value!r:.60}; give a decimal number as text, such as '-0.75'."
        )
    # repr gives the shortest text that is the same float.
    text = repr(value) if isinstance(value, float) else value
    if isinstance(text, int):
        if text.bit_length() > 64:
            raise InvalidInput(f"{name} is a whole number of more than 64 bits; give it as text.")
        text = str(text)
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


@dataclass(frozen=True, slots=True)
class View:
    """A centre and a width in the complex plane.

    Parameters
    ----------
    re, im : centre, decimal numbers as text with as many digits as the depth needs
    width : width of the picture in the plane, above 0

    Examples
    --------
    >>> View("-0.75", "0", "3.5").zoomed(10)
    View(re='-0.75', im='0', width='0.35')
    """

    re: str
    im: str
    width: str

    def __post_init__(self) -> None:
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
        """Move by fractions of the width: ``dx`` to the right, ``dy`` upwards."""
        width = Decimal(self.width)
        return self._moved(width, (dx, dy), width)

    def _moved(self, unit: Decimal, by: tuple[float, float], width: Decimal) -> View:
        grain = Decimal((0, (1,), width.adjusted() - _SPARE_DIGITS))
        centre = []
        for name, fraction in zip(("re", "im"), by, strict=True):
            if not math.isfinite(fraction):
                raise InvalidInput(f"a move by {fraction!r} of the width; expected finite numbers.")
            step = _EXACT.multiply(unit, Decimal(fraction)).quantize(grain, context=_EXACT)
            centre.append(text_of(_EXACT.add(Decimal(getattr(self, name)), step)))
        return View(centre[0], centre[1], text_of(width))

    def resolvable(self, width_px: int) -> bool:
        """Say whether float64 still separates neighbouring pixels of a picture so wide."""
        width = float(self.width)
        furthest = max(abs(float(self.re)), abs(float(self.im))) + width / 2
        return width / max(width_px, 1) >= 2 * math.ulp(furthest)
