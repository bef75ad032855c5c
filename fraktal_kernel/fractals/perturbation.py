"""The method for deep views: small differences from one orbit in arbitrary precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any

from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.deep.approximation import FIELDS, Approximation, Pixels
from fraktal_kernel.fractals.deep.kinds import map_of
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.planner import Progress, Request
from fraktal_kernel.fractals.reference.recurrences import recurrence_of
from fraktal_kernel.fractals.reference.storage import kept_orbit

# How much of the whole the reference orbit is, to those who watch the progress.
_REFERENCE = 0.5
_ROUND = Context(prec=20, Emin=-(10**6), Emax=10**6)


def refusal(request: Request) -> str | None:
    """Say why a request cannot be computed this way; None if it can."""
    lacking = [name for name in request.fields if name not in FIELDS]
    if lacking:
        return f"{', '.join(lacking)} cannot be computed there, only {', '.join(FIELDS)} can"
    if request.julia is not None:
        return "Julia sets do not go deeper"
    if not request.formula.polynomial:
        return f"{request.formula.name} is no polynomial, which alone go deeper"
    try:
        map_of(recurrence_of(request.formula))
    except InvalidInput:
        return f"{request.formula.name} is no power of z plus c and no fold of z*z plus c"
    return None


class Perturbation:
    """Compute one orbit in arbitrary precision, and all pixels as differences from it."""

    device = "cpu"

    def __init__(self, request: Request) -> None:
        self.request = request

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        request = self.request
        view, geometry = request.geometry.view, request.geometry

        def part(since: float, until: float) -> Progress | None:
            if progress is None:
                return None
            return lambda done, text: progress(since + done * (until - since), text)

        orbit = kept_orbit(
            *(request.formula, view.re, view.im),
            max_iter=request.max_iter,
            escape_radius=request.formula.escape_radius,
            radius=radius_of(geometry),
            progress=part(0.0, _REFERENCE),
            cancelled=cancelled,
        )
        size, exponent = geometry.pixel_parts
        approximation = Approximation(
            orbit,
            Pixels(geometry.width, geometry.height, size, exponent, geometry.matrix),
            request.max_iter,
            formula=request.formula,
            escape_radius=request.formula.escape_radius,
        )
        crew = Crew(request.threads, part(_REFERENCE, 1.0), cancelled)
        approximation.fill(out, crew=crew)
        period = f" of period {orbit.period:,}" if orbit.period else ""
        return f"{approximation.method}; reference{period} at {orbit.bits:,} bits"


def radius_of(geometry: Geometry) -> str:
    """Give half the diagonal of the window, as decimal text."""
    a, b, c, d = geometry.matrix
    across, down = geometry.width / 2, geometry.height / 2
    furthest = max(
        abs(complex(a * u + b * v, c * u + d * v)) for u in (across, -across) for v in (down,)
    )
    return str(_ROUND.multiply(Decimal(geometry.view.width), Decimal(furthest / geometry.width)))
