"""How many tiles a second a Dask cluster makes: two worker processes beside one.

A scheduler and its workers are started as processes of their own, each worker with one thread, and
set as docs/posters.md says. They make the same heavy poster in turns, with two workers and with
one, and no cluster stands idle while the other works, which would take its part of the same
processors. 70 % of the points are inside, no shortcut is taken, so that the writing process has
little to do. The peer is one worker, in the same run. ``python -m benchmarks.tiles 5000
2048`` takes fewer steps and a smaller side.

Beside the times on the wall, which anything else on the machine spoils, stands what the processes
took of the processors: the workers, and the scheduler with the process that writes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
# A scheduler and workers that look up once a second, not fifty times, and sample no stacks.
QUIET = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One poster by one cluster.

    Parameters
    ----------
    rate : tiles a second, on the wall
    computed : which part of the time the workers computed
    workers_s, else_s : of the processors for a tile: by the workers, and by the scheduler with the
        process that writes
    """

    rate: float
    computed: float
    workers_s: float
    else_s: float


def started(stack: ExitStack, *command: str) -> int:
    """Start one of Dask's programs, which ends with the stack, and give its number."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | QUIET,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process.pid


def cluster(stack: ExitStack, workers: int) -> tuple[str, list[int]]:
    """Start a cluster of some workers of one thread; give its address and its processes."""
    from distributed import Client

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiles")))
    contact = folder / "scheduler.json"
    here = "--host", "127.0.0.1"
    keep = "--port", "0", "--no-dashboard", "--scheduler-file", str(contact)
    processes = [started(stack, "distributed.cli.dask_scheduler", *here, *keep)]
    while not contact.exists() or not contact.read_text():
        time.sleep(0.05)
    address = str(json.loads(contact.read_text())["address"])
    small = "--nthreads", "1", "--memory-limit", "0", "--no-dashboard", "--no-nanny"
    for _ in range(workers):
        place = "--local-directory", str(folder)
        command = "distributed.cli.dask_worker", address, *here, *small, *place
        processes.append(started(stack, *command))
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
    return address, processes


def spent(processes: list[int]) -> tuple[float, float]:
    """Give the seconds of the processors that workers took; and the scheduler and this process."""
    import psutil

    times = [psutil.Process(number).cpu_times() for number in processes]
    scheduler, *workers = (one.user + one.system for one in times)
    return sum(workers), scheduler + time.process_time()


def made(address: str, processes: list[int], side: int, max_iter: int) -> Run:
    """Make the poster by a cluster."""
    from distributed import Client, get_task_stream

    scene = Scene(view=VIEW, max_iter=max_iter)
    # Without shortcuts each point inside takes all its steps.
    request = replace(request_of(scene, side, side), shortcuts=False)
    with (
        tempfile.TemporaryDirectory(prefix="tiles") as folder,
        Client(address, set_as_default=False) as client,
        get_task_stream(client=client) as stream,
    ):
        before = spent(processes)
        done = poster(
            *(Path(folder) / "a.tif", request),
            tile=TILE,
            compression="zstd",
            memory_bytes=MEMORY,
            scheduler=address,
        )
        after = spent(processes)
    spans = [span for task in stream.data for span in task["startstops"]]
    computed = sum(span["stop"] - span["start"] for span in spans if span["action"] == "compute")
    workers_s, else_s = (late - early for early, late in zip(before, after, strict=True))
    return Run(
        done.tiles / done.seconds,
        computed / ((len(processes) - 1) * done.seconds),
        workers_s / done.tiles,
        else_s / done.tiles,
    )


def main() -> None:
    max_iter = int(sys.argv[1]) if len(sys.argv) > 1 else MAX_ITER
    side = int(sys.argv[2]) if len(sys.argv) > 2 else SIDE
    found: dict[int, list[Run]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for workers, runs in found.items():
            with ExitStack() as stack:
                place = cluster(stack, workers)
                made(*place, 2 * TILE, 100)  # what is compiled or imported once is no throughput
                runs.append(made(*place, side, max_iter))
    alone, both = (
        {name: statistics.mean(getattr(run, name) for run in runs) for name in Run.__slots__}
        for runs in found.values()
    )
    ratio = both["rate"] / alone["rate"]
    print(
        f"{side} x {side} pixels in tiles of {TILE}, up to {max_iter:,} steps, mean of {ROUNDS}: "
        f"one worker {alone['rate']:.3g}, two {both['rate']:.3g} tiles/s, {ratio:.2f} times as "
        f"many (target {TARGET}); both computed {both['computed']:.0%} of the time, the one "
        f"{alone['computed']:.0%}; of the processors a tile took {alone['workers_s']:.3f} s in the "
        f"one worker, {both['workers_s']:.3f} s in one of two, and {alone['else_s']:.3f} and "
        f"{both['else_s']:.3f} s elsewhere"
    )
    line = {
        "figure": "tiles_dask",
        "value": both["rate"],
        "unit": "tiles/s",
        "peer": f"one worker process {alone['rate']:.3g} tiles/s, target ratio {TARGET}",
        "ratio": ratio,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
