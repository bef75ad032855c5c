"""How long whole views take at any depth, reference orbit included, in a warm process.

Each view of `locations.json` is computed at 800 x 600 (escape counts and continuous counts). Code
is compiled before; the orbit is not kept from one run to the next, but for the last column, where
it comes from the disk. Beside them stands what Fractalshades 1.2.1 took in a warm process on two
cores of the same kind; it is not run here.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

SIZE = (800, 600)
ROUNDS = 3
LOCATIONS = Path(__file__).with_name("locations.json")
# Seconds on the wall that Fractalshades took; None: nothing after 15 minutes, or never measured.
FRACTALSHADES_S: dict[str, float | None] = {
    "deep_full_set": 1.1,
    "deep_interior_heavy": None,
    "deep_period3_minibrot": None,
    "deep_seahorse_valley": 6.1,
    "deep_minibrot_e21": None,
    "deep_double_embedded_julia_e21": 9.1,
    "deep_dinkydau_flake_e157": 8.8,
    "deep_deep_minibrot_e433": 75.0,
    "deep_perturbdeep_e2608": None,
    "deep_burning_ship_e261": 27.0,
    "deep_burning_ship_e101": None,
    "deep_shark_fin_e709": 111.0,
    "deep_e1086": None,
}


def main() -> None:
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FRAKTAL_CACHE"] = folder
        for location in json.loads(LOCATIONS.read_text()):
            if not wanted or location["name"] in wanted:
                measure(location, Path(folder) / "orbits")


def measure(location: dict[str, str], orbits: Path) -> None:
    from fraktal_kernel.fractals import compute

    def seconds() -> tuple[float, str]:
        began = time.perf_counter()
        done = compute(
            *(location["formula"], location["re"], location["im"], location["width"]),
            max_iter=int(location["max_iter"]),
            size=SIZE,
        )
        return time.perf_counter() - began, done.method

    seconds()  # compiles what is needed
    whole = []
    for _ in range(ROUNDS):
        shutil.rmtree(orbits, ignore_errors=True)
        whole.append(seconds()[0])
    again, method = seconds()
    figure = f"deep_{location['name']}"
    peer = FRACTALSHADES_S[figure]
    best = min(whole)
    beside = f"{peer / best:6.1f}x Fractalshades' {peer} s" if peer else ""
    print(f"{location['name']:26} {best:7.2f} s, orbit kept {again:6.2f} s {beside}  [{method}]")
    line = {"figure": figure, "value": best, "unit": "s", "orbit_kept_s": again, "method": method}
    if peer:
        line |= {"peer": f"Fractalshades 1.2.1: {peer} s", "ratio": peer / best}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
