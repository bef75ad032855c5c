"""How fast the float64 kernel iterates, beside C that this file compiles for itself.

The view is heavy with interior and no shortcut is taken, so that the arithmetic counts and
nothing else. One iteration is one ``z*z + c`` that a point needed; steps that a lane ran on
after its point had left are not counted, for anybody.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fraktal_kernel.fractals import Scene, View, escape
from fraktal_kernel.fractals.formulas.families import formulas
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.recipe import task_of
from fraktal_kernel.fractals.lanes.rows import TO_DO
from fraktal_kernel.fractals.lanes.task import count

WIDTH, HEIGHT, MAX_ITER = 480, 300, 5000
SCENE = Scene(view=View("-0.25", "0", "1.6"), max_iter=MAX_ITER)
ROUNDS = 20

# Points in arrays, tested after every step: what a C programmer writes who trusts the compiler.
# Whole numbers count, because gcc then keeps the counting in the vectors too.
PLAIN_C = r"""
void rows(double left, double top, double pixel, int width, int height, int limit, int *out) {
    for (int y = 0; y < height; y++)
        for (int x0 = 0; x0 < width; x0 += LANES) {
            double cr[LANES], zr[LANES], zi[LANES], ci = top - y * pixel;
            long n[LANES];
            for (int k = 0; k < LANES; k++) {
                cr[k] = left + (x0 + k) * pixel;
                zr[k] = zi[k] = n[k] = 0;
            }
            for (int step = 0; step < limit; step++) {
                long alive = 0;
                for (int k = 0; k < LANES; k++) {
                    double r = zr[k] * zr[k], i = zi[k] * zi[k];
                    long in = r + i <= 1e6;
                    zi[k] = 2 * zr[k] * zi[k] + ci;
                    zr[k] = r - i + cr[k];
                    n[k] += in;
                    alive += in;
                }
                if (alive == 0) break;
            }
            for (int k = 0; k < LANES && x0 + k < width; k++) out[y * width + x0 + k] = (int)n[k];
        }
}
"""

# The same by hand: six registers of eight points, sixteen steps between two tests.
AVX512_C = r"""
#include <immintrin.h>
#define V 6
void rows(double left, double top, double pixel, int width, int height, int limit, int *out) {
    const __m512d far = _mm512_set1_pd(1e6);
    for (int y = 0; y < height; y++)
        for (int x0 = 0; x0 < width; x0 += 8 * V) {
            __m512d cr[V], ci = _mm512_set1_pd(top - y * pixel), zr[V], zi[V], br[V], bi[V];
            double n[8 * V];
            unsigned char gone[V] = {0};
            for (int v = 0; v < V; v++) {
                double c[8];
                for (int k = 0; k < 8; k++) c[k] = left + (x0 + 8 * v + k) * pixel;
                cr[v] = _mm512_loadu_pd(c);
                zr[v] = zi[v] = _mm512_setzero_pd();
            }
            for (int k = 0; k < 8 * V; k++) n[k] = limit;
            int step = 0;
            for (; step < limit; step += 16) {
                for (int v = 0; v < V; v++) br[v] = zr[v], bi[v] = zi[v];
                for (int s = 0; s < 16; s++)
#pragma GCC unroll 6
                    for (int v = 0; v < V; v++) {
                        __m512d t = _mm512_fnmadd_pd(zi[v], zi[v], cr[v]);
                        zi[v] = _mm512_fmadd_pd(_mm512_add_pd(zr[v], zr[v]), zi[v], ci);
                        zr[v] = _mm512_fmadd_pd(zr[v], zr[v], t);
                    }
                int all = 1;
                for (int v = 0; v < V; v++) {
                    __m512d size = _mm512_fmadd_pd(zr[v], zr[v], _mm512_mul_pd(zi[v], zi[v]));
                    unsigned char left_now =
                        _mm512_cmp_pd_mask(size, far, _CMP_NLE_UQ) & (unsigned char)~gone[v];
                    if (left_now) {
                        double a[8], b[8], c[8];
                        _mm512_storeu_pd(a, br[v]);
                        _mm512_storeu_pd(b, bi[v]);
                        _mm512_storeu_pd(c, cr[v]);
                        for (int k = 0; k < 8; k++)
                            if (left_now >> k & 1) {
                                double r = a[k], i = b[k], d = top - y * pixel;
                                int m = step;
                                while (r * r + i * i <= 1e6 && m < limit) {
                                    double t = r * r - i * i + c[k];
                                    i = 2 * r * i + d;
                                    r = t;
                                    m++;
                                }
                                n[8 * v + k] = m;
                            }
                        gone[v] |= left_now;
                    }
                    all &= gone[v] == 255;
                }
                if (all) break;
            }
            for (int k = 0; k < 8 * V && x0 + k < width; k++) out[y * width + x0 + k] = (int)n[k];
        }
}
"""


def compiled(source: str, folder: Path, name: str, *options: str) -> Callable[[], int] | None:
    """Compile C and return a function that runs it once and counts, or None without a compiler."""
    if shutil.which("gcc") is None:
        return None
    path = folder / f"{name}.c"
    path.write_text(source)
    library = folder / f"{name}.so"
    command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", *options]
    subprocess.run([*command, "-o", library, path], check=True)
    rows = ctypes.CDLL(str(library)).rows
    rows.argtypes = [ctypes.c_double] * 3 + [ctypes.c_int] * 3 + [ctypes.c_void_p]
    rows.restype = None
    pixel = 1.6 / WIDTH
    left, top = -0.25 - (WIDTH - 1) / 2 * pixel, (HEIGHT - 1) / 2 * pixel
    counts = np.zeros(WIDTH * HEIGHT, np.int32)

    def run() -> int:
        rows(left, top, pixel, WIDTH, HEIGHT, MAX_ITER, counts.ctypes.data)
        return int(counts.sum(dtype=np.int64))

    return run


def has_avx512() -> bool:
    """Whether this processor has AVX-512."""
    info = Path("/proc/cpuinfo")
    return info.exists() and "avx512f" in info.read_text()


def ours() -> Callable[[], int]:
    """Give what runs our kernel once, without shortcuts, on one thread, counting as C does."""
    geometry = Geometry(SCENE.view, WIDTH, HEIGHT)
    task = task_of(formulas["mandelbrot"], geometry, MAX_ITER, None, ())

    def run() -> int:
        return count(task, np.full((HEIGHT, WIDTH), TO_DO, np.int64), crew=Crew(1))

    return run


def rates(runners: Mapping[str, Callable[[], int]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Run all in turn, round by round: iterations by second of this process's own time.

    What others do on the machine costs time on the clock, but hardly any of that; what slows one
    core, such as whoever else computes there, slows all who run in the same round, because a round
    stays on one core.
    """
    measured: dict[str, list[float]] = {name: [] for name in runners}
    for run in runners.values():
        run()
    cores = sorted(os.sched_getaffinity(0))
    try:
        for k in range(rounds):
            os.sched_setaffinity(0, {cores[k % len(cores)]})
            for name, run in runners.items():
                began = time.process_time()
                iterations = run()
                measured[name].append(iterations / (time.process_time() - began))
    finally:
        os.sched_setaffinity(0, cores)
    return measured


