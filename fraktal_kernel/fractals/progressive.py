"""Pictures from coarse to fine, for somebody who is looking and may look elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from fraktal_kernel.fractals.scene import Scene


def progressive(
    scene: Scene, width: int, height: int, superseded: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Make one picture from coarse to fine, for somebody who is looking.

    Yields ``(step, pixels)`` as `live.Sight.levels` does, of which this is a fresh one: whoever
    goes on to the next picture keeps a `Sight`, which computes less.

    Examples
    --------
    >>> [step for step, _ in progressive(Scene("burning_ship"), 40, 30)]
    [9, 3, 1]
    """
    from fraktal_kernel.fractals.live import Sight

    yield from Sight().levels(scene, width, height, superseded)
