"""The method for deep views: small differences from one orbit in arbitrary precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any, Protocol

from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.basins import Basin, basin_of, has_basins
from fraktal_kernel.fractals.deep.approximation import FIELDS, INSIDE, Approximation, Pixels
from fraktal_kernel.fractals.deep.kinds import is_holomorphic, map_of
from fraktal_kernel.fractals.deep.narrow import lacking_bits
from fraktal_kernel.fractals.deep.stepwise import Stepwise
from fraktal_kernel.fractals.escape import shortcut_names
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.recipe import SHORTCUTS
from fraktal_kernel.fractals.nearby import Reference
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.progress import Cancelled, Progress, apart, part_of
from fraktal_kernel.fractals.reference.decimals import bits_for
from fraktal_kernel.fractals.reference.orbit import Orbit, begin_of
from fraktal_kernel.fractals.reference.recurrences import (
    ABS_IM,
    ABS_X,
    ABS_Y,
    SHARK,
    Number,
    recurrence_of,
)
from fraktal_kernel.fractals.reference.storage import kept_orbit

# How much of the whole the reference orbit is, to those who watch the progress.
_REFERENCE = 0.5
# With pixels below that power of two, the reference of a formula that folds an axis lies on it
# where it is nearer than so many of them: pixels are told apart to 2**-17 of one from there.
_FOLDED_BITS, _NEAR_PX = -900, 2**36
# A part that is smaller than this is not told well beside the other one.
_FAINT = Decimal("1e-270")
_ROUND = Context(prec=20, Emin=-(10**6), Emax=10**6)


class Prepared(Protocol):
    """A view with its reference: pixels may be filled, whole or through a window."""

    pixels: Pixels

    @property
    def method(self) -> str:
        """How it is computed, in words."""
        ...

    def fill(
        self, out: Mapping[str, NDArray[Any]], *, row: int = 0, crew: Crew | None = None
    ) -> int:
        """Fill rows of fields, and give the steps that they took."""
        ...


def in_segments(request: Request) -> bool:
    """Say whether whole segments of the orbit can be skipped: for most formulas and fields."""
    try:
        kind, _ = map_of(recurrence_of(request.formula))
    except InvalidInput:
        return False
    known = is_holomorphic(kind) and (request.julia is None or has_basins(request.formula))
    return set(request.fields) <= {*FIELDS, *(INSIDE if known else ())}


def refusal(request: Request) -> str | None:
    """Say why a request cannot be computed this way; None if it can."""
    formula = request.formula
    if not formula.polynomial:
        return f"{formula.called:.60} is no polynomial, which alone go deeper"
    if not refined(request):
        view = request.geometry.view
        for part in (on_axis(view.re, request.geometry), on_axis(view.im, request.geometry)):
            size = abs(_ROUND.create_decimal(part))
            if 0 < size < _FAINT:
                return (
                    f"its centre lies {size:.3g} beside an axis, which {formula.called:.60} folds: "
                    f"that is more than 2**36 pixels, but less than {_FAINT:.0e}"
                )
    if in_segments(request):
        return None
    lacking = [name for name in request.fields if name not in Stepwise.fields]
    if set(lacking) & set(INSIDE):
        named = " and ".join(lacking)
        return (
            f"cycles, for {named}, are found of powers of z plus c alone, and Julia sets of those"
        )
    if lacking:
        return f"{', '.join(lacking)} cannot be computed there"
    return None


class Perturbation:
    """Compute one orbit in arbitrary precision, and all pixels as differences from it."""

    device = "cpu"
    approximation = Approximation

    def __init__(self, request: Request) -> None:
        self.request = request
        names = shortcut_names(request.shortcuts)
        self.skip = sum(bit for name, bit in SHORTCUTS.items() if name in names)

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        prepared, reference = self.prepared(part_of(progress, 0.0, _REFERENCE), cancelled)
        crew = Crew(self.request.threads, part_of(progress, _REFERENCE, 1.0), cancelled)
        prepared.fill(out, crew=crew)
        return f"{prepared.method}; {reference}"

    def prepared(
        self,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> tuple[Prepared, str]:
        """Compute the reference and what follows from it alone; and say in words what it is."""
        reference = self.reference(progress, cancelled)
        return apart(lambda: self.beside(reference), cancelled), reference.words

    def reference(
        self,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
        *,
        spare_bits: int = 0,
    ) -> Reference:
        """Compute the orbit of the centre; with bits to spare it serves narrower views, too."""
        request = self.request
        formula, view, julia = request.formula, request.geometry.view, request.julia
        radius = radius_of(request.geometry)
        precise = bits_for(radius, request.max_iter) + spare_bits if spare_bits else None

        def orbit_of(re: Number, im: Number, bits: int | None, radius: str | None) -> Orbit:
            return kept_orbit(
                *(formula, re, im),
                bits=bits,
                max_iter=request.max_iter,
                escape_radius=formula.escape_radius,
                radius=radius,
                until_caught=True,
                julia=julia,
                progress=progress,
                cancelled=cancelled,
            )

        re, im = view.re, view.im
        if not refined(request):
            re, im = on_axis(re, request.geometry), on_axis(im, request.geometry)
        orbit = orbit_of(re, im, precise, radius)
        critical = None
        if julia is not None:
            recurrence, pixel_bits = recurrence_of(formula), request.geometry.pixel_parts[1]
            origin = begin_of(recurrence, julia, orbit.bits)
            at = complex(*map(float, origin)) if formula.drifts else complex(formula.centre)
            seed = complex(*map(float, julia))
            more = lacking_bits(formula, seed, at, orbit, pixel_bits)
            if more:
                orbit = orbit_of(re, im, orbit.bits + more, radius)
            # Points that come near the critical point go on beside its orbit.
            begin = begin_of(recurrence, julia, orbit.bits)
            critical = orbit_of(*begin, orbit.bits, None)
        return Reference(formula, julia, request.max_iter, re, im, radius, orbit, critical)

    def beside(self, reference: Reference) -> Prepared:
        """Prepare the view beside a reference, which may be that of a view near by."""
        request = self.request
        formula, geometry = request.formula, request.geometry
        size, exponent = geometry.pixel_parts
        pixels = Pixels(
            *(geometry.width, geometry.height, size, exponent, geometry.matrix),
            reference.apart(geometry),
        )
        orbit, limit = reference.orbit, request.max_iter
        if in_segments(request):
            whole = self.approximation(
                *(orbit, pixels, limit),
                formula=formula,
                critical=reference.critical,
                basin=self._basin(),
            )
            if whole.minibrot:
                whole.minibrot = replace(whole.minibrot, skip=self.skip)
            return whole
        re, im = reference.julia or (reference.re, reference.im)
        c = complex(float(re), float(im))
        return Stepwise(orbit, c, pixels, limit, formula=formula, critical=reference.critical)

    def _basin(self) -> Basin | None:
        """Say what is known of a Julia set's basin, where a field asks for it."""
        request = self.request
        if request.julia is None or not set(request.fields) & set(INSIDE):
            return None
        return basin_of(request.formula, complex(*map(float, request.julia)))


