"""Orbits in little memory, and orbits on disk."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraktal_kernel.fractals.reference import compress, expand, kept_orbit, reference_orbit, storage

VIEW = ("-1.768667862837488812627419470", "0.001645580546820209430325900")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache in which everything is worth keeping."""
    kernels = storage.cache_folder("kernels")
    monkeypatch.setenv("FRAKTAL_CACHE", str(tmp_path))
    if kernels is not None:  # machine code need not be made again
        (tmp_path / "kernels").symlink_to(kernels)
    monkeypatch.setattr(storage, "_WORTH_S", 0.0)
    return tmp_path / "orbits"


def test_a_long_orbit_is_regained_from_few_waypoints() -> None:
    """A deep orbit shrinks a hundredfold and comes back within a few units in the last place."""
    orbit = reference_orbit("mandelbrot", *VIEW, bits=192, max_iter=60_000)
    short = compress(orbit, 2)
    again = expand(short)
    assert 100 * short.nbytes < orbit.z.nbytes
    np.testing.assert_allclose(again.z, orbit.z, rtol=2.0**-49)
    assert (again.c, again.state, again.ended) == (orbit.c, orbit.state, orbit.ended)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-2, 0.5),
    st.floats(-1.2, 1.2),
    st.sampled_from([2, 3, 4]),
    st.sampled_from([2.0**-50, 2.0**-40]),
)
def test_any_orbit_is_regained(re: float, im: float, power: int, tolerance: float) -> None:
    """Compressing and expanding keeps every value of any orbit within the tolerance."""
    name = "mandelbrot" if power == 2 else "multibrot"
    orbit = reference_orbit(
        name, re, im, bits=128, max_iter=3000, power=None if power == 2 else power
    )
    again = expand(compress(orbit, power, tolerance))
    off = np.abs(again.z - orbit.z) <= 2 * tolerance * np.abs(orbit.z)
    assert off.all()


def test_values_below_float64_survive() -> None:
    """The smallest values are kept as they are."""
    orbit = reference_orbit("mandelbrot", "-1." + "0" * 329 + "1", "0", bits=1280, max_iter=50)
    again = expand(compress(orbit, 2))
    assert np.array_equal(again.small_index, orbit.small_index)
    np.testing.assert_allclose(again.z, orbit.z, rtol=1e-14, atol=1e-300)


def test_an_orbit_is_found_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time nothing is computed, and another view of the point finds its own period."""
    first = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=30_000)
    assert len(list(folder.glob("*.npz"))) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("an engine was asked to compute.")

    from fraktal_kernel.fractals.reference.engines import QuadraticEngine

    monkeypatch.setattr(QuadraticEngine, "advance", refuse)
    again = kept_orbit("mandelbrot", *VIEW, bits=128, max_iter=30_000)
    np.testing.assert_allclose(again.z, first.z, rtol=2.0**-49)
    shorter = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=1000)
    assert len(shorter) == 1000
    near = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=30_000, radius="16e-22")
    assert (near.period, near.ended) == (2123, "period")
    wide = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=30_000, radius="0.01")
    assert 0 < wide.period < 2123


def test_an_orbit_is_continued_where_it_was_left(folder: Path) -> None:
    """More steps go on from the kept state; more bits begin anew, in a file of their own."""
    kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=5000)
    longer = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=9000)
    whole = reference_orbit("mandelbrot", *VIEW, bits=192, max_iter=9000)
    np.testing.assert_allclose(longer.z, whole.z, rtol=2.0**-49)
    assert longer.state == whole.state
    assert len(list(folder.glob("*.npz"))) == 1
    kept_orbit("mandelbrot", *VIEW, bits=640, max_iter=1000)
    assert len(list(folder.glob("*.npz"))) == 2


def test_folds_and_julia_sets_are_kept_too(folder: Path) -> None:
    """Orbits that are not compressed come back exactly, each under its own name."""
    cases = [
        {"formula": "burning_ship", "re": "-1.7", "im": "0.01"},
        {"formula": "mandelbrot", "re": "-1.7", "im": "0.01", "julia": ("-1", "0.1")},
        {"formula": "multibrot", "re": "-0.1", "im": "0.01", "power": 3},
    ]
    for case in cases:
        first = kept_orbit(**case, bits=128, max_iter=500)  # type: ignore[arg-type]
        again = kept_orbit(**case, bits=128, max_iter=500)  # type: ignore[arg-type]
        np.testing.assert_allclose(again.z, first.z, rtol=2.0**-49)
        assert again.start == first.start
    assert len(list(folder.glob("*.npz"))) == len(cases)


def test_broken_files_are_computed_anew(folder: Path) -> None:
    """A file that was cut, or is nonsense, is as if it were not there."""
    first = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=3000)
    (path,) = folder.glob("*.npz")
    whole = path.read_bytes()
    for broken in (b"", b"PK nonsense", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(broken)
        again = kept_orbit("mandelbrot", *VIEW, bits=192, max_iter=3000)
        assert np.array_equal(again.z, first.z)
        assert path.read_bytes() == whole


def test_the_oldest_give_way(folder: Path) -> None:
    """Only so many bytes are kept: what was not used for the longest time goes first."""
    recurrence = storage.recurrence_of("mandelbrot")
    orbit = reference_orbit(recurrence, *VIEW, bits=192, max_iter=3000)
    size = len(storage._written(orbit, recurrence))
    for name in ("a" * 32, "b" * 32, "c" * 32):
        storage.save(name, orbit, recurrence, max_bytes=2 * size + 10)
        time.sleep(0.02)
    assert [path.name[0] for path in sorted(folder.glob("*.npz"))] == ["b", "c"]
    storage.save("d" * 32, orbit, recurrence, max_bytes=size - 1)
    assert not list(folder.glob("d*"))


def test_without_a_folder_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no folder, orbits are computed each time."""
    monkeypatch.setattr(storage, "cache_folder", lambda _: None)
    assert len(kept_orbit("mandelbrot", "-1", "0.1", bits=64, max_iter=100)) > 0
