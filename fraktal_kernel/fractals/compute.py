"""The one door to all that can be computed: any formula, any depth, any field, on any device."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Complex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.escape import check_size
from fraktal_kernel.fractals.fields import KINDS, checked_fields, empty_fields
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.planner import Request, plan_for
from fraktal_kernel.fractals.progress import Cancelled, Progress, apart
from fraktal_kernel.fractals.scene import LARGEST_SEED, MAX_ITER
from fraktal_kernel.fractals.view import View, decimal_of, text_of


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """What was computed: one array [h, w] for each field, also as attributes by their names.

    Parameters
    ----------
    fields : arrays by name; `fraktal_kernel.fractals.fields` says what each means
    method : how it was computed, in words
    device : where, such as ``"cpu"``
    seconds : time that it took, on the clock on the wall
    facts : what was asked for, as JSON can hold it

    Examples
    --------
    >>> compute("burning_ship", width="4", size=(8, 6)).iterations.shape
    (6, 8)
    """

    fields: Mapping[str, NDArray[Any]]
    method: str
    device: str
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> NDArray[Any]:
        """Give a field by its name."""
        if name in KINDS:
            if name in self.fields:
                return self.fields[name]
            raise AttributeError(f"{name} was not asked for; name it in fields=(...).")
        raise AttributeError(name)


def compute(
    formula: str = "mandelbrot",
    re: str | float = "-0.65",
    im: str | float = "0",
    width: str | float = "3.3",
    max_iter: int | None = 1000,
    size: tuple[int, int] = (800, 600),
    fields: Collection[str] = ("iterations", "smooth"),
    julia: complex | tuple[str | float, str | float] | None = None,
    rotation_deg: float = 0,
    skew: object = None,
    device: str = "auto",
    *,
    parameters: Mapping[str, Any] | None = None,
    threads: int | None = None,
    shortcuts: bool | Collection[str] = True,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Computed:
    """Compute fields of a view.

    Parameters
    ----------
    formula : name of one of the `formulas`, or a formula as text, such as ``"z**3 + c*z"``
    re, im, width : centre and width of the view; decimal text of any length
    max_iter : a point that has not left after so many steps is inside; None chooses a limit from
        coarse pictures of the view, and ``facts`` has it
    size : width and height in pixels
    fields : which fields to compute
    julia : the constant of a Julia set, complex or two decimal texts; None for the plane of c
    rotation_deg : turns the window on the plane counter-clockwise
    skew : rows of a 2 x 2 matrix that stretches the plane
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``
    parameters : of the formula, by name
    threads : how many to use; by default all that the machine gives
    shortcuts : which may be taken (True: all, False: none); the counts agree
    progress : called with a fraction and a text such as ``"rows 400/1000"``
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Raises
    ------
    InvalidInput
        one sentence that says what was given, what was expected and what to do
    """
    began = time.perf_counter()
    try:
        across, down = size
    except (TypeError, ValueError):
        raise InvalidInput(f"size is {size!r:.60}; expected (width, height) in pixels.") from None
    check_size(across, down)
    check_limit(max_iter)
    view = View(_text("re", re), _text("im", im), _text("width", width))
    names = checked_fields(fields)
    request = Request(
        formula=formula_of(formula, parameters),
        geometry=Geometry(view, int(across), int(down), matrix_of(rotation_deg, skew)),
        max_iter=MAX_ITER if max_iter is None else int(max_iter),
        julia=_seed(julia),
        fields=names,
        device=device,
        threads=threads,
        shortcuts=shortcuts,
    )
    if max_iter is None:
        from fraktal_kernel.fractals.limit import proposed_limit

        request = replace(request, max_iter=proposed_limit(request, cancelled))
    method = plan_for(request)
    # Taking gigabytes is no reason to let a cancel wait.
    out = apart(lambda: empty_fields(names, int(down), int(across)), cancelled)
    words = method.fill(out, progress=progress, cancelled=cancelled)
    facts = {
        "formula": request.formula.called,
        "parameters": {name: str(value) for name, value in (parameters or {}).items()},
        "view": {"re": view.re, "im": view.im, "width": view.width},
        "matrix": list(request.geometry.matrix),
        "julia": list(request.julia) if request.julia else None,
        "max_iter": request.max_iter,
        "limit": "given" if max_iter is not None else "proposed",
        "method": words,
    }
    return Computed(out, words, method.device, time.perf_counter() - began, facts)


def check_limit(max_iter: object) -> None:
    """Refuse what is no limit of iterations; None is one that is still to be found."""
    if max_iter is None:
        return
    if isinstance(max_iter, bool) or not isinstance(max_iter, (int, np.integer)):
        raise InvalidInput(
            f"max_iter is {max_iter!r:.60}; expected a whole number, or None for a proposal."
        )
    if not 1 <= max_iter <= MAX_ITER:
        raise InvalidInput(f"max_iter is {max_iter}; expected it from 1 to {MAX_ITER}.")


def _text(name: str, value: object) -> str:
    return text_of(decimal_of(name, value))


def _seed(julia: object) -> tuple[str, str] | None:
    """Read the constant of a Julia set as two decimal texts."""
    if julia is None:
        return None
    if isinstance(julia, Complex) and not isinstance(julia, bool):
        julia = (julia.real, julia.imag)
    if not isinstance(julia, (tuple, list)) or len(julia) != 2:
        raise InvalidInput(
            f"julia is {julia!r:.60}; expected a complex number or two decimal numbers."
        )
    parts = _text("re of julia", julia[0]), _text("im of julia", julia[1])
    if max(abs(Decimal(part)) for part in parts) > LARGEST_SEED:
        raise InvalidInput(
            f"julia is ({parts[0]:.20}, {parts[1]:.20}); expected both between -{LARGEST_SEED} and "
            f"{LARGEST_SEED}."
        )
    return parts
