from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from fraktal_kernel.fractals.lanes.body import WIDE
from fraktal_kernel.fractals.lanes.numbers import I64, REAL, Lanes, columns, larger, splat, where

RANDOM = np.random.default_rng(5)


def run(body: Callable[..., list[Lanes]], table: Any) -> Any:
    """Emit a body that makes lanes of the columns of a table, and give what they are."""

    @intrinsic  # type: ignore[untyped-decorator]
    def emitted(typingctx: Any, array: Any, out: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data, place = (
                builder.ptrtoint(
                    cgutils.create_struct_proxy(kind)(context, builder, value).data, I64
                )
                for kind, value in zip(signature.args, args, strict=True)
            )
            rows = [builder.add(data, ir.Constant(I64, 64 * lane)) for lane in range(WIDE)]
            for k, lanes in enumerate(body(builder, *columns(builder, rows))):
                at = builder.add(place, ir.Constant(I64, 64 * k))
                builder.store(lanes.value, builder.inttoptr(at, REAL.as_pointer()), align=8)
            return context.get_dummy_value()

        return types.void(array, out), codegen

    @njit  # type: ignore[untyped-decorator]
    def call(array: Any, out: Any) -> None:
        emitted(array, out)

    out = np.full((8, WIDE), np.nan)
    call(table, out)
    return out


def test_columns_are_the_numbers_of_rows() -> None:
    """Rows that are loaded and turned are the table, transposed."""
    table = RANDOM.normal(size=(WIDE, 8))
    np.testing.assert_array_equal(run(lambda builder, *found: list(found), table), table.T)


def test_lanes_calculate_as_numpy_does() -> None:
    """Arithmetic, comparisons and choices agree to the last bit, numbers at the left or right."""

    def made(x: Any, y: Any, choose: Any, size: Any) -> list[Any]:
        return [
            2 * x + y * 3 - (1 - x),
            choose((x < y) & ~(y > 1), x, -y),
            choose((x <= 0.5) | (y >= 0.25), abs(x) * y, x + 1),
            choose((x < 0) == (y < 0), x - 2, y),
            size(x, y),
        ]

    def emit(builder: Any, x: Lanes, y: Lanes, *rest: Lanes) -> list[Lanes]:
        parts = made(x, y, where, larger)
        bits = ((rest[0].as_whole() + 5 - 2) << 3) >> 1
        back = Lanes(builder, builder.bitcast(bits.value, REAL))
        shared = splat(builder, x.each()[3])
        return [*parts, back, shared]

    table = RANDOM.normal(size=(WIDE, 8))
    x, y = table.T[:2]
    found = run(emit, table)
    expected = made(x, y, np.where, lambda a, b: np.maximum(abs(a), abs(b)))
    np.testing.assert_array_equal(found[:5], expected)
    whole = ((np.ascontiguousarray(table.T[2]).view(np.int64) + 3) << 3) >> 1
    np.testing.assert_array_equal(found[5].view(np.int64), whole)
    np.testing.assert_array_equal(found[6], np.full(WIDE, x[3]))
