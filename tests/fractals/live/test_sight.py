"""Pictures of one scene after another: what is used again is what would be computed anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, Seed, View, render, scenes
from fraktal_kernel.fractals.colouring import looks
from fraktal_kernel.fractals.lattice import shifted, snapped
from fraktal_kernel.fractals.live import LEVELS, Sight
from fraktal_kernel.fractals.live import samples as module
from fraktal_kernel.fractals.perturbation import Perturbation

WIDTH, HEIGHT = 101, 74
PLAIN = replace(scenes["seahorse"], max_iter=500)
DEEP = replace(scenes["deep_wheel"], max_iter=20_000, look=None)


def finest(sight: Sight, scene: Scene) -> Any:
    """Draw a picture to its last level."""
    *_, (step, pixels) = sight.levels(scene, WIDTH, HEIGHT)
    assert step == 1
    return pixels


def panned(scene: Scene, columns: int, rows: int) -> Scene:
    """Move a scene by whole pixels."""
    return replace(scene, view=shifted(scene.view, columns, rows, WIDTH))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the points that are computed in float64, call by call."""
    counts: list[int] = []
    fill: Callable[..., int] = module.fill

    def counted(out: Any, task: Any, slopes: Any, *, todo: Any, crew: Any) -> int:
        counts.append(int(todo.sum()))
        return fill(out, task, slopes, todo=todo, crew=crew)

    monkeypatch.setattr(module, "fill", counted)
    return counts


@pytest.mark.parametrize(
    "scene",
    [
        PLAIN,
        replace(PLAIN, look=looks["histogram"]),
        Scene("burning_ship", View("-1.75", "0.03", "0.13"), max_iter=300),
        Scene("multibrot", View("0", "0", "3"), Seed("0.4", "0.5"), parameters={"power": 3}),
    ],
    ids=["palette", "look", "ship", "julia"],
)
def test_a_moved_view_is_to_the_bit_what_a_fresh_one_is(scene: Scene, computed: list[int]) -> None:
    """After any moves by whole pixels, in any direction, the picture is that of a fresh sight."""
    sight = Sight()
    finest(sight, scene)
    for columns, rows in ((10, 0), (-3, 17), (0, -30), (90, 60), (500, 0)):
        scene = panned(scene, columns, rows)
        assert np.array_equal(finest(sight, scene), finest(Sight(), scene))


def test_only_what_comes_into_sight_is_computed(computed: list[int]) -> None:
    """A pan computes the new edge, other colours nothing, and each sample is computed once."""
    sight = Sight()
    finest(sight, PLAIN)
    whole = sum(computed)
    edge = (-HEIGHT % LEVELS[0]) * (WIDTH + LEVELS[0]) + (-WIDTH % LEVELS[0]) * HEIGHT
    assert WIDTH * HEIGHT <= whole <= WIDTH * HEIGHT + edge
    computed.clear()
    finest(sight, replace(PLAIN, density=2.0, palette="ember"))
    assert sum(computed) == 0
    finest(sight, panned(PLAIN, 0, -5))
    assert 5 * WIDTH <= sum(computed) <= 5 * WIDTH + edge


def test_what_a_stopped_picture_knew_is_not_lost(computed: list[int]) -> None:
    """Levels that were finished before somebody looked elsewhere are there for the next picture."""
    sight = Sight()
    for step, _ in sight.levels(PLAIN, WIDTH, HEIGHT):
        if step == 3:
            break
    known = sum(computed)
    finest(sight, PLAIN)
    assert sum(computed) - known <= WIDTH * HEIGHT - known + 9 * (WIDTH + HEIGHT + 9)


def test_a_changed_limit_or_width_begins_anew(computed: list[int]) -> None:
    """Nothing is used again that would be another number."""
    sight = Sight()
    finest(sight, PLAIN)
    for scene in (replace(PLAIN, max_iter=501), replace(PLAIN, view=PLAIN.view.zoomed(2))):
        computed.clear()
        assert np.array_equal(finest(sight, scene), finest(Sight(), scene))
        assert computed[0] > 0


