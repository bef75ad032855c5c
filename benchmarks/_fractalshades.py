"""Run Fractalshades on one view, in the peer's own environment: read by `_peers`, not by us.

The view comes as JSON on the standard input, with the widths of the pictures (4:3). Each picture
is made by an object of its own, in a folder of its own; it computes what we do, the counts and the
last z, and no derivative. A line ``SECONDS [width, wall, processors]`` is printed for each, the
first being the warm-up.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

import fractalshades as fs
import fractalshades.models as fsm

FLAVOURS = {"burning_ship": "Burning ship", "shark_fin": "Shark fin"}
# Shallower, it is faster without perturbation; deeper, float64 does not do.
DEEP = 1e-12
ESCAPE_RADIUS = 1000.0


def picture(view: dict, width_px: int) -> tuple[float, float]:
    """Compute one picture, and give the seconds that it took: on the wall, of the processors."""
    with tempfile.TemporaryDirectory() as folder:
        began, spent = time.perf_counter(), time.process_time()
        place = {"nx": width_px, "xy_ratio": 4 / 3, "theta_deg": 0.0}
        if view.get("skew"):
            (a, b), (c, d) = view["skew"]
            place |= {"has_skew": True, "skew_00": a, "skew_01": b, "skew_10": c, "skew_11": d}
        more = {"epsilon_stationnary": 1e-3}
        if float(view["width"]) > DEEP:
            fractal = fsm.Mandelbrot(folder)
            fractal.zoom(x=float(view["re"]), y=float(view["im"]), dx=float(view["width"]), **place)
        else:
            flavour = FLAVOURS.get(view["formula"])
            if flavour is None:
                fractal = fsm.Perturbation_mandelbrot(folder)
                more |= {"interior_detect": view["interior"], "calc_dzndc": False}
            else:
                fractal = fsm.Perturbation_burning_ship(folder, flavour)
                more = {"calc_hessian": False}
            fractal.zoom(
                precision=max(30, len(view["re"])),
                **{"x": view["re"], "y": view["im"], "dx": view["width"]},
                **place,
            )
        fractal.calc_std_div(
            calc_name="counts",
            subset=None,
            max_iter=view["max_iter"],
            M_divergence=ESCAPE_RADIUS,
            **more,
        )
        fractal.calc_raw("counts")
        return time.perf_counter() - began, time.process_time() - spent


def main() -> None:
    fs.settings.verbosity = 0
    view = json.load(sys.stdin)
    for width_px in view["widths_px"]:
        print("SECONDS", json.dumps([width_px, *picture(view, width_px)]), flush=True)


if __name__ == "__main__":
    main()
