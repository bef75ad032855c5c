"""From a tape to machine code: LLVM values for lanes, source for CUDA and for one point.

All three carry the same instructions in the same order. What is rounded once on one device is
rounded once on the others, where they have fused multiply-adds; the transcendental functions are
each device's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fraktal_kernel.fractals.formulas.tape import Tape

_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_INTRINSIC = {"fma": "fmuladd", "abs": "fabs"} | dict.fromkeys(["copysign", "sqrt"])
_LIBRARY = ("exp", "log", "sin", "cos", "atan2")

_PYTHON = {
    "const": "{}",
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "fma": "fma({}, {}, {})",
    "neg": "-{}",
    "abs": "fabs({})",
    "max": "({0} if {0} > {1} else {1})",
    "min": "({0} if {0} < {1} else {1})",
}


def vector(builder: Any, tape: Tape, values: Sequence[Any]) -> list[Any]:
    """Emit a tape into an LLVM function that is being built.

    Parameters
    ----------
    builder : the `llvmlite.ir.IRBuilder`
    tape : what to compute
    values : one LLVM value for each input, all ``double`` or all ``<n x double>``

    Returns
    -------
    one LLVM value of the same type for each output
    """
    from llvmlite import ir

    kind = values[0].type
    wide = isinstance(kind, ir.VectorType)
    suffix = f"v{kind.count}f64" if wide else "f64"

    def constant(value: float) -> Any:
        return ir.Constant(kind, [value] * kind.count if wide else value)

    def declared(name: str, result: Any, count: int) -> Any:
        known = builder.module.globals.get(name)
        return known or ir.Function(builder.module, ir.FunctionType(result, [result] * count), name)

    def intrinsic(name: str, *args: Any) -> Any:
        return builder.call(declared(f"llvm.{name}.{suffix}", kind, len(args)), args)

    def library(name: str, *args: Any) -> Any:
        function = declared(name, ir.DoubleType(), len(args))
        if not wide:
            return builder.call(function, args)
        whole = ir.Constant(kind, ir.Undefined)
        for lane in range(kind.count):
            at = ir.Constant(ir.IntType(32), lane)
            one = builder.call(function, [builder.extract_element(a, at) for a in args])
            whole = builder.insert_element(whole, one, at)
        return whole

    def greater(a: Any, b: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", a, b), a, b)

    def instruction(op: str, *args: Any) -> Any:
        if op in _BINARY:
            return getattr(builder, _BINARY[op])(*args)
        if op in _INTRINSIC:
            return intrinsic(_INTRINSIC[op] or op, *args)
        if op in _LIBRARY:
            return library(op, *args)
        if op == "neg":
            return builder.fneg(*args)
        if op == "max":
            return greater(*args)
        if op == "min":
            return builder.select(builder.fcmp_ordered("<", *args), *args)
        assert op == "diffabs", op
        reference, small = args
        turned = builder.fmul(small, intrinsic("copysign", constant(1.0), reference))
        across = intrinsic("fmuladd", constant(2.0), intrinsic("fabs", reference), turned)
        return greater(turned, builder.fneg(across))

    registers = list(values)
    for op, *args in tape.code:
        if op == "const":
            registers.append(constant(float(args[0])))
        else:
            registers.append(instruction(op, *[registers[a] for a in args]))
    return [registers[k] for k in tape.outputs]


def source(tape: Tape, name: str, forms: Mapping[str, str] = MappingProxyType({})) -> str:
    """Write a tape as the source of a Python function of its inputs, for numba or for reading.

    It calls ``fma, fabs, copysign, sqrt, exp, log, sin, cos, atan2, diffabs`` by these names.
    ``forms`` say how else to write some instructions, such as ``{"const": "float32({})"}``.

    Examples
    --------
    >>> print(source(Tape(("x", "y"), (("fma", 0, 0, 1),), (2,)), "step"))
    def step(r0, r1):
        r2 = fma(r0, r0, r1)
        return (r2,)
    """
    if not name.isidentifier():
        raise ValueError(f"the function is to be named {name!r}, which is no name of a function.")
    first = len(tape.inputs)
    written = {**_PYTHON, **forms}
    lines = [f"def {name}({', '.join(f'r{k}' for k in range(first))}):"]
    for k, (op, *args) in enumerate(tape.code, first):
        if op == "const":
            value = written["const"].format(repr(float(args[0])))
        else:
            form = written.get(op, op + "(" + ", ".join(["{}"] * len(args)) + ")")
            value = form.format(*[f"r{a}" for a in args])
        lines.append(f"    r{k} = {value}")
    results = ", ".join(f"r{k}" for k in tape.outputs)
    lines.append(f"    return ({results}{',' * (len(tape.outputs) == 1)})")
    return "\n".join(lines)


def scalar(tape: Tape) -> Any:
    """Make a function for numba's compiled code that runs a tape on one point.

    It is made by `vector`, so it rounds exactly as the lanes do: ``step(zr, zi, cr, ci)`` gives a
    tuple of float64.
    """
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    result = types.UniTuple(types.float64, len(tape.outputs))
    arguments = [types.float64] * len(tape.inputs)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.pack_array(builder, vector(builder, tape, args))

    namespace: dict[str, Any] = {"signature": result(*arguments), "codegen": codegen}
    names = ", ".join(f"r{k}" for k in range(len(tape.inputs)))
    # The number of arguments is the tape's, which a plain definition cannot say to numba.
    exec(f"def body(typingctx, {names}):\n    return signature, codegen", namespace)
    return intrinsic(namespace["body"])


def extended(tape: Tape, names: Sequence[str], functions: dict[str, Any]) -> Any:
    """Make a function for numba's compiled code that runs a tape on numbers with exponents.

    Parameters
    ----------
    names : of the inputs, in the order in which the function takes them; each is a mantissa and
        an exponent, and so is each result
    functions : ``plus``, ``times``, ``diffabs``, ``constant``, by these names

    Examples
    --------
    The function for ``x*x + y`` is called as ``f(xm, xe, ym, ye)`` and gives ``(m, e)``.
    """
    from numba import njit

    first = len(tape.inputs)
    order = ", ".join(f"m{tape.inputs.index(n)}, e{tape.inputs.index(n)}" for n in names)
    lines, called = [f"def run({order}):"], {"add": "plus", "mul": "times"}
    for k, (op, *args) in enumerate(tape.code, first):
        m, e = ([f"{part}{a}" for a in args] if op != "const" else [] for part in "me")
        pair = [f"{a}, {b}" for a, b in zip(m, e, strict=True)]
        if op == "const":
            value = f"constant({float(args[0])!r})"
        elif op in ("neg", "abs"):
            value = f"{'-' if op == 'neg' else 'fabs'}({m[0]}), {e[0]}"
        elif op == "copysign":
            value = f"copysign({m[0]}, {m[1]}), {e[0]}"
        elif op == "sub":
            value = f"plus({pair[0]}, -{m[1]}, {e[1]})"
        elif op == "fma":
            lines.append(f"    m, e = times({pair[0]}, {pair[1]})")
            value = f"plus(m, e, {pair[2]})"
        else:
            value = f"{called.get(op, op)}({', '.join(pair)})"
        lines.append(f"    m{k}, e{k} = {value}")
    lines.append("    return (" + ", ".join(f"m{k}, e{k}" for k in tape.outputs) + ",)")
    namespace = functions | {"fabs": math.fabs, "copysign": math.copysign}
    exec(compile("\n".join(lines), "<extended>", "exec"), namespace)
    return njit(namespace["run"], error_model="numpy")


def defined(
    tape: Tape,
    name: str,
    functions: Mapping[str, Any],
    forms: Mapping[str, str] = MappingProxyType({}),
) -> Callable[..., tuple[Any, ...]]:
    """Define the function that `source` writes: numbers of registers and ours, no user's text."""
    namespace = dict(functions)
    exec(compile(source(tape, name, forms), f"<tape {name}>", "exec"), namespace)
    made: Callable[..., tuple[Any, ...]] = namespace[name]
    return made
