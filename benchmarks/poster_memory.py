"""How much memory a picture of 16,384 x 16,384 takes, with five fields kept beside it.

A process of its own computes, paints and stores it tile by tile in zarr; what it held in memory at
most is what the system says at its end. The five fields alone are 10 GiB if held as a whole.
``python -m benchmarks.poster_memory 4096`` does a smaller one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fraktal_kernel.fractals import scenes
from fraktal_kernel.fractals.poster import poster

SIDE = 16_384
BOUND_MIB = 2048
FIELDS = ("iterations", "smooth", "distance", "angle", "stripe")


def make(folder: str, side: int) -> None:
    """Make the poster in this process, and say what it took."""
    began = time.perf_counter()

    def progress(fraction: float, text: str) -> None:
        taken = time.perf_counter() - began
        print(f"\r{text}, {taken:.0f} s", end="", file=sys.stderr, flush=True)

    place = Path(folder) / "poster.zarr"
    poster(place, scenes["full_set"], side, side, fields=FIELDS, tile=1024, progress=progress)
    seconds = time.perf_counter() - began
    print(file=sys.stderr)
    stored = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    print(json.dumps({"peak_mib": peak_mib(), "seconds": seconds, "stored_mib": stored / 2**20}))


def peak_mib() -> float:
    """Say how much memory this process held at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not say how much memory a process held at most.")


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    folder = tempfile.mkdtemp(prefix="poster")
    try:
        command = [sys.executable, "-m", "benchmarks.poster_memory", "--make", folder, str(side)]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        shutil.rmtree(folder)
    found = json.loads(result.stdout)
    print(
        f"{side} x {side} with {', '.join(FIELDS)}: {found['peak_mib']:.0f} MiB of memory, "
        f"{found['seconds']:.0f} s, {found['stored_mib']:.0f} MiB stored"
    )
    whole = side * side * 8 * len(FIELDS) / 2**20
    line = {
        "figure": "poster_memory",
        "value": found["peak_mib"],
        "unit": "MiB",
        "peer": f"bound {BOUND_MIB} MiB; the fields alone {whole:.0f} MiB",
        "ratio": BOUND_MIB / found["peak_mib"],
    }
    if side == SIDE:
        print(json.dumps(line))
    else:
        print(f"the figure is for {SIDE} x {SIDE} alone")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2], int(sys.argv[3]))
    else:
        main()
