"""How long to iterate, where nobody said: found from coarse pictures of the same view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.planner import Request, plan_for
from fraktal_kernel.fractals.progress import Cancelled

# A coarse picture has at most so many pixels across and down.
_ACROSS = 32
# The limit is high enough when no more than this part of the points leaves in its second half.
_LATE = 1 / 400
# Where nothing leaves at all, one has to stop somewhere; likewise where there is always more.
_BLIND, _MOST = 4_000_000, 200_000_000
_LEAST, _STEPS_A_BIT = 1000, 300


def proposed_limit(request: Request, cancelled: Cancelled | None = None) -> int:
    """Propose a limit of iterations for a view.

    Coarse pictures are computed with higher and higher limits until hardly any point leaves late;
    twice what the slowest point took is then proposed, with two digits.

    Parameters
    ----------
    request : what is asked for; its own limit does not count
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Examples
    --------
    >>> from fraktal_kernel.fractals.planner import request_of
    >>> from fraktal_kernel.fractals import scenes
    >>> proposed_limit(request_of(scenes["full_set"], 800, 600))
    1000
    """
    geometry = request.geometry
    across = min(geometry.width, _ACROSS)
    down = max(1, min(_ACROSS, round(across * geometry.height / geometry.width)))
    coarse = Geometry(geometry.view, across, down, geometry.matrix)
    depth = max(0.0, -float(np.log2(coarse.pixel_parts[0])) - coarse.pixel_parts[1])
    limit = int(_LEAST + _STEPS_A_BIT * depth)
    counts = np.zeros((down, across), np.int64)
    while True:
        part = replace(request, geometry=coarse, max_iter=limit, fields=("iterations",))
        plan_for(part).fill({"iterations": counts}, cancelled=cancelled)
        left = counts[counts < limit]
        late = int((left > limit // 2).sum())
        if limit >= _MOST or (len(left) and late <= _LATE * counts.size):
            break
        if not len(left) and limit >= _BLIND:
            return _rounded(limit)
        limit *= 2 if len(left) else 4
    return max(_LEAST, _rounded(2 * int(left.max(initial=0))))


def _rounded(limit: int) -> int:
    """Round up to two digits."""
    grain = int(10 ** max(0, len(str(limit)) - 2))
    return -(-limit // grain) * grain
