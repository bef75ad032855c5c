"""Tapes: what is built is right, small, and the same on every device."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraktal_kernel.fractals.formulas.emit import scalar, source
from fraktal_kernel.fractals.formulas.tape import (
    ARITY,
    Body,
    Tape,
    diffabs,
    evaluate,
    merge,
    tidy,
)

ROOT = Path(__file__).resolve().parents[3]
PLAIN = ("add", "sub", "mul", "neg", "abs", "fma", "max", "min", "copysign", "diffabs")

# Every instruction once, on inputs where all are defined.
EVERYTHING = Tape(
    ("a", "b", "c"),
    (
        *(("const", 1.5), ("add", 0, 1), ("sub", 4, 2), ("mul", 5, 0), ("div", 6, 1)),
        *(("fma", 0, 1, 2), ("neg", 8), ("abs", 9), ("copysign", 10, 5), ("sqrt", 10)),
        *(("exp", 5), ("log", 10), ("sin", 6), ("cos", 6), ("atan2", 5, 8)),
        *(("max", 3, 11), ("min", 3, 11), ("diffabs", 5, 2)),
    ),
    tuple(range(4, 21)),
)


def square() -> Tape:
    """Build ``z*z + c``."""
    body = Body(["zr", "zi", "cr", "ci"])
    zr, zi, cr, ci = map(body.input, body.inputs)
    re = body.add(body.sub(body.mul(zr, zr), body.mul(zi, zi)), cr)
    return body.tape([re, body.add(body.mul(body.const(2), body.mul(zr, zi)), ci)])


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    """Draw a tape of plain instructions."""
    count = draw(st.integers(1, 4))
    code: list[tuple[Any, ...]] = []
    for k in range(draw(st.integers(1, 25))):
        if draw(st.integers(0, 6)) == 0:
            code.append(("const", draw(st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 3.25]))))
        else:
            op = draw(st.sampled_from(PLAIN))
            register = st.integers(0, count + k - 1)
            code.append((op, *(draw(register) for _ in range(ARITY[op]))))
    outputs = draw(st.lists(st.integers(0, count + len(code) - 1), min_size=1, max_size=3))
    return Tape(tuple("abcd"[:count]), tuple(code), tuple(outputs))


def test_the_square_costs_as_much_as_by_hand() -> None:
    """``z*z + c`` becomes three multiply-adds and one addition, in the kernel's own order."""
    assert square().code == (
        *(("neg", 1), ("fma", 4, 1, 2), ("fma", 0, 0, 5)),
        *(("add", 0, 0), ("fma", 7, 1, 3)),
    )
    assert square().operations == 4


@settings(deadline=None)
@given(tape=tapes(), values=st.lists(st.floats(-4, 4, width=16), min_size=4, max_size=4))
def test_a_tidy_tape_gives_the_same(tape: Tape, values: list[float]) -> None:
    """Sharing, folding and fusing change no value and make nothing longer."""
    values = values[: len(tape.inputs)]
    tidied = tidy(tape)
    ours, plain = evaluate(tidied, values), evaluate(tape, values)
    # Sums that cancel are the worst: bound the error by the largest number on the way.
    every = Tape(tape.inputs, tape.code, tuple(range(len(tape.inputs) + len(tape.code))))
    scale = 1.0 + max(abs(value) for value in evaluate(every, values))
    if math.isfinite(scale) and scale < 1e100:
        steps = discontinuous(tape)
        if not steps:
            assert np.allclose(ours, plain, rtol=0, atol=1e-12 * scale**3)
    assert tidied.operations <= sum(1 + (op == "fma") for op, *_ in tape.code)
    assert tidy(tidied).operations <= tidied.operations


def discontinuous(tape: Tape) -> bool:
    """Say whether a rounding may turn the result: signs are taken of computed values."""
    return any(op == "copysign" or op == "diffabs" for op, *_ in tape.code)


def test_merged_tapes_share_their_work() -> None:
    """Two tapes that are the same cost as much as one, and inputs are matched by their names."""
    both = merge(square(), square())
    assert both.code == square().code
    assert both.outputs == square().outputs * 2
    swapped = merge(square(), Tape(("ci", "q"), (("add", 0, 1),), (2,)))
    assert swapped.inputs == ("zr", "zi", "cr", "ci", "q")
    assert evaluate(swapped, [1.0, 2.0, 3.0, 4.0, 5.0]) == [0.0, 8.0, 9.0]


