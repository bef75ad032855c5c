"""How fast reference orbits are computed, beside gmpy2 and python-flint from plain Python.

One iteration is one step of ``z*z + c`` for one point in arbitrary precision, rounded to float64
as well. gmpy2 is given its best form at each precision: complex floating point (mpc), real
floating point, or whole numbers as fixed point, with three squarings or with two and a product.
All run on one thread, in turn.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import lru_cache

import flint
import gmpy2

from fraktal_kernel.fractals.reference import reference_orbit
from fraktal_kernel.fractals.reference.decimals import decimal_of, fixed

DIGITS = (100, 1_000, 10_000)
# About this much work for each measurement, in seconds.
SPAN_S = 0.2
ROUNDS = 5


@lru_cache
def point(bits: int) -> tuple[str, str]:
    """Give a point that never leaves, with digits throughout: inside the great cardioid."""
    root = gmpy2.isqrt(gmpy2.mpz(2) << (2 * bits))
    return decimal_of(-int(root) // 12, bits), decimal_of(int(root) // 7, bits)


def ours(bits: int, count: int) -> None:
    reference_orbit("mandelbrot", *point(bits), bits=bits, max_iter=count)


def by_mpc(bits: int, count: int) -> None:
    with gmpy2.context(gmpy2.get_context(), precision=bits):
        c, z = gmpy2.mpc(*map(gmpy2.mpfr, point(bits))), gmpy2.mpc(0)
        out = []
        for _ in range(count):
            z = z * z + c
            out.append(complex(z))


def by_mpfr(bits: int, count: int) -> None:
    with gmpy2.context(gmpy2.get_context(), precision=bits):
        a, b = map(gmpy2.mpfr, point(bits))
        x = y = gmpy2.mpfr(0)
        out = []
        for _ in range(count):
            xx, yy, s = x * x, y * y, x + y
            x, y = xx - yy + a, s * s - xx - yy + b
            out.append(complex(x, y))


def by_mpz(bits: int, count: int) -> None:
    a, b = (gmpy2.mpz(fixed(part, bits)) for part in point(bits))
    x = y = gmpy2.mpz(0)
    down, scale, out = bits - 60, 2.0**-60, []
    for _ in range(count):
        xx, yy, s = x * x, y * y, x + y
        x, y = ((xx - yy) >> bits) + a, ((s * s - xx - yy) >> bits) + b
        out.append(complex(int(x >> down) * scale, int(y >> down) * scale))


def by_flint(bits: int, count: int) -> None:
    before, flint.ctx.prec = flint.ctx.prec, bits
    try:
        c, z, out = flint.acb(*map(flint.arb, point(bits))), flint.acb(0), []
        for _ in range(count):
            z = z.mid() ** 2 + c  # the middle of the ball: the radius is not wanted
            out.append(complex(z))
    finally:
        flint.ctx.prec = before


PEERS: dict[str, Callable[[int, int], None]] = {
    "gmpy2 mpc": by_mpc,
    "gmpy2 mpfr, three squarings": by_mpfr,
    "gmpy2 mpz fixed point, three squarings": by_mpz,
    "python-flint acb": by_flint,
}


def rate(run: Callable[[int, int], None], bits: int, count: int) -> float:
    """Measure iterations a second, of processor time: other processes do not count."""
    began = time.thread_time()
    run(bits, count)
    return count / (time.thread_time() - began)


def filling(run: Callable[[int, int], None], bits: int) -> int:
    """Find how many iterations take the span."""
    run(bits, 64)  # reads machine code from the disk, makes what is made once
    count = 64
    while (found := rate(run, bits, count)) * SPAN_S > 4 * count:
        count *= 4
    return int(found * SPAN_S) + 1


def main() -> None:
    for digits in DIGITS:
        bits = -(-int(digits * 3.32193 + 1) // 64) * 64
        runners = {"fraktal": ours, **PEERS}
        counts = {name: filling(run, bits) for name, run in runners.items()}
        best = dict.fromkeys(runners, 0.0)
        for _ in range(ROUNDS):
            for name, run in runners.items():
                best[name] = max(best[name], rate(run, bits, counts[name]))
        for name, value in best.items():
            print(f"{digits:6} digits  {name:42} {value:12,.0f} iterations/s {1e6 / value:9.2f} us")
        gmpy = max((name for name in PEERS if name.startswith("gmpy2")), key=best.__getitem__)
        for suffix, peer in (("", gmpy), ("_flint", "python-flint acb")):
            line = {
                "figure": f"reference_orbit_{digits}{suffix}",
                "value": best["fraktal"],
                "unit": "iterations/s",
                "peer": f"{peer} {best[peer]:,.0f}",
                "ratio": best["fraktal"] / best[peer],
            }
            print(json.dumps(line))


if __name__ == "__main__":
    main()
