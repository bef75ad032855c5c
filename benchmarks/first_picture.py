"""How long the first picture takes: on a fresh install, which compiles, and in the next process.

Each run is a process of its own that imports the library, renders the home scene at 800 x 600 and
writes it as PNG; the clock starts before Python does. The cold runs have an empty compile cache.
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
TARGETS_S = {"first_picture_cold": 5.0, "first_picture_warm": 1.5}
PROGRAM = """
import sys
from fraktal_kernel import fractals
fractals.render("full_set", 800, 600).save(sys.argv[1])
"""


def seconds(cache: Path, target: Path) -> float:
    """Make the picture in a fresh process and time it."""
    environment = {**os.environ, "FRAKTAL_CACHE": str(cache)}
    # An installed package has its byte code beside it; without that, only parsing is measured.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", PROGRAM, str(target)], env=environment, check=True)
    took = time.perf_counter() - began
    if not target.read_bytes().startswith(b"\x89PNG"):
        raise SystemExit("the first picture is no PNG.")
    target.unlink()
    return took


def main() -> None:
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds(folder / "bytecode", folder / "first.png")
        for count in range(ROUNDS):
            cold.append(seconds(folder / f"cache{count}", folder / "first.png"))
            warm += [seconds(folder / f"cache{count}", folder / "first.png") for _ in range(2)]
    for figure, times in (("first_picture_cold", cold), ("first_picture_warm", warm)):
        best, target = min(times), TARGETS_S[figure]
        every = ", ".join(f"{value:.2f}" for value in times)
        print(f"{figure:20} {best:5.2f} s (target < {target} s; all runs: {every})")
        line = {"figure": figure, "value": best, "unit": "s", "peer": f"target < {target} s"}
        print(json.dumps(line | {"ratio": best / target}))


if __name__ == "__main__":
    main()
