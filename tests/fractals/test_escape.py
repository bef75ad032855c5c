"""The kernel, against a scalar reference, closed forms and itself."""

from __future__ import annotations

import cmath
import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, Seed, Stopped, View, compute, escape, scenes
from fraktal_kernel.fractals.escape import SHORTCUTS, Grid, fill
from fraktal_kernel.fractals.formulas import formulas
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.lanes import task
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.recipe import task_of
from fraktal_kernel.fractals.lanes.rows import INSIDE, TO_DO
from fraktal_kernel.fractals.render import is_plain

RADIUS = 1e3


def reference(scene: Scene, width: int, height: int) -> np.ndarray:
    """Smooth escape times in plain Python."""
    out = np.empty((height, width))
    pixel = float(scene.view.width) / width
    for row in range(height):
        for column in range(width):
            point = complex(
                float(scene.view.re) + (column - (width - 1) / 2) * pixel,
                float(scene.view.im) + ((height - 1) / 2 - row) * pixel,
            )
            z, c = (0j, point)
            if scene.seed:
                z, c = point, complex(float(scene.seed.re), float(scene.seed.im))
            n = 0
            while abs(z) <= RADIUS and n < scene.max_iter:
                z = z * z + c
                n += 1
            if abs(z) <= RADIUS:
                out[row, column] = -1.0
            else:
                out[row, column] = max(0.0, n + 1 - math.log2(math.log(abs(z)) / math.log(2)))
    return out


def at(re: float, im: float, max_iter: int = 1000, **options: object) -> float:
    """Escape time of one point of the Mandelbrot plane."""
    scene = Scene(view=View(repr(re), repr(im), "1e-6"), max_iter=max_iter)
    return float(escape(scene, 1, 1, threads=1, **options).nu[0, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["full_set", "seahorse", "elephant", "julia_dragon"])
def test_counts_agree_with_a_scalar_reference(name: str) -> None:
    """Lanes, blocks and replay give what a loop over points gives, but for rounding at the edge."""
    scene = replace(scenes[name], max_iter=200)
    ours, plain = escape(scene, 61, 47).nu, reference(scene, 61, 47)
    same = np.isclose(ours, plain, rtol=0, atol=1e-6)
    assert same.mean() > 0.999


@pytest.mark.parametrize("max_iter", [1, 2, 15, 16, 17, 31, 32, 33, 100])
def test_every_limit_is_kept_exactly(max_iter: int) -> None:
    """A point is inside if and only if it needs more steps than allowed, at block edges too."""
    scene = replace(scenes["full_set"], max_iter=max_iter)
    ours, plain = escape(scene, 53, 31).nu, reference(scene, 53, 31)
    assert np.array_equal(ours < 0, plain < 0)
    assert np.allclose(ours, plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in scenes if is_plain(scenes[name], 160)])
