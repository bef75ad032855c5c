"""The method for views that plain numbers resolve, on a card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.escape import shortcut_names
from fraktal_kernel.fractals.gpu.card import Card
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.fill import fields_that_need_slopes, fill
from fraktal_kernel.fractals.lanes.recipe import SHORTCUTS, slopes_of, task_of
from fraktal_kernel.fractals.lanes.rows import BULB, CARDIOID, PERIOD
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.progress import Cancelled, Progress

# Float32 has 2**29 times fewer numbers than float64; its rounding moves points near the boundary
# by some dozens of them. With so many between neighbouring pixels at most one count in fifty is
# another one in the views that were tried (docs/devices.md), which a picture does not show.
EXACT_SINGLE = 2.0**14
_SINGLE_FIELDS = {"smooth"}
# What the kernels may skip.
TAKEN = CARDIOID | BULB | PERIOD
_LARGEST_SINGLE = 1e36
_BY_PROCESSOR = ("period", "interior_distance")


class Escape:
    """Compute in float64, or where that is slow and float32 does, in float32."""

    def __init__(self, request: Request, card: Card, single: bool | None = None) -> None:
        self.request, self.device = request, card.name
        self.task = task_of(
            request.formula,
            request.geometry,
            request.max_iter,
            request.julia,
            shortcut_names(request.shortcuts),
        )
        wanted = fields_that_need_slopes(request.fields)
        self.slopes = slopes_of(request.formula, request.julia) if wanted else None
        self.single = card.slow_float64 and in_single(request) if single is None else single

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        from fraktal_kernel.fractals.gpu.walks import walks_of

        crew = Crew(self.request.threads, progress, cancelled)
        fill(out, self.task, self.slopes, crew=crew, walks=walks_of(self.single))
        taken = [name for name, bit in SHORTCUTS.items() if self.task.skip & TAKEN & bit]
        words = f"float{32 if self.single else 64} on CUDA, shortcuts: {', '.join(taken) or 'none'}"
        behind = [name for name in out if name in _BY_PROCESSOR]
        return f"{words}; {', '.join(behind)} by the processor" if behind else words


def in_single(request: Request) -> bool:
    """Say whether float32 resolves a view so well that a picture of it is the same to the eye.

    That is for pictures of continuous counts alone: who asks for other numbers means them.
    """
    formula, geometry = request.formula, request.geometry
    furthest = max(abs(float(geometry.view.re)), abs(float(geometry.view.im)))
    furthest += float(geometry.view.width)
    steps = geometry.pixel / float(np.spacing(np.float32(furthest)))
    grown = formula.escape_radius ** max(formula.degree, 2.0)
    return (
        steps >= EXACT_SINGLE
        and set(request.fields) <= _SINGLE_FIELDS
        and math.isfinite(grown)
        and grown <= _LARGEST_SINGLE
        and formula.ends == "escapes"
    )
