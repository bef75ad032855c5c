"""How many tiles a second a Dask cluster makes: two worker processes beside one.

A scheduler and its workers are started as processes of their own, each worker with one thread.
They make the same heavy poster, once with two workers and once with one, in turns: views where
neither writing nor the network counts. The peer is one worker, in the same run.
``python -m benchmarks.tiles 20000`` takes fewer iterations.
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

from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.planner import request_of
from fraktal_kernel.fractals.poster import poster

SIDE, TILE, MAX_ITER = 2048, 128, 150_000
MEMORY = (200 << 20) + (4 << 20)  # so little that a cell is one tile or a few
ROUNDS = 3
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


def tiles_a_second(address: str, side: int, max_iter: int) -> float:
    """Make the poster by a cluster."""
    scene = replace(scenes["seahorse"], max_iter=max_iter)
    # Without shortcuts each point inside takes all its steps: tiles differ as they do in earnest.
    request = replace(request_of(scene, side, side), shortcuts=False)
    with tempfile.TemporaryDirectory(prefix="tiles") as folder:
        done = poster(
            *(Path(folder) / "a.tif", request),
            tile=TILE,
            memory_bytes=MEMORY,
            scheduler=address,
        )
    return done.tiles / done.seconds


def main() -> None:
    max_iter = int(sys.argv[1]) if len(sys.argv) > 1 else MAX_ITER
    with ExitStack() as stack:
        one, two = cluster(stack, 1), cluster(stack, 2)
        for address in (one, two):  # what is compiled or imported once is no throughput
            tiles_a_second(address, 2 * TILE, 100)
        rates: dict[str, list[float]] = {one: [], two: []}
        for _ in range(ROUNDS):
            for address, found in rates.items():
                found.append(tiles_a_second(address, SIDE, max_iter))
    alone, both = (statistics.median(found) for found in rates.values())
    print(
        f"{SIDE} x {SIDE} pixels of 'seahorse' in tiles of {TILE}, {max_iter:,} steps, median of "
        f"{ROUNDS}: one worker {alone:.3g}, two {both:.3g} tiles/s, {both / alone:.2f} times as "
        f"many (target {TARGET})"
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