def ratio(measured: Mapping[str, list[float]], name: str, peer: str) -> float | None:
    """Give the median over rounds of how much faster one was than the other."""
    if peer not in measured:
        return None
    pairs = zip(measured[name], measured[peer], strict=True)
    return statistics.median(a / b for a, b in pairs)


def seahorse(shortcuts: bool) -> tuple[float, float]:
    """Make the seahorse view on all cores: best time on the clock, and the processor's."""
    scene = Scene(view=View("-0.746223962861", "-0.0959468433527", "0.00745"), max_iter=25_000)
    best = None
    for _ in range(5):
        began = time.perf_counter(), time.process_time()
        escape(scene, 800, 600, shortcuts=shortcuts)
        took = time.perf_counter() - began[0], time.process_time() - began[1]
        best = took if best is None else min(best, took)
    assert best is not None
    return best


PLAIN = "gcc -O3 -march=native, {} lanes, left to the vectoriser"
WIDE = "gcc -O3 -march=native -mprefer-vector-width=512, 48 lanes, left to the vectoriser"
HAND = "gcc -O3, AVX-512 intrinsics, 48 lanes, blocks of 16 unchecked steps"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made: dict[str, Callable[[], int] | None] = {"fraktal": ours()}
        for lanes in (32, 48):
            option = f"-DLANES={lanes}"
            made[PLAIN.format(lanes)] = compiled(PLAIN_C, folder, f"plain{lanes}", option)
        if has_avx512():
            wide = ("-DLANES=48", "-mprefer-vector-width=512")
            made[WIDE] = compiled(PLAIN_C, folder, "wide", *wide)
            made[HAND] = compiled(AVX512_C, folder, "hand")
        measured = rates({name: run for name, run in made.items() if run is not None})
    middle = {name: statistics.median(found) for name, found in measured.items()}
    for name, rate in middle.items():
        print(f"{name:84} {rate / 1e9:5.2f}e9 iterations/s")
    # The promise is kept against the lane count that suits gcc best.
    plain = max((PLAIN.format(lanes) for lanes in (32, 48)), key=lambda peer: middle.get(peer, 0.0))
    peers = {"mandelbrot_f64": plain, "mandelbrot_f64_wide": WIDE, "mandelbrot_f64_limit": HAND}
    for figure, peer in peers.items():
        line = {"figure": figure, "value": middle["fraktal"], "unit": "iterations/s", "peer": peer}
        print(json.dumps(line | {"ratio": ratio(measured, "fraktal", peer)}))
    for figure, shortcuts in (("seahorse_brute_force", False), ("seahorse", True)):
        clock, processor = seahorse(shortcuts)
        print(f"{figure}: {processor:.3f} s of the processor, 800x600, 25,000 iterations")
        print(json.dumps({"figure": f"{figure}_s", "value": clock, "unit": "s"}))


if __name__ == "__main__":
    main()