def refined(request: Request) -> bool:
    """Say whether float64 holds the orbit of any reference well enough: but for axes that fold.

    What folds an axis has to know how far each value lies from it. Where that is nothing beside
    the other part of the value, float64 cannot say it; of an orbit on the axis it says 0.
    """
    if request.geometry.pixel_parts[1] >= _FOLDED_BITS or request.formula.deep_folds is None:
        return True
    fold = recurrence_of(request.formula).fold
    return fold >= 0 and not fold & (ABS_X | ABS_Y | ABS_IM | SHARK)


def on_axis(coordinate: str, geometry: Geometry) -> str:
    """Give a coordinate of the reference for a view whose axis folds: 0 where it is near."""
    pixel = _ROUND.divide(Decimal(geometry.view.width), Decimal(geometry.width))
    near = _ROUND.multiply(pixel, Decimal(_NEAR_PX))
    return "0" if abs(_ROUND.create_decimal(coordinate)) < near else coordinate


def radius_of(geometry: Geometry) -> str:
    """Give half the diagonal of the window, as decimal text."""
    a, b, c, d = geometry.matrix
    across, down = geometry.width / 2, geometry.height / 2
    furthest = max(
        abs(complex(a * u + b * v, c * u + d * v)) for u in (across, -across) for v in (down,)
    )
    return str(_ROUND.multiply(Decimal(geometry.view.width), Decimal(furthest / geometry.width)))
