"""The lattice of pixels on the plane: moves by whole pixels, and points that do not depend on them.

The size of a pixel is one decimal number. A view that moves by whole pixels keeps the points of
those that it still sees, to the last bit: a point of float64 is made from its place on the lattice
through the plane, and not from the centre of the view.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

from fraktal_kernel.fractals.geometry import inverse_of
from fraktal_kernel.fractals.view import MAX_DIGITS, View, text_of

# So many digits has the size of a pixel; float64 has no more.
_SIZE = Context(prec=17, Emin=MIN_EMIN, Emax=MAX_EMAX)
_EXACT = Context(prec=4 * MAX_DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX)
STRAIGHT = (1.0, 0.0, 0.0, 1.0)
# Of a pixel: moved by whole ones, a turned view is not off by more.
TOLERANCE = 1e-4
# Beyond, half of a pixel is no number of float64 any more.
_MOST = 2**50
# No picture has so many pixels a side.
_FAR = 1e9
# A snapped pixel has so many digits, so that moves add few to the centre.
_SNAPPED = Context(prec=6, Emin=MIN_EMIN, Emax=MAX_EMAX)
# Digits of a turned move below the size of a pixel.
_BELOW = 8


def pixel_of(view: View, width_px: int) -> Decimal:
    """Give the size of a pixel as the decimal number that moves and points are made of.

    Examples
    --------
    >>> pixel_of(View("0", "0", "3.2"), 800)
    Decimal('0.004')
    """
    return _SIZE.divide(Decimal(view.width), Decimal(width_px))


def shifted(view: View, columns: int, rows: int, width_px: int) -> View:
    """Move a view by whole pixels, to the right and downwards.

    Examples
    --------
    >>> shifted(View("0.1", "0", "3.2"), 100, -1, 800).re
    '0.5'
    """
    pixel = pixel_of(view, width_px)
    a, b, c, d = view.matrix
    grain = Decimal((0, (1,), pixel.adjusted() - _BELOW))
    parts = []
    for now, x, y in ((view.re, a, b), (view.im, c, d)):
        step = _EXACT.multiply(pixel, Decimal(x * columns - y * rows))
        if not view.straight:
            step = step.quantize(grain, context=_EXACT)
        parts.append(text_of(_EXACT.add(Decimal(now), step)))
    return replace(view, re=parts[0], im=parts[1])


def snapped(view: View, width_px: int) -> View:
    """Round the size of a pixel, and the centre to a millionth of one, so that both are short.

    Examples
    --------
    >>> snapped(View("0.123456789012", "0", "3.3333333"), 800).width
    '3.333336'
    """
    pixel = _SNAPPED.divide(Decimal(view.width), Decimal(width_px))
    grain = Decimal((0, (1,), pixel.adjusted() - 6))
    re, im = (text_of(Decimal(part).quantize(grain, context=_EXACT)) for part in (view.re, view.im))
    return replace(view, re=re, im=im, width=text_of(_EXACT.multiply(pixel, Decimal(width_px))))


def moved_by(view: View, before: View, width_px: int) -> tuple[int, int] | None:
    """Say by how many whole pixels a view has moved, to the right and downwards; or None.

    Nothing but the centre may differ.
    """
    if replace(view, re=before.re, im=before.im) != before:
        return None
    pixel = pixel_of(view, width_px)
    x, y = (
        float(_SIZE.divide(_EXACT.subtract(Decimal(now), Decimal(then)), pixel))
        for now, then in ((view.re, before.re), (view.im, before.im))
    )
    if max(abs(x), abs(y)) > _FAR:
        return None
    a, b, c, d = inverse_of(view.matrix)
    columns, up = a * x + b * y, c * x + d * y
    whole = round(columns), round(-up)
    near = 0.0 if view.straight else TOLERANCE
    if abs(columns - whole[0]) > near or abs(-up - whole[1]) > near:
        return None
    return whole


def placed(
    view: View, width_px: int, matrix: tuple[float, float, float, float] = STRAIGHT
) -> tuple[complex, tuple[float, float]]:
    """Give the lattice's point next to 0, and how many columns and rows the centre is from there.

    A pixel's point is the first, plus the size of a pixel times its place on the lattice: it is off
    by two roundings of float64 at most. A turned or stretched picture begins in its own centre.

    Examples
    --------
    >>> placed(View("0.1021", "-0.2", "3.2"), 800)
    ((-0.0019+0j), (26.0, -50.0))
    """
    own = complex(float(view.re), float(view.im)), (0.0, 0.0)
    if matrix != STRAIGHT:
        return own
    pixel = pixel_of(view, width_px)
    places, rest = [], []
    for part in (view.re, view.im):
        number = Decimal(part)
        place = _SIZE.divide(number, pixel).to_integral_value()
        if abs(place) > _MOST:
            return own  # deeper than float64 has points for
        places.append(float(place) + 0.0)
        rest.append(float(_EXACT.subtract(number, _EXACT.multiply(place, pixel))))
    return complex(*rest), (places[0], places[1])
