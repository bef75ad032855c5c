"""Vectors of any width: processors that differ give the same counts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import hashlib
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.formulas.families import formula_of
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.body import WIDTH
from fraktal_kernel.fractals.lanes.fill import fill
from fraktal_kernel.fractals.lanes.recipe import slopes_of, task_of
from fraktal_kernel.fractals.view import View

names = ("iterations", "smooth", "distance", "trap_cross", "atom")
for text in ("mandelbrot", "z**3 + c*z", "burning_ship", "magnet1"):
    formula = formula_of(text)
    task = task_of(formula, Geometry(View("-0.5", "0.3", "2.5"), 61, 47), 150, None, ())
    out = empty_fields(names, 47, 61)
    fill(out, task, slopes_of(formula))
    counts = hashlib.sha256(out["iterations"].tobytes()).hexdigest()
    print(WIDTH, text, counts, *[f"{out[name][3, 5]:.9g}" for name in names])
"""


def told(cache: Path, **settings: str) -> list[list[str]]:
    """Run the script in a process of its own and give the words of its lines."""
    env = os.environ | {"FRAKTAL_CACHE": str(cache), "PYTHONPATH": str(ROOT)} | settings
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_narrow_vectors_give_what_wide_ones_give(tmp_path: Path) -> None:
    """A processor with AVX2 gives the counts of one with AVX-512, and the same fields."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("this processor is not of Intel's kind; it has one width only")
    features = "+avx,+avx2,+fma,+sse4.2,+bmi,+bmi2,+lzcnt,+popcnt"
    settings = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": features}
    narrow = told(tmp_path / "narrow", **settings)
    own = told(tmp_path / "own")
    assert {line[0] for line in narrow} == {"4"}
    assert [line[1:] for line in narrow] == [line[1:] for line in own]
    assert len(own) == 4
