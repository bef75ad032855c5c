"""How long whole views take at any depth, reference orbit included, in a warm process.

Each view of `locations.json` is computed at 800 x 600 and 1600 x 1200 (escape counts and continuous
counts). Code is compiled before; the orbit is not kept from one run to the next, but for the last
column, where it comes from the disk. For the deepest view, the orbit is timed alone as well.

With ``FRAKTAL_PEERS=1`` Fractalshades is installed in an environment of its own and computes the
same in turn, its process as warm as ours; a picture that takes longer than ``PEER_LIMIT_S`` is
stopped. Without, what it once took at 800 x 600 on two cores of the same kind is quoted, as what
Fraktaler-3 took always is: it has to be built by hand.
``make bench ONLY=deep_NAME`` measures one view.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks._peers import NotInstalled, Took, fractalshades, fractalshades_seconds

SIZES = ((800, 600), (1600, 1200))
ROUNDS, ENOUGH_S = 3, 20.0
PEER_LIMIT_S = 300.0
LOCATIONS = Path(__file__).with_name("locations.json")
DEEPEST = "perturbdeep_e2608"
# Views that Fractalshades is told to look for interior in, as its own examples do.
INTERIOR = {"deep_minibrot_e433", "minibrot_e21"}
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
# The same of Fraktaler-3 2.1 from the command line, untuned, two cores of Cascade Lake at 2.5 GHz.
FRAKTALER_S: dict[str, float] = {
    "deep_full_set": 0.86,
    "deep_seahorse_valley": 10.6,
    "deep_double_embedded_julia_e21": 11.7,
    "deep_dinkydau_flake_e157": 2.55,
    "deep_burning_ship_e261": 3.4,
}


def main() -> None:
    wanted = [view_of(figure) for figure in sys.argv[1:] or os.environ.get("FIGURE", "").split()]
    python = peer()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FRAKTAL_CACHE"] = folder
        for location in json.loads(LOCATIONS.read_text()):
            if not wanted or location["name"] in wanted:
                beside = beside_us(python, location)
                measure(location, Path(folder) / "orbits", beside)


def view_of(figure: str) -> str:
    """Give the view that a figure is about.

    >>> view_of("deep_full_set_1600")
    'full_set'
    """
    return re.sub(r"^deep_|_1600$|_over_orbit$", "", figure)


def peer() -> Path | None:
    """Give the peer's Python, or say that it is not run here and why."""
    if os.environ.get("FRAKTAL_PEERS") != "1":
        print("Fractalshades is quoted, not run; FRAKTAL_PEERS=1 installs and runs it.")
        return None
    try:
        return fractalshades()
    except NotInstalled as error:
        print(f"Fractalshades: not installed ({error}).")
        return None


def beside_us(python: Path | None, location: dict[str, Any]) -> Mapping[int, Took]:
    """Say what Fractalshades takes, by the width of the picture: seconds, or why none."""
    if python is None:
        quoted = FRACTALSHADES_S[f"deep_{location['name']}"]
        return {SIZES[0][0]: (quoted, math.nan)} if quoted else {}
    view = {**location, "interior": location["name"] in INTERIOR}
    return fractalshades_seconds(python, view, [width for width, _ in SIZES], PEER_LIMIT_S)


def measure(location: dict[str, Any], orbits: Path, beside: Mapping[int, Took]) -> None:
    from fraktal_kernel.fractals import compute

    def seconds(size: tuple[int, int]) -> tuple[float, float, str]:
        began, spent = time.perf_counter(), time.process_time()
        done = compute(
            *(location["formula"], location["re"], location["im"], location["width"]),
            max_iter=location["max_iter"],
            size=size,
            skew=location.get("skew"),
        )
        return time.perf_counter() - began, time.process_time() - spent, done.method

    name = location["name"]
    seconds((80, 60))  # compiles what is needed
    for size in SIZES:
        rounds: list[tuple[float, float, str]] = []
        while len(rounds) < ROUNDS and sum(wall for wall, *_ in rounds) < ENOUGH_S:
            shutil.rmtree(orbits, ignore_errors=True)
            rounds.append(seconds(size))
        best, spent, method = min(rounds)
        again, *_ = seconds(size)
        figure = f"deep_{name}" if size == SIZES[0] else f"deep_{name}_{size[0]}"
        line = {"figure": figure, "value": best, "unit": "s", "cpu_s": spent}
        line |= {"orbit_kept_s": again, "method": method}
        shown, other = "", beside.get(size[0])
        if isinstance(other, tuple):
            shown = f"{other[0] / best:6.1f}x Fractalshades' {other[0]:.1f} s"
            line |= {"peer": f"Fractalshades 1.2.1: {other[0]:.3g} s", "ratio": other[0] / best}
            if not math.isnan(other[1]):
                shown += f", {other[1] / spent:.1f}x its processor time"
                line |= {"peer_cpu_s": other[1], "cpu_ratio": other[1] / spent}
        elif other is not None:
            shown = f"Fractalshades: {other}"
            line |= {"peer": f"Fractalshades 1.2.1: {other}"}
        if quoted := FRAKTALER_S.get(figure):
            shown += f", {quoted / best:.1f}x Fraktaler-3's {quoted:.2f} s once"
            line |= {"fraktaler3_s": quoted, "fraktaler3_ratio": quoted / best}
        print(f"{figure:36} {best:7.2f} s, orbit kept {again:6.2f} s {shown}  [{method}]")
        print(json.dumps(line), flush=True)
        if name == DEEPEST and size == SIZES[0]:
            over_orbit(location, best)


def over_orbit(location: dict[str, Any], whole: float) -> None:
    """Time the reference orbit of a view alone, and say how many times of it the view took."""
    from fraktal_kernel.fractals.geometry import Geometry, matrix_of
    from fraktal_kernel.fractals.perturbation import radius_of
    from fraktal_kernel.fractals.reference import reference_orbit
    from fraktal_kernel.fractals.view import View

    view = View(location["re"], location["im"], location["width"])
    began = time.perf_counter()
    orbit = reference_orbit(
        *(location["formula"], location["re"], location["im"]),
        radius=radius_of(Geometry(view, *SIZES[0], matrix_of(0, location.get("skew")))),
        max_iter=location["max_iter"],
    )
    alone = time.perf_counter() - began
    print(
        json.dumps(
            {
                "figure": "deep_perturbdeep_e2608_over_orbit",
                "value": whole / alone,
                "unit": "x",
                "peer": f"the orbit of {len(orbit):,} steps alone: {alone:.3g} s",
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
