"""Which method computes what is asked for: chosen by size and depth, never by the user."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.colouring.look import Look
from fraktal_kernel.fractals.formulas import Formula, formula_of
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.progress import Cancelled, Progress
from fraktal_kernel.fractals.scene import Scene

DEVICES = ("auto", "cpu", "cuda")


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
        cancelled: Cancelled | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        ...


# So many numbers of float64 between neighbouring pixels, and few points near the boundary are
# carried astray by its rounding; with fewer than the second, all are.
EXACT, _USABLE = 2.0**28, 64.0


def request_of(scene: Scene, width: int, height: int, threads: int | None = None) -> Request:
    """Say what a scene needs of a picture of some size: the fields that its look paints.

    Examples
    --------
    >>> from fraktal_kernel.fractals.scene import Scene
    >>> request_of(Scene("burning_ship"), 80, 60).fields
    ('smooth',)
    """
    view, seed = scene.view, scene.seed
    look = look_of(scene)
    return Request(
        formula=formula_of(scene.formula, scene.parameters),
        geometry=Geometry(view, width, height, matrix_of(view.rotation_deg, view.skew)),
        max_iter=scene.max_iter,
        fields=tuple(dict.fromkeys((*look.fields, *scene.fields))),
        julia=(seed.re, seed.im) if seed else None,
        threads=threads,
    )


def look_of(scene: Scene) -> Look:
    """Give the look of a scene: its own, or that of its palette."""
    if scene.look is not None:
        return scene.look
    return Look.default(scene.palette, scene.density, scene.offset)


def plan_for(request: Request) -> Method:
    """Choose a method; refuse, before any work, what none can do.

    Float64 serves where it tells neighbouring pixels well apart. Deeper, small differences from
    one orbit in arbitrary precision take its place; what they cannot do yet is left to float64 as
    long as that makes a picture at all. A card takes over where one answers and it is worth it.
    """
    if request.device not in DEVICES:
        raise InvalidInput(
            f"device is {request.device!r:.60}; expected one of {', '.join(DEVICES)}."
        )
    method = on_processor(request)
    if request.device == "cpu":
        return method
    from fraktal_kernel.fractals.gpu.choice import on_card

    return on_card(request, method)


def resolved(request: Request) -> bool:
    """Say whether float64 tells neighbouring pixels well apart, before and after the first step.

    Beside 0, where most formulas have their critical point, points of a Julia set come nearer to
    one another in their first step than they were.
    """
    steps = request.geometry.steps_a_value
    if request.julia is not None and request.formula.polynomial:
        steps *= min(1.0, request.geometry.furthest) ** (request.formula.degree - 1)
    return steps >= EXACT


def on_processor(request: Request) -> Method:
    """Choose a method of the processor, as `plan_for` does."""
    from fraktal_kernel.fractals.float64 import Float64

    if resolved(request):
        return Float64(request)
    from fraktal_kernel.fractals.perturbation import Perturbation, refusal

    reason = refusal(request)
    if reason is None:
        return Perturbation(request)
    if request.geometry.steps_a_pixel >= _USABLE:
        return Float64(request)
    width = request.geometry.view.width
    raise InvalidInput(
        f"the view is {width:.12} wide, too deep for float64, and {reason}; choose a wider view."
    )
