"""Fields of z**2 + c in plain numpy, so that colouring is tested on true values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Fields = dict[str, NDArray[Any]]


def fields_of(
    re: float, im: float, width: float, size: tuple[int, int], max_iter: int, radius: float = 1e3
) -> Fields:
    """Iterate every pixel of a view and keep all that colouring knows of."""
    w, h = size
    pixel = width / w
    x = re + pixel * (np.arange(w) - (w - 1) / 2)
    y = im + pixel * ((h - 1) / 2 - np.arange(h))
    grid = (x[None, :] + 1j * y[:, None]).ravel()
    nan = np.full(grid.size, np.nan)
    out: Fields = {
        "smooth": nan.copy(),
        "distance": nan.copy(),
        "angle": nan.copy(),
        "stripe": nan.copy(),
        "triangle": nan.copy(),
        "trap_point": np.full(grid.size, np.inf),
        "trap_cross": np.full(grid.size, np.inf),
        "trap_circle": np.full(grid.size, np.inf),
        "normal": np.full(grid.size, np.nan + 0j),
        "iterations": np.full(grid.size, max_iter),
        "atom": np.zeros(grid.size, np.int64),
    }
    at = np.arange(grid.size)
    c = grid.copy()
    z, d = np.zeros_like(c), np.zeros_like(c)
    stripe, triangle, last_s, last_t = (np.zeros(c.size) for _ in range(4))
    traps = {name: np.full(c.size, np.inf) for name in ("trap_point", "trap_cross", "trap_circle")}
    atom = np.zeros(c.size, np.int64)
    for n in range(1, max_iter + 1):
        d = 2 * z * d + 1
        square = z * z
        z = square + c
        size_z, size_c, size_s = np.abs(z), np.abs(c), np.abs(square)
        last_s = 0.5 + 0.5 * np.sin(5 * np.angle(z))
        low, high = np.abs(size_s - size_c), size_s + size_c
        last_t = np.where(high > low, (size_z - low) / np.maximum(high - low, 1e-300), 0.0)
        stripe += last_s
        if n > 1:
            triangle += last_t
        closer = size_z < traps["trap_point"]
        atom[closer] = n
        near = {
            "trap_point": size_z,
            "trap_cross": np.minimum(np.abs(z.real), np.abs(z.imag)),
            "trap_circle": np.abs(size_z - 0.5),
        }
        for name, value in near.items():
            np.minimum(traps[name], value, out=traps[name])
        gone = size_z > radius
        if gone.any() or n == max_iter:
            where = at[gone]
            out["smooth"][where] = n + 1 - np.log2(np.log(size_z[gone]) / np.log(2))
            part = np.log(np.log(radius) / np.log(size_z[gone])) / np.log(2) + 1
            for name, total, last, count in (
                ("stripe", stripe, last_s, n),
                ("triangle", triangle, last_t, n - 1),
            ):
                now = total[gone] / max(count, 1)
                before = (total[gone] - last[gone]) / max(count - 1, 1)
                out[name][where] = part * now + (1 - part) * before
            zg, dg = z[gone], d[gone] * pixel
            out["distance"][where] = 2 * np.abs(zg) * np.log(np.abs(zg)) / np.abs(dg)
            u = zg / dg
            out["normal"][where] = u / np.abs(u)
            out["angle"][where] = np.angle(zg) / (2 * np.pi)
            out["iterations"][where] = n
            for store in (where, at[~gone]) if n == max_iter else (where,):
                chosen = gone if store is where else ~gone
                for name, values in traps.items():
                    out[name][store] = values[chosen]
                out["atom"][store] = atom[chosen]
            stay = ~gone
            at, c, z, d, atom = at[stay], c[stay], z[stay], d[stay], atom[stay]
            stripe, triangle = stripe[stay], triangle[stay]
            traps = {name: values[stay] for name, values in traps.items()}
        if not at.size:
            break
    return {name: values.reshape(h, w) for name, values in out.items()}


@pytest.fixture(scope="session")
def compute() -> Callable[..., Fields]:
    """Give the function that computes fields."""
    return fields_of


@pytest.fixture(scope="session")
def seahorse() -> Fields:
    """Compute a view with inside, outside and much detail."""
    return fields_of(-0.7453, 0.1127, 0.0065, (96, 72), 500)


@pytest.fixture(scope="session")
def whole() -> Fields:
    """Compute the whole set."""
    return fields_of(-0.65, 0.0, 3.3, (96, 72), 200)
