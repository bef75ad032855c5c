"""Posters made by a Dask cluster: the same pixels, whoever makes them and whoever dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from fraktal_kernel.errors import InvalidInput, Unavailable
from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.colouring import looks
from fraktal_kernel.fractals.planner import request_of
from fraktal_kernel.fractals.poster import Antialias, poster
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.storage import read_fields
from fraktal_kernel.fractals.view import View
from tests.conftest import free_port

tifffile = pytest.importorskip("tifffile")
distributed = pytest.importorskip("distributed")

# So little that every cell is one tile, or a few.
TIGHT = (200 << 20) + (4 << 20)
SIZE = (700, 500)
SCENE = replace(scenes["full_set"], max_iter=300)
TURNED = replace(SCENE, view=replace(SCENE.view, rotation_deg=30), look=looks["relief"])
DEEP = Scene(
    view=View("-1.768667862837488812627419470", "0.001645580546820209430325900", "12e-22"),
    max_iter=20_000,
)


def until(condition: Callable[[], Any], timeout_s: float = 60) -> Any:
    """Wait until something holds, and give it."""
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)
    return found


def busy_workers(scheduler: Any) -> list[int]:
    """Give the process ids of the workers that compute just now."""
    pids: dict[str, int] = scheduler.run(lambda dask_worker: _pid_if_busy(dask_worker))
    return [pid for pid in pids.values() if pid]


def _pid_if_busy(dask_worker: Any) -> int:
    import os

    return os.getpid() if dask_worker.state.executing_count else 0


@pytest.mark.parametrize("scene", [SCENE, TURNED, DEEP], ids=["float64", "turned relief", "deep"])
def test_a_cluster_gives_the_same_pixels(dask_scheduler: str, tmp_path: Path, scene: Scene) -> None:
    """Two worker processes make, bit by bit, the poster that this process makes."""
    more: Any = {"tile": 128, "memory_bytes": TIGHT + (8 << 20), "antialias": Antialias(2, 0.1)}
    poster(tmp_path / "here.tif", scene, 300, 200, **more)
    done = poster(tmp_path / "there.tif", scene, 300, 200, scheduler=dask_scheduler, **more)
    here, there = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("here", "there"))
    assert np.array_equal(here, there)
    assert done.made == done.tiles == 6
    assert len(np.unique(here.reshape(-1, 3), axis=0)) > 50


def test_fields_come_from_a_cluster_too(dask_scheduler: str, tmp_path: Path) -> None:
    """What a zarr keeps beside its picture is the same from a cluster."""
    for name, scheduler in (("here", ""), ("there", dask_scheduler)):
        place = tmp_path / f"{name}.zarr"
        poster(place, SCENE, 300, 200, fields=("iterations",), tile=128, scheduler=scheduler)
    here, there = (read_fields(tmp_path / f"{name}.zarr")[0] for name in ("here", "there"))
    assert np.array_equal(here["iterations"], there["iterations"])


def test_the_tiles_of_a_killed_worker_are_made_by_another(
    dask_scheduler: str, tmp_path: Path
) -> None:
    """A worker that is killed in the middle of its tile costs time, and no pixel."""
    slow = replace(request_of(SCENE, *SIZE), max_iter=20_000, shortcuts=False)
    tight: Any = {"tile": 128, "memory_bytes": TIGHT}
    begun = threading.Event()

    def kill() -> None:
        begun.wait(60)
        psutil.Process(until(lambda: busy_workers(client))[0]).kill()

    def progress(fraction: float, text: str) -> None:
        begun.set()

    with distributed.Client(dask_scheduler, set_as_default=False) as client:
        before = set(client.nthreads())
        killing = threading.Thread(target=kill)
        killing.start()
        place = tmp_path / "there.tif"
        done = poster(place, slow, scheduler=dask_scheduler, progress=progress, **tight)
        killing.join()
        # The nanny of the killed one starts another for the tests to come.
        until(lambda: len(client.nthreads()) == 2 and set(client.nthreads()) != before)
    poster(tmp_path / "here.tif", slow, **tight)
    here, there = (tifffile.imread(tmp_path / f"{name}.tif") for name in ("here", "there"))
    assert np.array_equal(here, there)
    assert done.made == 24


def test_a_cancel_frees_the_cluster(dask_scheduler: str, tmp_path: Path) -> None:
    """A cancel does not wait for tiles that take minutes, and neither do the workers."""
    began: list[float] = []
    endless = replace(SCENE, max_iter=10**9)
    with distributed.Client(dask_scheduler, set_as_default=False) as client:

        def cancel_when_busy() -> None:
            until(lambda: len(busy_workers(client)) == 2)
            began.append(time.perf_counter())

        watching = threading.Thread(target=cancel_when_busy)
        watching.start()
        with pytest.raises(Stopped):
            poster(
                *(tmp_path / "a.tif", endless, 2000, 2000),
                scheduler=dask_scheduler,
                cancelled=lambda: bool(began),
            )
        # Tests share their machine, hence bounds that only tell it from waiting for the tiles.
        assert time.perf_counter() - began[0] < 5
        watching.join()
        until(lambda: not busy_workers(client), 20)


def test_a_wrong_address_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing is begun, and one sentence says what is wrong."""
    place = tmp_path / "a.tif"
    with pytest.raises(Unavailable, match=r"does not answer .*; start it, or mend the address\."):
        poster(place, SCENE, *SIZE, scheduler=f"tcp://127.0.0.1:{free_port()}")
    for address in ("nonsense", "tcp://host:port", "http://127.0.0.1:80"):
        with pytest.raises(InvalidInput, match=r"scheduler is .* expected an address"):
            poster(place, SCENE, *SIZE, scheduler=address)
    assert list(tmp_path.iterdir()) == []
