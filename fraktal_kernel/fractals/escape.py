"""Escape times of a scene: what pictures and the explorer show."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.lattice import placed
from fraktal_kernel.fractals.progress import Cancelled, Progress
from fraktal_kernel.fractals.scene import Scene

MAX_PIXELS = 100_000_000
SHORTCUTS = ("cardioid", "bulb", "period", "discs")


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Escape times of a picture.

    Parameters
    ----------
    nu : float64 [h, w], continuous count of iterations, ``-1`` inside
    iterations : steps ``z*z + c`` that the points needed; none for points that a shortcut settled
        before the first step, and those up to the recognition for points found periodic
    method : how it was computed, in words
    """

    nu: NDArray[np.float64]
    iterations: int
    method: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The points of a picture: pixel [0, 0] is the upper left, points are pixel centres.

    The centre lies ``place`` pixels from the point ``re, im``, as `lattice.placed` says.
    """

    re: float
    im: float
    pixel: float
    width: int
    height: int
    place: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, scene: Scene, width: int, height: int) -> Grid:
        """Lay the pixels over the view of a scene; what `escape` cannot draw is refused."""
        view = scene.view
        check_plain(scene)
        if not view.resolvable(width):
            raise InvalidInput(
                f"the view is {float(view.width):.3g} wide, so neighbours of {width} pixels are "
                "the same number in float64; choose a wider view or fewer pixels."
            )
        pixel = float(Decimal(view.width) / width)
        origin, place = placed(view, width)
        return cls(origin.real, origin.imag, pixel, width, height, place)


def check_plain(scene: Scene) -> None:
    """Refuse scenes that `escape` cannot draw, whatever their depth."""
    plain = scene.formula == "mandelbrot" and not scene.parameters
    if plain and scene.view.straight and scene.look is None:
        return
    what = "a look" if scene.look is not None else "a turned or stretched view"
    raise InvalidInput(
        f"{what if plain else f'the formula {scene.formula!r:.60}'} cannot be drawn here, only the "
        "Mandelbrot set and its Julia sets, upright and with a palette; "
        "`fraktal_kernel.fractals.compute` computes the others."
    )


def check_size(width: int, height: int) -> None:
    """Refuse sizes that are no picture, or more than memory should hold."""
    for name, value in (("width", width), ("height", height)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise InvalidInput(
                f"{name} is {value!r:.60}; expected a whole number of pixels above 0."
            )
    if int(width) * int(height) > MAX_PIXELS:
        raise InvalidInput(
            f"{width} x {height} are {int(width) * int(height)} pixels; at most {MAX_PIXELS} can "
            "be made in one picture; choose a smaller size, or make a poster (fractal.poster)."
        )


def escape(
    scene: Scene,
    width: int,
    height: int,
    *,
    threads: int | None = None,
    shortcuts: bool | Collection[str] = True,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Field:
    """Compute the escape time of every pixel of a scene.

    Parameters
    ----------
    scene : what to look at
    width, height : size in pixels
    threads : how many to use; by default all that the machine gives
    shortcuts : which of `SHORTCUTS` may be taken (True: all, False: none); the counts agree
    progress : called with a fraction and a text such as ``"rows 400/1000"``
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Examples
    --------
    >>> from fraktal_kernel.fractals import scenes
    >>> escape(scenes["full_set"], 80, 60).nu.shape
    (60, 80)
    """
    check_size(width, height)
    grid = Grid.of(scene, width, height)
    nu = np.full((height, width), np.nan)
    steps = fill(
        nu,
        scene,
        grid,
        threads=threads,
        shortcuts=shortcuts,
        progress=progress,
        cancelled=cancelled,
    )
    return Field(nu, steps, method_of(shortcuts))


def method_of(shortcuts: bool | Collection[str] = True) -> str:
    """Say in words how the kernel computes."""
    names = shortcut_names(shortcuts)
    return f"float64 in lockstep lanes, shortcuts: {', '.join(names) or 'none'}"


def shortcut_names(shortcuts: bool | Collection[str]) -> list[str]:
    """List the shortcuts that are on, in order, and refuse names that there are not."""
    if isinstance(shortcuts, bool):
        return list(SHORTCUTS) if shortcuts else []
    if isinstance(shortcuts, str) or not isinstance(shortcuts, Collection):
        raise InvalidInput(
            f"shortcuts is {shortcuts!r:.60}; expected True, False, or a list of some of "
            f"{', '.join(SHORTCUTS)}."
        )
    for name in shortcuts:
        if name not in SHORTCUTS:
            raise InvalidInput(f"no shortcut named {name!r:.60}; there are {', '.join(SHORTCUTS)}.")
    return [name for name in SHORTCUTS if name in shortcuts]


def fill(
    nu: NDArray[np.float64],
    scene: Scene,
    grid: Grid,
    *,
    row: int = 0,
    extent: tuple[int, int] | None = None,
    first: int = 0,
    step: int = 1,
    threads: int | None = None,
    shortcuts: bool | Collection[str] = True,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> int:
    """Compute what is NaN in rows of a picture, and count the steps.

    Parameters
    ----------
    nu : float64 [rows, columns], contiguous, filled in place
    scene, grid : the picture that the rows belong to
    row : which row of the picture ``nu[0]`` is
    extent : rows and columns of ``nu`` to do, by default all
    first, step : every ``step``-th row and column from ``first`` on is done
    """
    from fraktal_kernel.fractals.lanes.body import QUADRATIC
    from fraktal_kernel.fractals.lanes.crew import Crew
    from fraktal_kernel.fractals.lanes.rows import INSIDE, PERIOD, TO_DO
    from fraktal_kernel.fractals.lanes.task import Part, Task, count

    names = shortcut_names(shortcuts)
    skip = sum(1 << SHORTCUTS.index(name) for name in names)
    if scene.seed is not None:
        skip &= PERIOD  # all others are Mandelbrot's
    task = Task(
        body=QUADRATIC,
        centre=complex(grid.re, grid.im),
        pixel=grid.pixel,
        size=(grid.width, grid.height),
        max_iter=scene.max_iter,
        seed=complex(float(scene.seed.re), float(scene.seed.im)) if scene.seed else None,
        skip=skip,
        place=grid.place,
    )
    counts = np.where(np.isnan(nu), np.int64(TO_DO), np.int64(0))
    steps = count(
        task,
        counts,
        smooth=nu,
        row=row,
        part=Part(extent, first, step),
        crew=Crew(threads, progress, cancelled),
    )
    nu[counts <= INSIDE] = -1.0
    return steps