@settings(deadline=None)
@given(reference=st.floats(-1e300, 1e300), small=st.floats(-1e-300, 1e300))
def test_diffabs_is_the_difference_of_sizes(reference: float, small: float) -> None:
    """``diffabs(X, x)`` is ``|X + x| - |X|`` as fractions have it, rounded."""
    from fractions import Fraction

    exact = abs(Fraction(reference) + Fraction(small)) - abs(Fraction(reference))
    assert math.isclose(diffabs(reference, small), float(exact), rel_tol=4e-16, abs_tol=5e-324)


def test_a_tape_that_reads_the_future_is_refused() -> None:
    """Instructions read only what stands before them, and exist."""
    for bad in [("add", 0, 1), ("twist", 0), ("add", 0)]:
        with pytest.raises(ValueError, match="instruction 0"):
            Tape(("x",), (bad,), (1,))


def run_vector(tape: Tape, values: np.ndarray) -> np.ndarray:
    """Run a tape in eight lanes: one row of ``values`` an input."""
    from llvmlite import ir
    from numba import njit, types
    from numba.core import cgutils
    from numba.extending import intrinsic

    from fraktal_kernel.fractals.formulas.emit import vector

    @intrinsic
    def lanes(typingctx: Any, inputs: Any, outputs: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.VectorType(ir.DoubleType(), 8)
            place = [
                cgutils.create_struct_proxy(of)(context, builder, arg).data
                for of, arg in zip(signature.args, args, strict=True)
            ]

            def at(array: Any, row: int) -> Any:
                index = ir.Constant(ir.IntType(64), 8 * row)
                return builder.bitcast(builder.gep(array, [index]), kind.as_pointer())

            rows = [builder.load(at(place[0], k), align=8) for k in range(len(tape.inputs))]
            for k, value in enumerate(vector(builder, tape, rows)):
                builder.store(value, at(place[1], k), align=8)
            return context.get_dummy_value()

        return types.none(inputs, outputs), codegen

    out = np.empty((len(tape.outputs), 8))
    njit(lambda inputs, outputs: lanes(inputs, outputs))(values, out)
    return out


def test_lanes_points_and_numpy_agree() -> None:
    """Every instruction gives the same in eight lanes, at one point and in numpy."""
    from numba import njit

    values = np.random.default_rng(5).uniform(0.1, 2.0, (3, 8)) * [[1], [-1], [1]]
    lanes = run_vector(EVERYTHING, values)
    numpy = np.array(evaluate(EVERYTHING, list(values)))
    assert np.allclose(lanes, numpy, rtol=1e-13, atol=1e-15)
    body = scalar(EVERYTHING)
    point = njit(lambda a, b, c: body(a, b, c))
    points = np.array([point(*column) for column in values.T]).T
    assert np.array_equal(points, lanes)


def test_the_source_gives_the_same() -> None:
    """The source, defined as plain Python, gives what numpy gives."""
    names = ("fabs", "copysign", "sqrt", "exp", "log", "sin", "cos", "atan2")
    namespace = {name: getattr(math, name) for name in names}
    namespace |= {"fma": lambda a, b, c: a * b + c, "diffabs": diffabs}
    exec(source(EVERYTHING, "body"), namespace)
    values = [1.25, -0.75, 0.5]
    assert np.allclose(namespace["body"](*values), evaluate(EVERYTHING, values), rtol=1e-15)


def test_names_that_are_no_names_are_refused() -> None:
    """Nothing but an identifier becomes the name of a function."""
    with pytest.raises(ValueError, match="no name"):
        source(square(), "f(x): import os #")


SIMULATED = """
import numpy as np
from numba import cuda
from fraktal_kernel.fractals.gpu.tapes import device_tape
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate
tape = {tape!r}
body = device_tape(tape)

@cuda.jit
def run(a, b, c, out):
    k = cuda.grid(1)
    if k < a.size:
        results = body(a[k], b[k], c[k])
        for j in range(out.shape[0]):
            out[j, k] = results[j]

values = np.random.default_rng(5).uniform(0.1, 2.0, (3, 8)) * [[1], [-1], [1]]
out = np.zeros((len(tape.outputs), 8))
run[2, 4](*values, out)
assert np.allclose(out, np.array(evaluate(tape, list(values))), rtol=1e-12), out
print("same")
"""


def test_the_source_gives_the_same_on_simulated_cuda() -> None:
    """A device function made from a tape runs in numba's CUDA simulator and gives the same."""
    pytest.importorskip("numba.cuda", reason="numba has no CUDA target here")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    code = SIMULATED.format(tape=EVERYTHING)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "same\n", done.stderr
