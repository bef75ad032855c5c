"""What somebody sees who looks at one scene after another: pictures from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.colouring.look import LENGTHS, Look
from fraktal_kernel.fractals.colouring.places import indices_of
from fraktal_kernel.fractals.escape import check_size
from fraktal_kernel.fractals.live.samples import samples_of, words_of
from fraktal_kernel.fractals.live.sheet import Fields, Sheet
from fraktal_kernel.fractals.planner import Request, plan_for, request_of
from fraktal_kernel.fractals.progress import Progress, Stopped
from fraktal_kernel.fractals.scene import Scene

if TYPE_CHECKING:
    from fraktal_kernel.fractals.nearby import Reference

LEVELS = (9, 3, 1)


class Sight:
    """Pictures of one scene after another, each from coarse to fine.

    What the next picture has in common with the last is not computed again: the fields of all
    pixels when only colours change, those that stay in sight when the view moves by whole pixels,
    and the reference orbit of a deep view for those near it. One thread may use it at a time.

    Parameters
    ----------
    threads : how many to use; by default all that the machine gives

    Examples
    --------
    >>> sight = Sight()
    >>> [(step, level.shape) for step, level in sight.levels(Scene(), 80, 60)]
    [(9, (7, 9)), (3, (20, 27)), (1, (60, 80))]
    >>> [step for step, _ in sight.levels(replace(Scene(), palette="ember"), 80, 60)]
    [1]
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self._sheet: Sheet | None = None
        self._near: Reference | None = None

    @staticmethod
    def method(scene: Scene, width: int, height: int) -> str:
        """Say in a word how a picture is computed; what cannot be drawn is refused."""
        check_size(width, height)
        return words_of(plan_for(_request(scene, width, height)))

    def levels(
        self,
        scene: Scene,
        width: int,
        height: int,
        superseded: Callable[[], bool] = lambda: False,
        progress: Progress | None = None,
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Make a picture from coarse to fine.

        Yields ``(step, pixels)``: one sample stands for ``step`` x ``step`` pixels, of which it is
        the centre, so the array is ``ceil(height / step)`` x ``ceil(width / step)`` and is drawn
        ``step`` times enlarged from the upper left corner. Its values are places in the palette,
        uint16 [h, w] as `indices` gives them, or sRGB, uint8 [h, w, 3], where the scene has a look.
        It ends early, with no error, as soon as ``superseded()`` says that nobody waits for it.
        """
        check_size(width, height)
        request = _request(scene, width, height, self.threads)
        try:
            samples, self._near, progress = samples_of(request, self._near, progress, superseded)
            sheet = self._sheet = (
                Sheet.blank(request, LEVELS[0])
                if self._sheet is None
                else self._sheet.moved(request, LEVELS[0])
            )
            for step in LEVELS[-1:] if sheet.complete else LEVELS:
                fields = samples.fill(sheet, step, progress if step == 1 else None, superseded)
                yield step, _painted(fields, scene, width, step, superseded)
        except Stopped:
            return


def _request(scene: Scene, width: int, height: int, threads: int | None = None) -> Request:
    """Ask for what is seen: not for fields that somebody wants to keep, and of the CPU."""
    return replace(request_of(replace(scene, fields=()), width, height, threads), device="cpu")


def _painted(
    fields: Fields, scene: Scene, width: int, step: int, superseded: Callable[[], bool]
) -> NDArray[Any]:
    if scene.look is None:
        return indices_of(fields["smooth"], scene)
    from fraktal_kernel.fractals.colouring import Survey, develop, paint

    look: Look = scene.look
    if step > 1:
        fields = {
            name: array / step if name in LENGTHS else array for name, array in fields.items()
        }
    # Painting goes through the rows block by block, for which they must lie together.
    fields = {name: np.ascontiguousarray(array) for name, array in fields.items()}
    light = paint(
        fields,
        look,
        survey=Survey.of(fields, look),
        width_px=max(1, round(width / step)),
        cancelled=superseded,
    )
    return develop(light, cancelled=superseded)