@pytest.mark.parametrize("name", ["celtic_crown", "lambda_silk", "newton_flower", "deep_wheel"])
def test_the_last_level_is_what_is_rendered(name: str) -> None:
    """Any scene: other formulas, turned, with a look, deep; but for a last bit of its colours."""
    scene = replace(scenes[name], max_iter=min(scenes[name].max_iter, 20_000))
    pixels = finest(Sight(), replace(scene, look=scene.look or looks["smooth"]))
    look = replace(scene, look=scene.look or looks["smooth"])
    off = np.abs(pixels.astype(int) - render(look, WIDTH, HEIGHT).pixels.astype(int))
    assert (off <= 1).mean() > 0.995


def test_a_deep_pan_uses_the_reference_and_the_pixels_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside one orbit: fewer points, the same counts but for where references differ."""
    orbits: list[object] = []
    monkeypatch.setattr(
        Perturbation,
        "reference",
        lambda self, *args, **more: orbits.append(1) or reference(self, *args, **more),
    )
    sight = Sight()
    finest(sight, DEEP)
    moved = panned(DEEP, 12, -9)
    again = finest(sight, moved)
    assert len(orbits) == 1
    deeper = replace(moved, view=snapped(moved.view.zoomed(3, (0.2, 0.1)), WIDTH))
    finest(sight, deeper)
    assert len(orbits) == 1
    fresh = finest(Sight(), moved)
    assert (np.abs(again.astype(int) - fresh.astype(int)) <= 1).mean() > 0.995
    far = replace(deeper, view=replace(deeper.view, width="1e-30"))
    finest(sight, far)
    assert len(orbits) == 3  # the fresh sight's, and one for a view far narrower


reference = Perturbation.reference


@pytest.mark.parametrize("name", ["deep_wheel", "deep_flake"])
def test_coarse_samples_of_a_deep_picture_are_centres_of_fine_ones(name: str) -> None:
    """A level is what the finest has at its centres, with whole periods as single steps too."""
    scene = replace(scenes[name], look=None, view=replace(scenes[name].view, rotation_deg=20))
    levels = dict(Sight().levels(scene, 81, 63))
    for step in (9, 3):
        centres = levels[1][step // 2 :: step, step // 2 :: step].astype(int)
        assert np.abs(centres - levels[step]).max() <= 1


def test_looks_of_coarse_levels_resemble_the_finest() -> None:
    """Lengths are scaled with the samples: a coarse relief is as steep as the fine one."""
    scene = replace(PLAIN, look=looks["relief"])
    means = [pixels.mean() for _, pixels in Sight().levels(scene, 270, 180)]
    assert means[0] == pytest.approx(means[-1], rel=0.12)
    assert means[1] == pytest.approx(means[-1], rel=0.06)


def test_a_deep_picture_ends_when_it_is_superseded() -> None:
    """Nothing more comes, and no error, once a newer view is wanted."""
    steps: list[int] = []
    for step, _ in Sight().levels(DEEP, 400, 300, lambda: bool(steps)):
        steps.append(step)
    assert steps == [9]


def test_progress_rises_to_the_end() -> None:
    """The reference and the rows tell of themselves as parts of one whole."""
    told: list[float] = []
    deque = list(Sight().levels(DEEP, 120, 90, progress=lambda done, text: told.append(done)))
    assert len(deque) == 3
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_what_no_method_computes_is_refused_before_any_work() -> None:
    """The method is named in a word, or a sentence says why there is none."""
    assert Sight.method(PLAIN, 80, 60) == "float64"
    assert Sight.method(DEEP, 80, 60) == "perturbation"
    with pytest.raises(InvalidInput, match="no polynomial"):
        Sight.method(Scene("newton", View("0.1", "0.2", "1e-30")), 80, 60)
