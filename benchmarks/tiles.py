"""How many tiles a second a Dask cluster makes: two worker processes beside one.

A scheduler and its workers are started as processes of their own, each worker with one thread.
They make the same heavy poster in turns, with two workers and with one: 70 % of its points are
inside, no shortcut is taken, so that the writing process has little to do. The peer is one worker,
in the same run. ``python -m benchmarks.tiles 5000`` takes fewer steps.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fraktal_kernel.fractals.planner import request_of
from fraktal_kernel.fractals.poster import poster
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.view import View

VIEW = View("-0.25", "0", "1.6")
SIDE, TILE, MAX_ITER = 4096, 512, 20_000
MEMORY = (200 << 20) + (40 << 20)  # so little that a cell is one tile
ROUNDS = 2
TARGET = 1.8


def started(stack: ExitStack, *command: str) -> None:
    """Start one of Dask's programs, which ends with the stack."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)


def cluster(stack: ExitStack, workers: int) -> str:
    """Start a cluster of some workers of one thread, and give its address."""
    from distributed import Client

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiles")))
    contact = folder / "scheduler.json"
    here = "--host", "127.0.0.1"
    keep = "--port", "0", "--no-dashboard", "--scheduler-file", str(contact)
    started(stack, "distributed.cli.dask_scheduler", *here, *keep)
    while not contact.exists() or not contact.read_text():
        time.sleep(0.05)
    address = str(json.loads(contact.read_text())["address"])
    small = "--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--no-nanny"
    for _ in range(workers):
        place = "--local-directory", str(folder)
        started(stack, "distributed.cli.dask_worker", address, *here, *small, *place)
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
    return address


def made(address: str, side: int, max_iter: int) -> tuple[float, float]:
    """Make the poster by a cluster: tiles a second, and what part of the time workers computed."""
    from distributed import Client, get_task_stream

    scene = Scene(view=VIEW, max_iter=max_iter)
    # Without shortcuts each point inside takes all its steps.
    request = replace(request_of(scene, side, side), shortcuts=False)
    with (
        tempfile.TemporaryDirectory(prefix="tiles") as folder,
        Client(address, set_as_default=False) as client,
        get_task_stream(client=client) as stream,
    ):
        workers = len(client.nthreads())
        done = poster(
            *(Path(folder) / "a.tif", request),
            tile=TILE,
            compression="zstd",
            memory_bytes=MEMORY,
            scheduler=address,
        )
    spans = [span for task in stream.data for span in task["startstops"]]
    computed = sum(span["stop"] - span["start"] for span in spans if span["action"] == "compute")
    return done.tiles / done.seconds, computed / (workers * done.seconds)


def main() -> None:
    max_iter = int(sys.argv[1]) if len(sys.argv) > 1 else MAX_ITER
    with ExitStack() as stack:
        one, two = cluster(stack, 1), cluster(stack, 2)
        for address in (one, two):  # what is compiled or imported once is no throughput
            made(address, 2 * TILE, 100)
        found: dict[str, list[tuple[float, float]]] = {one: [], two: []}
        for _ in range(ROUNDS):
            for address, runs in found.items():
                runs.append(made(address, SIDE, max_iter))
    alone, both = (statistics.mean(rate for rate, _ in found[address]) for address in (one, two))
    busy = {address: statistics.mean(part for _, part in runs) for address, runs in found.items()}
    print(
        f"{SIDE} x {SIDE} pixels in tiles of {TILE}, up to {max_iter:,} steps, mean of {ROUNDS}: "
        f"one worker {alone:.3g}, two {both:.3g} tiles/s, {both / alone:.2f} times as many (target "
        f"{TARGET}); both computed {busy[two]:.0%} of the time, the one {busy[one]:.0%}"
    )
    line = {
        "figure": "tiles_dask",
        "value": both,
        "unit": "tiles/s",
        "peer": f"one worker process {alone:.3g} tiles/s, target ratio {TARGET}",
        "ratio": both / alone,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
