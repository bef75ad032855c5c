"""How long the first picture takes: on a fresh install, which compiles, and in the next process.

Each run is a process of its own that imports the library, renders the home scene at 800 x 600 and
writes it as PNG; the clock starts before Python does. The cold runs have an empty compile cache.
Of the warm ones, ``first_picture_start`` is the part behind the imports, as a notebook has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
TARGETS_S = {"first_picture_cold": 5.0, "first_picture_warm": 1.5, "first_picture_start": 0.3}
PROGRAM = """
import sys, time
from fraktal_kernel import fractals
began = time.perf_counter()
fractals.render("full_set", 800, 600).save(sys.argv[1])
print(time.perf_counter() - began)
"""


def seconds(cache: Path, target: Path) -> tuple[float, float]:
    """Make the picture in a fresh process and time it: all, and the part behind the imports."""
    environment = {**os.environ, "FRAKTAL_CACHE": str(cache)}
    # An installed package has its byte code beside it; without that, only parsing is measured.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", PROGRAM, str(target)]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    took = time.perf_counter() - began
    if not target.read_bytes().startswith(b"\x89PNG"):
        raise SystemExit("the first picture is no PNG.")
    target.unlink()
    return took, float(done.stdout)


def main() -> None:
    cold, warm, start = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds(folder / "bytecode", folder / "first.png")
        for count in range(ROUNDS):
            cold.append(seconds(folder / f"cache{count}", folder / "first.png")[0])
            for _ in range(2):
                took, behind = seconds(folder / f"cache{count}", folder / "first.png")
                warm.append(took)
                start.append(behind)
    every_figure = zip(TARGETS_S, (cold, warm, start), strict=True)
    for figure, times in every_figure:
        best, target = min(times), TARGETS_S[figure]
        every = ", ".join(f"{value:.2f}" for value in times)
        print(f"{figure:20} {best:5.2f} s (target < {target} s; all runs: {every})")
        line = {"figure": figure, "value": best, "unit": "s", "peer": f"target < {target} s"}
        print(json.dumps(line | {"ratio": best / target}))


if __name__ == "__main__":
    main()
