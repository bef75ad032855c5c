"""Key frames: nested grids, of which each is computed but for what is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fraktal_kernel.fractals import Scene, View, scenes
from fraktal_kernel.fractals.film import zoom
from fraktal_kernel.fractals.film.levels import Box, Grid, Store, offset, place
from fraktal_kernel.fractals.film.path import shots
from fraktal_kernel.fractals.view import Skew

SHALLOW = scenes["seahorse_tail"]
DEEP = Scene(view=View("-1.768778833", "-0.001738996", "1e-15"), max_iter=800)


def grid_of(scene: Scene) -> Grid:
    """Lay a grid from some octaves above a scene."""
    start = replace(scene, view=scene.view.zoomed(0.12))
    (shot,) = shots(zoom(scene, 2, start=start, width=64, height=48, fps=20))
    return Grid.of(shot, ("smooth", "distance"))


@pytest.mark.parametrize("scene", [SHALLOW, DEEP])
def test_a_ring_and_what_is_known_are_the_whole(scene: Scene) -> None:
    """A level round a finer one has the numbers of one that is computed as a whole."""
    grid = grid_of(scene)
    finer = grid.compute(1, None, None, lambda count: None, None)
    counted: list[int] = []
    ring = grid.compute(2, finer, None, counted.append, None)
    whole = grid.compute(2, None, None, lambda count: None, None)
    assert sum(counted) == grid.new_samples(2) < 0.8 * grid.boxes[2].size
    for name, values in ring.fields.items():
        same = np.isclose(values, whole.fields[name], rtol=1e-6, equal_nan=True)
        assert same.mean() > 0.999, name


def test_every_frame_lies_in_its_levels() -> None:
    """No pixel of any frame looks beyond the samples, and each has one at least."""
    grid = grid_of(SHALLOW)
    for frame in grid.shot.frames():
        level, step = place(frame, 1)
        assert 1 <= step <= 2
        box = grid.boxes[level]
        half = step * 64 / 2
        assert box.left <= step * 64 * frame.right - half
        assert box.right >= step * 64 * frame.right + half
        assert box.bottom <= step * 64 * frame.up - half * 48 / 64
        assert box.top >= step * 64 * frame.up + half * 48 / 64
        assert level - 1 in grid.boxes


@pytest.mark.parametrize("skew", [((1, 0.3), (0, 1)), ((1, 0.3), (0, -1))])
def test_a_window_lies_in_the_levels_as_in_the_plane(skew: Skew) -> None:
    """The offset along the rows of stretched or mirrored levels leads to the window's centre."""
    scene = replace(SHALLOW, view=replace(SHALLOW.view, rotation_deg=30, skew=skew))
    start = replace(scene, view=scene.view.zoomed(0.2).panned(0.2, -0.1))
    (shot,) = shots(zoom(scene, 2, start=start, width=64, height=48, fps=20))
    frame = next(shot.frames())
    x, y = offset(frame, shot)
    assert x == pytest.approx(0.2) and y == pytest.approx(-0.1)


def test_boxes_come_apart_without_a_gap() -> None:
    """What lies around an inner box, and the box, are every sample once."""
    outer = Box(-7, -5, 9, 6)
    for inner in (Box(-2, -1, 3, 2), Box(-7, -5, 0, 0), outer, None):
        seen = np.zeros(outer.shape, int)
        for part in [*outer.without(inner), *([inner] if inner else [])]:
            seen[part.within(outer)] += 1
        assert (seen == 1).all()


def test_levels_are_kept_and_damage_is_seen(tmp_path: Path) -> None:
    """A level is read again as it was; one that a disk has damaged is computed again."""
    grid, counted = grid_of(SHALLOW), list[int]()

    def got(level: int) -> np.ndarray:
        known = Store(grid, tmp_path).get(level, None, counted.append, None)
        assert known is not None
        return known.fields["smooth"]

    first = got(1)
    assert counted
    counted.clear()
    assert np.array_equal(got(1), first, equal_nan=True)
    assert not counted
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert np.array_equal(got(1), first, equal_nan=True)
    assert counted
