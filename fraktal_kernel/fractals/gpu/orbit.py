"""The second walk on a card: points whose steps are known go the same way again, and more is kept.

What is kept, and how a step changes it, is said once, in `lanes.tally`; here it is written as
source instead of vectors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numba import cuda

from fraktal_kernel.fractals.gpu.sweep import Z, place
from fraktal_kernel.fractals.gpu.tapes import adapted, device, functions
from fraktal_kernel.fractals.lanes.body import CARRIED, POINT
from fraktal_kernel.fractals.lanes.tally import Arithmetic, Tally, emit_tally

# So many steps are the unit of work of a launch.
STRIDE = 16


class Written(Arithmetic):
    """Arithmetic as lines of source; a value is the name of a variable."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _line(self, form: str, *args: Any) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {form.format(*args)}")
        return name

    def add(self, a: Any, b: Any) -> Any:
        """Write ``a + b``."""
        return self._line("{} + {}", a, b)

    def sub(self, a: Any, b: Any) -> Any:
        """Write ``a - b``."""
        return self._line("{} - {}", a, b)

    def mul(self, a: Any, b: Any) -> Any:
        """Write ``a * b``, which nothing is fused with."""
        return self._line("times({}, {})", a, b)

    def div(self, a: Any, b: Any) -> Any:
        """Write ``a / b``."""
        return self._line("{} / {}", a, b)

    def neg(self, a: Any) -> Any:
        """Write ``-a``."""
        return self._line("-{}", a)

    def number(self, value: float) -> Any:
        """Write a constant."""
        return repr(value)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Write ``a*b + c``, rounded once."""
        return self._line("fma({}, {}, {})", a, b, c)

    def sqrt(self, a: Any) -> Any:
        """Write the root."""
        return self._line("sqrt({})", a)

    def abs(self, a: Any) -> Any:
        """Write ``|a|``."""
        return self._line("fabs({})", a)

    def above(self, a: Any, b: Any) -> Any:
        """Write the condition ``a > b``; NaN is above nothing."""
        return f"{a} > {b}"

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Write ``a`` where the condition holds, else ``b``."""
        return self._line("{1} if {0} else {2}", mask, a, b)


def tallied(tally: Tally) -> Any:
    """Make ``tallied(kept, zr, zi, pr, pi, wr, wi, cr, ci, scale, p)``: what is kept, a step on.

    ``kept`` is a tuple, z and the z before it are those before the step, w is z after it.
    """
    names, writer = tuple(tally.first), Written()
    namespace = functions() | {}
    jacobian: list[str] = []
    if tally.jacobian is not None and tally.slope:
        namespace["jacobian"] = adapted(tally.jacobian, Z, tally.body.parameters)
        count = len(tally.jacobian.outputs)
        writer.lines.append(f"j = jacobian({', '.join(Z)}, p)")
        jacobian = [f"j[{k}]" for k in range(count)]
    new = emit_tally(
        tally,
        writer,
        {name: name for name in names},
        {name: name for name in Z},
        {"zr": "wr", "zi": "wi"} | {name: name for name in POINT},
        jacobian,
        "scale",
    )
    lines = [
        f"def tallied(kept, {', '.join(CARRIED)}, wr, wi, {', '.join(POINT)}, scale, p):",
        *[f"    {name} = kept[{k}]" for k, name in enumerate(names)],
        *[f"    {line}" for line in writer.lines],
        f"    return ({', '.join(str(new[name]) for name in names)},)",
    ]
    exec("\n".join(lines), namespace)
    return device(namespace["tallied"])


@lru_cache(maxsize=64)
def orbit_of(tally: Tally) -> Any:
    """Make the kernel that walks again, for one tally."""
    body = tally.body
    moved = adapted(body.step, Z, body.parameters)
    start = adapted(body.start, POINT, body.parameters)
    again = tallied(tally)
    count, slopes, folds = len(tally.first), len(tally.slope), tally.folds
    has_slope = tally.start_slope is not None
    placed = place()
    slope = adapted(tally.start_slope or body.start, POINT, body.parameters)
    four = body.carried == 4
    # The number of what is kept is the tally's, which a plain definition cannot say to numba.
    numbers = ", ".join(f"a[{k}, i]" for k in range(count))
    namespace: dict[str, Any] = {}
    exec(f"def loaded(a, i):\n    return ({numbers},)", namespace)
    loaded = device(namespace["loaded"])

    def orbit(
        points: Any,
        many: int,
        onward: Any,
        left: Any,
        blocks: int,
        z: Any,
        kept: Any,
        steps: Any,
        ends: Any,
        plane: Any,
        numbers: Any,
        julia: bool,
        width: int,
    ) -> None:
        """Walk so many blocks of `STRIDE` steps.

        Parameters
        ----------
        points, many, onward, left, blocks, z, steps, plane, numbers, julia, width : as `sweep_of`
        kept : what is kept, [numbers, points]; what it is at first stands there before
        ends : how many steps each point takes
        """
        k = cuda.grid(1)
        if k >= many:
            return
        i = points[k]
        n, end = steps[i], ends[i]
        cr, ci = placed(plane, i // width, i % width)
        zr, zi, pr, pi = cr, ci, 0.0, 0.0
        scale = plane[4]
        if julia:
            cr, ci, scale = plane[9], plane[10], 0.0
        if n > 0:
            zr, zi = z[0, i], z[1, i]
            if four:
                pr, pi = z[2, i], z[3, i]
        else:
            if not julia:
                begun = start(cr, ci, numbers)
                zr, zi = begun[0], begun[1]
            if slopes and julia:
                kept[0, i] = plane[4]
                if folds:
                    kept[3, i] = plane[4]
            elif slopes and has_slope:
                d = slope(cr, ci, numbers)
                for m in range(slopes):
                    kept[m, i] = d[m] * plane[4]
        values = loaded(kept, i)
        until = n + blocks * STRIDE
        until = until if until < end else end
        while n < until:
            after = moved(zr, zi, pr, pi, cr, ci, numbers)
            values = again(values, zr, zi, pr, pi, after[0], after[1], cr, ci, scale, numbers)
            pr, pi = zr, zi
            zr, zi = after[0], after[1]
            n += 1
        for m in range(count):
            kept[m, i] = values[m]
        steps[i] = n
        z[0, i], z[1, i] = zr, zi
        if four:
            z[2, i], z[3, i] = pr, pi
        if n < end:
            onward[cuda.atomic.add(left, 0, 1)] = i

    return cuda.jit(orbit)