def test_shortcuts_change_no_count(name: str) -> None:
    """Cardioid, bulb and period checking together find what brute force finds, in every scene."""
    scene = replace(scenes[name], max_iter=min(scenes[name].max_iter, 2000))
    with_all = escape(scene, 160, 120)
    without = escape(scene, 160, 120, shortcuts=False)
    assert np.array_equal(with_all.nu, without.nu)
    assert with_all.iterations <= without.iterations


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_each_shortcut_alone_changes_no_count_and_saves_work(
    shortcut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each shortcut can be switched on alone, says so, and is worth having."""
    monkeypatch.setattr(task, "_WORTHWHILE", 0)
    scene = replace(scenes["full_set"], max_iter=3000)
    alone = escape(scene, 120, 90, shortcuts=[shortcut])
    without = escape(scene, 120, 90, shortcuts=())
    assert np.array_equal(alone.nu, without.nu)
    assert alone.iterations < without.iterations
    assert shortcut in alone.method
    assert "none" in without.method


def test_discs_hold_nothing_that_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Around small copies of the set, turned or not, discs change no count, and save steps.

    Each view lies on the edge of some copy, where threads of the outside are thinner than pixels.
    """
    monkeypatch.setattr(task, "_WORTHWHILE", 0)
    random = np.random.default_rng(5)
    formula = formulas["mandelbrot"]
    saved = 0
    for k in range(24):
        # A point of the edge of the copy of period 3, or of the set itself, and a view around it.
        angle = 2j * math.pi * random.random()
        edge = cmath.exp(angle) / 2 - cmath.exp(2 * angle) / 4
        centre = edge if k % 2 else -1.7548776662 + 0.01906 * edge
        width = 10.0 ** random.uniform(-3, -0.5) * (1 if k % 2 else 0.02)
        view = View(repr(centre.real), repr(centre.imag), repr(width))
        geometry = Geometry(view, 120, 90, matrix_of(30 * k, ((1, 0.3), (0, 1))))
        counts = []
        for names in (("period",), ("period", "discs")):
            one = np.full((90, 120), TO_DO, np.int64)
            task.count(task_of(formula, geometry, 3000, None, names), one, crew=Crew(2))
            counts.append(one)
        assert np.array_equal(counts[0] <= INSIDE, counts[1] <= INSIDE)
        outside = counts[0] > INSIDE
        assert np.array_equal(counts[0][outside], counts[1][outside])
        saved += int((INSIDE - counts[0][counts[1] == INSIDE]).sum())
    assert saved > 50_000_000


def test_discs_change_no_field_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that are walked first, to find discs, leave all behind that the others do."""
    monkeypatch.setattr(task, "_WORTHWHILE", 0)
    view, size = {"re": "-1.7548776662", "im": "0", "width": "0.05"}, (90, 60)
    names = ("iterations", "smooth", "distance", "normal", "angle", "z", "derivative", "triangle")
    made = [
        compute(**view, max_iter=3000, size=size, fields=names, shortcuts=shortcuts).fields
        for shortcuts in (True, False)
    ]
    for name in names:
        assert np.array_equal(made[0][name], made[1][name], equal_nan=True), name


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads: int) -> None:
    """The picture and the count of steps do not depend on how many threads there are."""
    scene = replace(scenes["seahorse"], max_iter=700)
    one = escape(scene, 97, 71, threads=1)
    many = escape(scene, 97, 71, threads=threads)
    assert np.array_equal(one.nu, many.nu)
    assert one.iterations == many.iterations


def test_steps_are_counted_as_points_need_them() -> None:
    """Without shortcuts the count is the sum over points, whatever the lanes ran on."""
    scene = replace(scenes["full_set"], max_iter=150)
    field = escape(scene, 40, 30, shortcuts=False)
    plain = reference(scene, 40, 30)
    inside = int((plain < 0).sum())
    # From nu = n + 1 - log2(log2|z|) and RADIUS < |z| <= RADIUS**2 + |c| the whole n follows.
    steps = np.floor(plain[plain > 0] - 1 + math.log2(math.log2(RADIUS)) + 1)
    assert field.iterations == inside * 150 + int(steps.sum())


def test_the_set_is_symmetric() -> None:
    """Conjugate points have the same orbit, mirrored, to the last bit."""
    nu = escape(replace(scenes["full_set"], max_iter=500), 120, 91).nu
    assert np.array_equal(nu, nu[::-1])


def test_a_julia_set_looks_the_same_turned_half_round() -> None:
    """Z and -z have the same square."""
    nu = escape(replace(scenes["julia_dragon"], max_iter=500), 101, 81).nu
    assert np.array_equal(nu, nu[::-1, ::-1])


@pytest.mark.parametrize(
    ("re", "im"),
    [
        (0.0, 0.0),  # period 1
        (-1.0, 0.0),  # period 2
        (-1.7548776662466927, 0.0),  # period 3
        (-0.12256116687665362, 0.7448617666197442),  # period 3, the rabbit
        (0.2822713907669139, 0.5300606175785253),  # period 4
        (-2.0, 0.0),  # preperiodic: -2, 2, 2, 2, ...
        (0.25, 0.0),  # the cusp
    ],
)
def test_points_of_known_period_stay_inside(re: float, im: float) -> None:
    """Centres of components and preperiodic points never escape."""
    assert at(re, im, 20_000, shortcuts=False) == -1.0
    assert at(re, im, 20_000) == -1.0


def test_known_escape_times() -> None:
    """For c = 2 the orbit is 2, 6, 38, 1446: three steps above radius 1000 come after the first."""
    expected = 4 + 1 - math.log2(math.log2(1446))
    assert at(2.0, 0.0) == pytest.approx(expected, abs=1e-9)
    assert at(2.0, 0.0, max_iter=3) == -1.0
    assert at(2.0, 0.0, max_iter=4) == pytest.approx(expected, abs=1e-9)


def test_the_way_out_of_the_cusp_takes_pi_over_root() -> None:
    """At c = 1/4 + e the steps times sqrt(e) approach pi."""
    for exponent in (4, 6, 8):
        e = 10.0**-exponent
        assert at(0.25 + e, 0.0, 10**6) * math.sqrt(e) == pytest.approx(math.pi, rel=20 * e**0.5)


def test_the_smooth_count_has_no_steps() -> None:
    """Along a line through many whole counts the smooth count changes only a little."""
    scene = Scene(view=View("1.05", "0.1", "1.3"), max_iter=500)
    nu = escape(scene, 20_000, 1).nu[0]
    assert (nu > 0).all()
    assert nu.max() - nu.min() > 3
    assert np.abs(np.diff(nu)).max() < 0.01


def test_the_smooth_count_follows_from_any_radius() -> None:
    """Doubling the orbit once more moves the smooth count by next to nothing."""
    scene = Scene(view=View("0.5", "0.6", "0.1"), max_iter=500)
    nu = escape(scene, 1, 1).nu[0, 0]
    z, n, c = 0j, 0, complex(0.5, 0.6)
    while abs(z) < 1e100:
        z, n = z * z + c, n + 1
    assert nu == pytest.approx(n + 1 - math.log2(math.log2(abs(z))), abs=1e-5)


def test_pictures_of_any_shape_are_filled() -> None:
    """Rows that lanes do not divide, single pixels and single columns have no gaps."""
    for width, height in [(1, 1), (1, 97), (97, 1), (47, 3), (48, 2), (49, 1), (7, 7)]:
        nu = escape(scenes["full_set"], width, height).nu
        assert nu.shape == (height, width)
        assert not np.isnan(nu).any()


def test_only_what_is_missing_is_computed() -> None:
    """A field that is half done keeps what it has."""
    scene = replace(scenes["full_set"], max_iter=100)
    whole = escape(scene, 60, 40).nu
    nu = np.full((40, 60), np.nan)
    nu[::2] = 123.0
    fill(nu, scene, Grid.of(scene, 60, 40))
    assert (nu[::2] == 123.0).all()
    assert np.array_equal(nu[1::2], whole[1::2])


def test_bands_of_a_picture_are_the_picture() -> None:
    """Rows computed on their own are the rows of the whole."""
    scene = replace(scenes["seahorse"], max_iter=300)
    nu = np.full((10, 80), np.nan)
    fill(nu, scene, Grid.of(scene, 80, 60), row=25)
    assert np.array_equal(nu, escape(scene, 80, 60).nu[25:35])


def test_a_long_computation_stops_when_asked() -> None:
    """Cancelling ends even a picture whose single points take seconds, and leaves no thread."""
    scene = Scene(view=View("-0.1", "0", "0.1"), max_iter=10_000_000)
    began = time.monotonic()
    with pytest.raises(Stopped):
        escape(scene, 400, 400, shortcuts=False, cancelled=lambda: time.monotonic() > began + 0.3)
    assert not [t for t in threading.enumerate() if t.name.startswith("fractal")]


def test_what_cancelled_raises_comes_through() -> None:
    """A caller may raise its own error to stop."""

    def no() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        escape(Scene(view=View("0", "0", "0.1")), 200, 200, shortcuts=False, cancelled=no)


def test_progress_rises_and_speaks_of_rows() -> None:
    """Progress goes up and says how many rows of how many."""
    told: list[tuple[float, str]] = []
    scene = Scene(view=View("-0.1", "0", "0.2"), max_iter=200_000)
    escape(scene, 96, 64, shortcuts=False, progress=lambda f, text: told.append((f, text)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert told
    assert told[-1] == (1.0, "rows 64/64")


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (10**9, 10**9), (2.5, 2), (True, 2), ("9", 9)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    """Nothing, less than nothing, too much and no numbers at all."""
    with pytest.raises(InvalidInput, match="pixels"):
        escape(scenes["full_set"], *size)


def test_views_beyond_float64_are_refused() -> None:
    """Where neighbours are the same number we say so instead of drawing blocks."""
    with pytest.raises(InvalidInput, match="float64"):
        escape(Scene(view=View("-0.75", "0.1", "1e-15")), 800, 600)


def test_unknown_shortcuts_and_thread_counts_are_refused() -> None:
    """Options are checked, too."""
    with pytest.raises(InvalidInput, match="shortcut"):
        escape(scenes["full_set"], 8, 8, shortcuts=["magic"])
    with pytest.raises(InvalidInput, match="threads"):
        escape(scenes["full_set"], 8, 8, threads=0)


def test_a_seed_on_a_circle_gives_the_circle() -> None:
    """The Julia set of seed 0 is the unit disc, and escape there is the logarithm of |z|."""
    scene = Scene(view=View("0", "0", "4"), seed=Seed("0", "0"), max_iter=2000)
    nu = escape(scene, 201, 201).nu
    axis = (np.arange(201) - 100) * 4 / 201
    radius = np.hypot(axis[None, :], axis[:, None])
    assert np.array_equal(nu < 0, radius < 1)
    away = radius > 1.1
    expected = np.maximum(0, 1 - np.log2(np.log2(radius[away])))
    assert np.allclose(nu[away], expected, atol=1e-9)
