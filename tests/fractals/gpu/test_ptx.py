"""What a card is given to run: kernels are compiled to PTX, which takes no card, and looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fraktal_kernel.fractals.formulas import formula_of, formulas
from fraktal_kernel.fractals.lanes.body import Body
from fraktal_kernel.fractals.lanes.recipe import body_of, slopes_of
from fraktal_kernel.fractals.lanes.tally import Tally

CAPABILITY = (9, 0)


@pytest.fixture(scope="module", autouse=True)
def compiler() -> Iterator[None]:
    """Let numba compile for a card that is not here."""
    pytest.importorskip("numba_cuda", reason="needs: pip install 'fraktal[gpu]'")
    from cuda.pathfinder import load_nvidia_dynamic_lib
    from numba.cuda import dispatcher

    for library in ("nvvm", "nvrtc"):
        try:
            load_nvidia_dynamic_lib(library)
        except RuntimeError as error:
            pytest.skip(f"no CUDA compiler here: {str(error).splitlines()[0]}")
    with pytest.MonkeyPatch.context() as patch:
        device = SimpleNamespace(compute_capability=CAPABILITY)
        patch.setattr(dispatcher, "get_current_device", lambda: device)
        yield


def ptx_of(kernel: Any, *arguments: Any) -> str:
    """Compile a kernel for arrays and numbers: ``"f8 2"`` is an array [m, n] of float64."""
    from numba import cuda, from_dtype, types
    from numpy import dtype

    signature = []
    for argument in arguments:
        kind, _, axes = argument.partition(" ")
        scalar = from_dtype(dtype(kind))
        signature.append(types.Array(scalar, int(axes), "C") if axes else scalar)
    text, _ = cuda.compile_ptx(kernel.py_func, tuple(signature), cc=CAPABILITY)
    return str(text)


def counting(body: Body, single: bool) -> str:
    """Compile the kernel that counts."""
    from fraktal_kernel.fractals.gpu.sweep import sweep_of

    kind = "f4" if single else "f8"
    lists = "i4 1", "i8", "i4 1", "i4 1", "i8"
    given = f"{kind} 2", "i4 1", "i8 1", "f8 1", "f8 1", f"{kind} 1", "?", "i8", "i8", "i8"
    return ptx_of(sweep_of(body, single), *lists, *given)


def loops(ptx: str) -> str:
    """Give the code that is run again and again: from each label to the last jump back to it."""
    lines = ptx.splitlines()
    labels = {line[:-1]: k for k, line in enumerate(lines) if re.fullmatch(r"\$\w+:", line)}
    within: set[int] = set()
    for k, line in enumerate(lines):
        for name in re.findall(r"bra(?:\.uni)?\s+(\$\w+);", line):
            within |= set(range(labels[name], k + 1))
    assert within
    return "\n".join(lines[k] for k in sorted(within))


@pytest.mark.parametrize("name", sorted(formulas))
def test_float32_kernels_compute_in_float32(name: str) -> None:
    """No loop has a float64 number in it, nothing is called, and products are fused with sums."""
    body = body_of(formula_of(name))
    code = loops(counting(body, single=True))
    assert ".f64" not in code
    assert not re.search(r"\bcall", code)
    fused = sum(op == "fma" for op, *_ in body.step.code)
    assert len(re.findall(r"fma\.rn\.f32", code)) >= 2 * fused  # of a block, and of its replay


@pytest.mark.parametrize("name", ["mandelbrot", "magnet1", "newton"])
def test_float64_kernels_step_as_the_tape_says(name: str) -> None:
    """A block of the Mandelbrot set is four operations a step; others fuse as their tapes do."""
    body = body_of(formula_of(name))
    code = loops(counting(body, single=False))
    assert not re.search(r"\bcall", code) and ".f32" not in code
    if name == "mandelbrot":
        block = re.search(r"(?:\t(?:neg|fma\.rn|add)\.f64[^\n]*\n){50,}", code)
        assert block
        words = re.findall(r"\t(neg|fma|add)", block[0])
        assert words.count("fma") == 3 * body.block and words.count("add") == body.block


@pytest.mark.parametrize("name", ["mandelbrot", "burning_ship", "phoenix"])
def test_the_second_walk_compiles(name: str) -> None:
    """Derivatives, averages and traps of formulas with complex and real derivatives."""
    from fraktal_kernel.fractals.gpu.orbit import orbit_of

    formula = formula_of(name)
    slopes = slopes_of(formula)
    kinds = ("atom", "circle", "cross", "derivative", "point", "stripe", "triangle")
    tally = Tally(body_of(formula), kinds, slopes.jacobian, slopes.start, slopes.folds)
    lists = "i4 1", "i8", "i4 1", "i4 1", "i8"
    given = "f8 2", "f8 2", "i4 1", "i8 1", "f8 1", "f8 1", "?", "i8"
    code = loops(ptx_of(orbit_of(tally), *lists, *given))
    assert "fma.rn.f64" in code and not re.search(r"\bcall", code)


def test_continuous_counts_compile() -> None:
    """They are float64 even where counts were made in float32."""
    from fraktal_kernel.fractals.gpu.sweep import smooth_of

    for kind in ("f4 2", "f8 2"):
        for ends in [(True, False), (True, True), (False, True)]:
            assert ".f64" in ptx_of(smooth_of(*ends), kind, "i8 1", "f8 1", "f8 1")


@pytest.mark.parametrize(("kind", "derivative"), [(("power", 2), True), (("fold", 3), False)])
def test_the_walks_of_deep_views_compile(kind: tuple[str, int], derivative: bool) -> None:
    """The processor's own code, complex and real, with and without extended exponents."""
    from fraktal_kernel.fractals.gpu.small import far_of, walk_of

    lists = "i4 1", "i8", "i4 1", "i4 1", "i8"
    points = "i8 1", "i8", "i8 1", "i8 1", "f8 2", "f8 2"
    code = ptx_of(
        walk_of(kind, derivative),
        *(*lists, "f8 2", "f8 2", "i8 2", "i8 1", "f8 1", "f8 1", "i8", *points, "i8 1"),
    )
    assert "fma.rn.f64" in code and not re.search(r"\tcall", code)
    if derivative:
        tables = "f8 2", "i8 1", "f8 2", "i8 2", "i8 2", "i8 1", "f8 1", "i8", "i8"
        code = ptx_of(far_of(kind, derivative), *lists, *tables, *points, "i8 2", "i8 1")
        assert "fma.rn.f64" in code and not re.search(r"\tcall", code)
