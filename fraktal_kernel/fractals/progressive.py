"""Pictures from coarse to fine, for somebody who is looking and may look elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.colouring import indices_of
from fraktal_kernel.fractals.escape import Grid, check_size, fill
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.scene import Scene

LEVELS = (9, 3, 1)


def progressive(
    scene: Scene, width: int, height: int, superseded: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Make a picture from coarse to fine, for somebody who is looking.

    Yields ``(step, indices)``: one sample stands for ``step`` x ``step`` pixels, of which it is
    the centre, so the array is ``ceil(height / step)`` x ``ceil(width / step)`` and is drawn
    ``step`` times enlarged from the upper left corner. Steps are odd (9, 3, 1): centres of
    coarse samples are centres of fine ones, and no sample is computed twice. It ends early, with
    no error, as soon as ``superseded()`` says that nobody waits for it any more.
    """
    check_size(width, height)
    grid = Grid.of(scene, width, height)
    coarsest = LEVELS[0]
    wide, tall = (-(-size // coarsest) * coarsest for size in (width, height))
    nu = np.full((tall, wide), np.nan)
    for step in LEVELS:
        rows, columns = -(-height // step), -(-width // step)
        extent = (rows * step, columns * step)
        try:
            fill(
                nu,
                scene,
                grid,
                extent=extent,
                first=step // 2,
                step=step,
                cancelled=superseded,
            )
        except Stopped:
            return
        yield (
            step,
            indices_of(nu[step // 2 : extent[0] : step, step // 2 : extent[1] : step], scene),
        )
