"""Antialiasing: exact where colours change, nothing where they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.antialias import Antialias, edges, places, smoothed
from fraktal_kernel.fractals.colouring import paint
from fraktal_kernel.fractals.palettes.light import lab_planes
from fraktal_kernel.fractals.planner import look_of, request_of
from fraktal_kernel.fractals.poster.cells import Cell
from fraktal_kernel.fractals.poster.points import points_of

SIZE = (160, 120)


def test_a_straight_edge_gets_the_share_of_each_side() -> None:
    """Across a slanted edge each pixel has nearly the colour that its share of both sides gives."""
    rows, columns = np.mgrid[:60, :60].astype(float)

    def side(right: float, down: float) -> Any:
        return (0.3 * (columns + right) + (rows + down) > 41.3).astype(np.float32)

    light = np.repeat(side(0, 0)[..., None], 3, axis=2)

    def sample(right: float, down: float, mask: Any) -> Any:
        return np.repeat(side(right, down)[mask][:, None], 3, axis=1)

    fine = (np.arange(64) + 0.5) / 64 - 0.5
    exact = np.mean([side(x, y) for x in fine for y in fine], axis=0)
    before = np.abs(light[..., 0] - exact).max()
    for n, bound in ((2, 0.36), (4, 0.16), (8, 0.08)):
        off = np.abs(smoothed(light, sample, Antialias(n))[..., 0] - exact).max()
        assert off < bound < before


def test_samples_lie_one_in_each_square() -> None:
    """The places of n x n samples are one in each of as many squares of the pixel."""
    for n in (1, 2, 3, 8):
        for pattern in (0, 1):
            found = {(int((x + 0.5) * n), int((y + 0.5) * n)) for x, y in places(n, pattern)}
            assert found == {(k, j) for k in range(n) for j in range(n)}
    assert places(3) == places(3) != places(3, 1)


def picture(n: int, threshold: float) -> tuple[Any, Any, Any]:
    """Smooth a scene; give the light before, after, and full supersampling with many samples."""
    scene = scenes["seahorse_valley"]
    request, look = request_of(scene, *SIZE), look_of(scene)
    points = points_of(request)
    cell = Cell(0, 0, SIZE[1], SIZE[0])
    asked = 0

    def sample(right: float, down: float, mask: Any) -> Any:
        nonlocal asked
        asked += int(mask.sum())
        fields = points.fields(cell, (right, down), todo=mask)
        flat = {name: array[mask][None] for name, array in fields.items()}
        return paint(flat, look, width_px=SIZE[0])[0]

    light = paint(points.fields(cell), look)
    return light, smoothed(light, sample, Antialias(n, threshold)), asked


def test_only_edges_are_touched_and_they_are_as_in_full_supersampling() -> None:
    """Pixels at edges are those of full supersampling, bit by bit; all others stay as they were."""
    light, some, asked = picture(3, 0.05)
    _, all_, everything = picture(3, -1.0)
    marked = edges(light, 0.05)
    assert np.array_equal(some[marked], all_[marked])
    assert np.array_equal(some[~marked], light[~marked])
    assert 0.02 < marked.mean() < 0.9
    assert (asked, everything) == (9 * marked.sum(), 9 * SIZE[0] * SIZE[1])


def test_what_is_left_out_is_not_seen() -> None:
    """Away from edges full supersampling would change hardly anything."""
    light, some, _ = picture(4, 0.02)
    _, all_, _ = picture(4, -1.0)
    lab = [lab_planes(np.moveaxis(np.clip(one, 0, 1), -1, 0)) for one in (some, all_, light)]
    apart = np.sqrt(((lab[0] - lab[1]) ** 2).sum(axis=0))
    before = np.sqrt(((lab[2] - lab[1]) ** 2).sum(axis=0))
    assert apart.mean() < 0.002 and np.quantile(apart, 0.99) < 0.02
    assert before.mean() > 10 * apart.mean()


def test_it_is_the_same_every_time() -> None:
    """Jitter depends on nothing but the pixel."""
    assert np.array_equal(picture(2, 0.05)[1], picture(2, 0.05)[1])


def test_level_colours_have_no_edges() -> None:
    """A picture of one colour is not sampled again, one of two along their border only."""
    light = np.full((6, 8, 3), 0.5, np.float32)
    assert not edges(light, 0.0).any()
    light[:, 4:] = 0.1
    assert np.flatnonzero(edges(light, 0.03)[2]).tolist() == [3, 4]
    light[0, 0] = np.nan  # NaN is shown as black
    assert edges(light, 0.03)[1, 1]


@pytest.mark.parametrize("given", [{"samples": 0}, {"samples": 9}, {"samples": True},
                                   {"samples": 2.0}, {"threshold": 2}, {"threshold": float("nan")},
                                   {"threshold": "low"}])  # fmt: skip
def test_bad_settings_are_refused(given: dict[str, Any]) -> None:
    """Counts and thresholds that mean nothing are refused in one sentence."""
    with pytest.raises(InvalidInput, match="expected a"):
        Antialias(**given)
