"""Fractals as a library of its own: what it needs, and what it compiles once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(program: str, **environment: str) -> str:
    """Run a program in a fresh process and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        allowed = {"numpy", "numba", "llvmlite", "fraktal_kernel", *sys.stdlib_module_names}
        if top not in allowed or name.startswith("fraktal_kernel.core"):
            raise ImportError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Block())
"""


def test_numpy_and_numba_suffice() -> None:
    """With every other package blocked, pictures are made and saved; photos need Pillow."""
    program = BLOCKED + (
        "from fraktal_kernel import errors, fractals\n"
        "from fraktal_kernel.fractals.palettes import palette_from_picture\n"
        "picture = fractals.render('seahorse', 40, 30)\n"
        "assert picture.pixels.shape == (30, 40, 3)\n"
        "assert fractals.read_scene(picture.png()) == picture.scene\n"
        "try:\n"
        "    palette_from_picture('photo.jpg')\n"
        "except errors.MissingExtra as error:\n"
        "    print(error)\n"
    )
    assert "Pillow" in run(program)


def test_importing_is_light() -> None:
    """Neither numba nor pydantic nor Pillow is imported before something needs it."""
    program = (
        "import sys\n"
        "import fraktal_kernel.fractals\n"
        "print([m for m in ('numba', 'llvmlite', 'pydantic', 'PIL') if m in sys.modules])\n"
    )
    assert run(program).strip() == "[]"


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """Its machine code comes from disk, and numba is not even imported."""
    program = (
        "import sys\n"
        "from fraktal_kernel import fractals\n"
        "fractals.render('full_set', 16, 12)\n"
        "fractals.render('julia_rabbit', 16, 12)\n"
        "print('numba' in sys.modules)\n"
    )
    assert run(program, FRAKTAL_CACHE=str(tmp_path)).strip() == "True"
    assert run(program, FRAKTAL_CACHE=str(tmp_path)).strip() == "False"


def test_the_same_code_runs_without_avx512(tmp_path: Path) -> None:
    """Compiled for an older processor, the kernel gives the same picture to the last bit."""
    program = (
        "import hashlib\n"
        "from fraktal_kernel import fractals\n"
        "field = fractals.escape(fractals.scenes['seahorse'], 60, 40)\n"
        "from fraktal_kernel.fractals.lanes.body import QUADRATIC\n"
        "print(QUADRATIC.lanes, hashlib.sha256(field.nu.tobytes()).hexdigest())\n"
    )
    older = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+bmi2"}
    if sys.platform != "linux" or "avx2" not in Path("/proc/cpuinfo").read_text():
        import pytest

        pytest.skip("this processor has no AVX2 to compile for")
    here = run(program, FRAKTAL_CACHE=str(tmp_path)).split()
    there = run(program, FRAKTAL_CACHE=str(tmp_path), **older).split()
    assert there[0] == "24"
    assert there[1] == here[1]
