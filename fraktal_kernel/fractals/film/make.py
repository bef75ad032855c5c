"""The one door to films: from keys to a file, after any stop.

The work is cut into segments of some frames. Deeper segments come first, so that of every level
only the ring around the next deeper one is computed, and a deep film has one reference, the
deepest. Each segment is encoded by itself while its frames are painted; at the end all are joined.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import Conflict, InvalidInput
from fraktal_kernel.fractals.colouring import Survey
from fraktal_kernel.fractals.colouring.survey import surveyed
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.film.encode import CODECS, Encoder, checked_place, join, pyav
from fraktal_kernel.fractals.film.folder import Folder, stopped_short
from fraktal_kernel.fractals.film.levels import Box, Grid, Level, Store, offset, place
from fraktal_kernel.fractals.film.painter import Painter, Window, survey_of
from fraktal_kernel.fractals.film.path import Frame, Shot, shots
from fraktal_kernel.fractals.film.script import Film
from fraktal_kernel.fractals.lanes.crew import worker_count
from fraktal_kernel.fractals.planner import Request, look_of, plan_for, request_of
from fraktal_kernel.fractals.poster.space import check_room
from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped

_SEGMENT_S = 2.0
# Levels that a segment may need, so that the memory is bounded when a film is fast.
_LEVELS = 5
# Frames that wait for the encoder at most.
_AHEAD = 3
_LOOK_UP_S = 0.01
# Samples of a frame or a level at most: each takes 8 bytes a field.
_MOST_SAMPLES = 400_000_000
# The picture of a key that looks are surveyed on.
_SURVEY_SIDE = 512


@dataclass(frozen=True, slots=True)
class Made:
    """A film that is complete.

    Parameters
    ----------
    place : its file
    frames : how many it has
    made : how many of them this call painted; the others were there
    samples : points that this call computed
    seconds : time that this call took, on the clock on the wall
    method : how the frames were made, in words
    """

    place: Path
    frames: int
    made: int
    samples: int
    seconds: float
    method: str


def film(
    target: str | os.PathLike[str],
    what: Film,
    *,
    work: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Made:
    """Make a film, or go on with one that was stopped.

    Parameters
    ----------
    target : path of the file; it ends in .mp4 (or .mov) for H.264, in .webm or .mp4 for AV1, in
        .mov for ProRes, and appears when it is complete
    what : the film
    work : folder for what is done; by default beside the target, with ``.part`` behind its name
    threads : how many to use; by default all that the machine gives
    progress : called with a fraction and a text such as ``"frame 120 of 900, 40 s left"``
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Raises
    ------
    InvalidInput
        before any work, with nothing left behind: what cannot be computed, or would not fit on
        the disk
    Conflict
        where the file exists, or another film was begun
    """
    began = time.perf_counter()
    if not isinstance(what, Film):
        raise InvalidInput(f"{what!r:.60} is no film; make one, for instance with zoom(scene).")
    path = Path(target)
    checked_place(path, what.codec)
    pyav()
    worker_count(threads)
    parts = plans(what)
    if path.exists():
        raise Conflict(f"{str(path)!r:.200} exists; remove it, or choose another name.")
    area = what.width * what.height * what.frames
    # The segments and the film are there at the same time for a moment.
    check_room(path, round(2 * area * CODECS[what.codec].bytes_a_pixel), what="film")
    folder = Folder(Path(work) if work else path.with_name(f"{path.name}.part"), what)
    try:
        maker = _Maker(what, parts, folder, threads, progress, cancelled)
        maker.all()
        segments = [(folder.segment(first), first) for first, _ in maker.segments()]
        join(segments, path, what, cancelled)
    except OSError as error:
        raise stopped_short(path, error) from None
    finally:
        folder.close()
    folder.remove()
    seconds = time.perf_counter() - began
    return Made(path, what.frames, maker.made, maker.samples, seconds, method_of(parts))


@dataclass(frozen=True, slots=True)
class Plan:
    """How the frames of a shot are made: from levels, or each by itself.

    Parameters
    ----------
    shot : what is shown
    names : of the fields that its looks need
    grid : its levels; None where each frame is computed
    why : what keeps it from levels, in words
    """

    shot: Shot
    names: tuple[str, ...]
    grid: Grid | None
    why: str = ""

    @property
    def samples(self) -> int:
        """How many points it takes."""
        shot, film = self.shot, self.shot.film
        if self.grid is not None:
            return self.grid.samples
        return (shot.last - shot.first) * film.width * film.height * (2 * film.antialias) ** 2


def plans(what: Film) -> list[Plan]:
    """Plan the shots of a film; refuse what cannot be computed."""
    most = what.width * what.height * (2 * what.antialias) ** 2
    if most > _MOST_SAMPLES:
        raise InvalidInput(
            f"frames of {what.width} x {what.height} with antialias {what.antialias} take {most} "
            f"samples, more than the {_MOST_SAMPLES} that are computed at a time; choose smaller "
            "frames, or less antialiasing."
        )
    found = []
    for shot in shots(what):
        looks = [look_of(key.scene) for key in (shot.before, shot.after)]
        names = tuple(dict.fromkeys(name for look in looks for name in look.fields))
        alone = Plan(shot, names, None, shot.morphs or "the speed of the way")
        plan = alone
        if not shot.morphs:
            grid = Grid.of(shot, names)
            largest = max(box.size for box in grid.boxes.values())
            if grid.samples <= alone.samples and largest <= _MOST_SAMPLES:
                plan = Plan(shot, names, grid)
        for request in _extremes(plan):
            plan_for(request)
        found.append(plan)
    return found


def method_of(parts: list[Plan]) -> str:
    """Say in words how the frames are made."""
    words = []
    levels = [plan for plan in parts if plan.grid is not None]
    if levels:
        keys = sum(len(plan.grid.boxes) for plan in levels if plan.grid is not None)
        count = sum(plan.shot.last - plan.shot.first for plan in levels)
        words.append(f"{count} frames reprojected from {keys} key frames")
    for plan in parts:
        if plan.grid is None:
            count = plan.shot.last - plan.shot.first
            words.append(f"{count} frames computed one by one, because of {plan.why}")
    return "; ".join(dict.fromkeys(words))


def finer_share(steps: float) -> float:
    """Say how much the finer of two levels counts.

    It takes over in the middle half of an octave: before and behind that, where one level alone
    has samples enough, nothing is read of the other.

    Parameters
    ----------
    steps : of the coarser level in a sample of the picture, 1 to 2

    Examples
    --------
    >>> [round(finer_share(2**octave), 9) for octave in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    fading = min(max(1.5 - 2 * math.log2(steps), 0.0), 1.0)
    return fading * fading * (3 - 2 * fading)


class _Maker:
    """Makes the segments of a film."""

    def __init__(
        self,
        what: Film,
        parts: list[Plan],
        folder: Folder,
        threads: int | None,
        progress: Progress | None,
        cancelled: Cancelled | None,
    ) -> None:
        self.film, self.parts, self.folder = what, parts, folder
        self.threads, self.progress, self.cancelled = threads, progress, cancelled
        self.made = self.samples = 0
        # Frames that are done, and those that the work under way is worth.
        self.done, self.partly, self.found = 0, 0.0, 0.0
        self.began = time.perf_counter()
        self.painter = Painter(
            what.width,
            what.height,
            what.antialias,
            self._survey(),
            threads,
            cancelled,
        )

    def segments(self) -> list[tuple[int, int]]:
        """List the segments: first frame, and the one behind the last."""
        return [cut for plan in self.parts for cut in _segments(plan)]

    def all(self) -> None:
        """Make all segments that are not there."""
        segments = self.segments()
        todo = {first for first, _ in segments if not self.folder.done(first)}
        self.done = sum(last - first for first, last in segments if first not in todo)
        self.found = self.done / self.film.frames
        for plan in self.parts:
            segments = _segments(plan)
            if plan.shot.inwards:
                segments.reverse()  # the deepest first
            store = Store(plan.grid, self.folder.path) if plan.grid is not None else None
            for first, last in segments:
                if first in todo:
                    levels = self._segment(plan, store, first, last)
                    self.folder.complete(first)
                    if store is not None:
                        # The next segment is wider: it begins with the coarsest two of these.
                        store.forget_below(levels[-1] - 1)
            if store is not None:
                store.forget_below(1 << 62)

    def _segment(self, plan: Plan, store: Store | None, first: int, last: int) -> list[int]:
        """Make one segment, and give the levels that it took."""
        frames = list(plan.shot.frames(first, last))
        levels = _needed(frames) if store is not None else []
        expected = sum(store.grid.new_samples(level) for level in levels) if store else 0

        def told(count: int) -> None:
            self.samples += count
            self._tell(self.partly + count / expected * len(frames) / 2)

        for level in levels if store is not None else []:  # the finest first
            assert store is not None
            self._ask()
            store.get(level, self.threads, told, self.cancelled)
        encoder = Encoder(self.folder.segment(first), self.film)
        pool = ThreadPoolExecutor(1, thread_name_prefix="film")
        waiting: list[Future[None]] = []
        try:
            for count, frame in enumerate(frames, 1):
                self._ask()
                codes = self._codes(plan, store, frame)
                if len(waiting) == _AHEAD:
                    self._await(waiting.pop(0))
                waiting.append(pool.submit(encoder.add, codes))
                self.made += 1
                half = len(frames) / 2 if store is not None else 0.0
                self._tell(max(self.partly, half + count * (1 - half / len(frames))))
            for one in waiting:
                self._await(one)
            self._await(pool.submit(encoder.finish, self.cancelled))
        finally:
            pool.shutdown(cancel_futures=True)
            encoder.close()
        self.done, self.partly = self.done + len(frames), 0.0
        return levels

    def _codes(self, plan: Plan, store: Store | None, frame: Frame) -> NDArray[np.uint16]:
        """Paint a frame: from its levels, or computed by itself."""
        shot, antialias = plan.shot, self.film.antialias
        colours = shot.colours(frame.share)
        if store is None:
            return self.painter.frame(colours, self._alone(plan, frame), None)
        base, step = place(frame, antialias)
        right, up = (side * self.film.width for side in offset(frame, shot))
        coarse, fine = (
            store.get(level, self.threads, _unheard, self.cancelled) for level in (base, base - 1)
        )
        assert coarse is not None
        windows = [
            Window(level, by, by * right - level.box.left, level.box.top - by * up, counts)
            for level, by, counts in (
                (coarse, step, 1.0),
                (fine, 2 * step, finer_share(step / antialias)),
            )
            if level is not None
        ]
        turn = math.radians(frame.turn_deg - shot.deeper.view.rotation_deg)
        return self.painter.frame(colours, windows[0], windows[1] if windows[1:] else None, turn)

    def _alone(self, plan: Plan, frame: Frame) -> Window:
        """Compute the samples of one frame."""
        by = 2 * self.film.antialias
        width, height = by * self.film.width, by * self.film.height
        request = request_of(plan.shot.scene(frame), width, height, self.threads)
        request = replace(request, fields=plan.names)
        fields = empty_fields(plan.names, height, width)
        plan_for(request).fill(fields, cancelled=self.cancelled)
        self.samples += width * height
        level = Level(0, Box(0, 0, width - 1, height - 1), fields)
        return Window(level, by, (width - 1) / 2, (height - 1) / 2)

    def _survey(self) -> Survey:
        """Survey small pictures of all keys, if a look has to know them."""
        keys = [key.scene for key in self.film.keys]
        looks = [look_of(scene) for scene in keys]
        if not any(map(surveyed, looks)):
            return Survey({})
        names = tuple(dict.fromkeys(name for look in looks for name in look.fields))
        by = min(1.0, _SURVEY_SIDE / max(self.film.width, self.film.height))
        width, height = (max(1, round(by * side)) for side in (self.film.width, self.film.height))
        pictures = []
        for scene in dict.fromkeys(keys):
            self._ask()
            fields = empty_fields(names, height, width)
            request = replace(request_of(scene, width, height, self.threads), fields=names)
            plan_for(request).fill(fields, cancelled=self.cancelled)
            pictures.append(fields)
        return survey_of(pictures, looks)

    def _tell(self, partly: float) -> None:
        """Tell how far the work is, and how long it may take yet."""
        self.partly = partly
        if self.progress is None:
            return
        frames = self.film.frames
        share = min((self.done + partly) / frames, 1.0)
        text = f"frame {self.done + int(partly)} of {frames}"
        if share > self.found:
            spent = time.perf_counter() - self.began
            text += f", {_duration(spent * (1 - share) / (share - self.found))} left"
        self.progress(share, text)

    def _ask(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Stopped("the film was cancelled before it was complete; what is done is kept.")

    def _await(self, work: Future[None]) -> None:
        while True:
            try:
                return work.result(_LOOK_UP_S)
            except NotYet:
                self._ask()


def _extremes(plan: Plan) -> Iterator[Request]:
    """Give the deepest and the widest that has to be computed, so that it is refused in time."""
    if plan.grid is not None:
        for level in {min(plan.grid.boxes), max(plan.grid.boxes)}:
            yield plan.grid.request(level)
        return
    film, first, last = plan.shot.film, plan.shot.first, plan.shot.last
    by = 2 * film.antialias
    for number in (first, last - 1):
        frame = next(plan.shot.frames(number))
        request = request_of(plan.shot.scene(frame), by * film.width, by * film.height)
        yield replace(request, fields=plan.names)


def _segments(plan: Plan) -> list[tuple[int, int]]:
    """Cut a shot into segments that are short, and need few levels."""
    film = plan.shot.film
    most = max(1, round(_SEGMENT_S * film.rate))
    cuts, levels = [plan.shot.first], set[int]()
    for frame in plan.shot.frames():
        levels |= set(_needed([frame])) if plan.grid is not None else set()
        if frame.number - cuts[-1] >= most or len(levels) > _LEVELS:
            if frame.number > cuts[-1]:
                cuts.append(frame.number)
            levels = set(_needed([frame]))
    cuts.append(plan.shot.last)
    return list(pairwise(cuts))


def _needed(frames: list[Frame]) -> list[int]:
    """List the levels that frames need, the finest first."""
    coarse = {place(frame, 1)[0] for frame in frames}
    return sorted(coarse | {level - 1 for level in coarse})


def _unheard(count: int) -> None:
    """Take no notice: levels are computed, and told of, before the frames."""


def _duration(seconds: float) -> str:
    """Write a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
