"""Which method computes what is asked for: chosen by size and depth, never by the user."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas.formula import Formula
from fraktal_kernel.fractals.geometry import Geometry

DEVICES = ("auto", "cpu", "cuda")
Progress = Callable[[float, str], object]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, checked: see `compute`."""

    formula: Formula
    geometry: Geometry
    max_iter: int
    fields: tuple[str, ...]
    julia: tuple[str, str] | None = None
    device: str = "auto"
    threads: int | None = None
    shortcuts: bool | Collection[str] = True


class Method(Protocol):
    """A way to compute, with the device that it uses."""

    device: str

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        ...


# So many numbers of float64 between neighbouring pixels, and few points near the boundary are
# carried astray by its rounding; with fewer than the second, all are.
_EXACT, _USABLE = 2.0**28, 64.0


def plan_for(request: Request) -> Method:
    """Choose a method; refuse, before any work, what none can do.

    Float64 serves where it tells neighbouring pixels well apart. Deeper, small differences from
    one orbit in arbitrary precision take its place; what they cannot do yet is left to float64 as
    long as that makes a picture at all.
    """
    if request.device not in DEVICES:
        raise InvalidInput(
            f"device is {request.device!r:.60}; expected one of {', '.join(DEVICES)}."
        )
    from fraktal_kernel.fractals.float64 import Float64
    from fraktal_kernel.fractals.perturbation import Perturbation, refusal

    steps = request.geometry.steps_a_pixel
    if steps >= _EXACT:
        return Float64(request)
    reason = refusal(request)
    if reason is None:
        return Perturbation(request)
    if steps >= _USABLE:
        return Float64(request)
    width = request.geometry.view.width
    raise InvalidInput(
        f"the view is {width:.12} wide, too deep for float64, and {reason}; choose a wider view."
    )
