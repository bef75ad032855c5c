"""Orbits kept on disk: found again by what they are the orbit of, and continued where too short.

They lie compressed in the folder ``orbits`` of the cache (see `cache`), one file for each point
and precision, whole or not there at all, and the oldest give way when there are too many.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.cache import cache_folder, keep, read_kept
from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.progress import Cancelled, Progress, apart
from fraktal_kernel.fractals.reference.compression import Waypoints, compress, expand
from fraktal_kernel.fractals.reference.decimals import bits_for, gmpy2, ratio
from fraktal_kernel.fractals.reference.orbit import (
    Orbit,
    origin_of,
    points,
    reference_orbit,
    whole_limbs,
)
from fraktal_kernel.fractals.reference.recurrences import Number, Recurrence, recurrence_of

MAX_BYTES = 2 << 30
# What was computed in less time is computed again as fast as it is read.
_WORTH_S = 0.05
_VERSION = 2
_ARRAYS = ("index", "value", "small_index", "small_mantissa", "small_exponent")


def kept_orbit(
    formula: str | Formula | Recurrence,
    re: Number,
    im: Number,
    *,
    bits: int | None = None,
    max_iter: int = 1_000_000,
    power: int | None = None,
    escape_radius: float = 1e3,
    radius: Number | None = None,
    until_period: bool = True,
    until_caught: bool = False,
    julia: tuple[Number, Number] | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Orbit:
    """Give a reference orbit from the disk, or compute what is missing of it and keep it.

    The parameters are those of `reference_orbit`.
    """
    recurrence = recurrence_of(formula, power)
    if bits is None and radius is not None:
        bits = bits_for(radius, max_iter)
    if bits is None:
        raise InvalidInput("neither bits nor radius is given; one says how precise to compute.")
    bits = whole_limbs(bits)
    c, start = points(recurrence, re, im, julia, bits)
    origin = origin_of(recurrence, c, bits) if recurrence.drifts else ()
    name = digest(recurrence, c, (*start, *origin), escape_radius)
    known = apart(lambda: load(name, bits), cancelled)
    began = time.perf_counter()
    orbit = reference_orbit(
        *(recurrence, re, im),
        bits=bits,
        max_iter=max_iter,
        escape_radius=escape_radius,
        radius=radius,
        until_period=until_period,
        until_caught=until_caught,
        julia=julia,
        going_on=known,
        progress=progress,
        cancelled=cancelled,
    )
    longer = known is None or len(orbit) > len(known)
    if longer and orbit.state and time.perf_counter() - began >= _WORTH_S:
        apart(lambda: save(name, orbit, recurrence), cancelled)
    return orbit


def digest(
    recurrence: Recurrence,
    c: tuple[Number, Number],
    start: tuple[Number, ...],
    escape_radius: float,
) -> str:
    """Name an orbit by all that its values follow from, but for the precision.

    ``start`` is z_0, and where z is counted from if that is not the same for every c.
    """
    exact = [str(gmpy2().mpq(*ratio(part))) for part in (*c, *start)]
    tape = recurrence.tape
    facts = (_VERSION, tape.inputs, tape.code, tape.outputs, exact, escape_radius)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def load(name: str, bits: int) -> Orbit | None:
    """Give the orbit of this name that is precise enough; None where there is none."""
    folder = cache_folder("orbits")
    if folder is None:
        return None
    for path in sorted(folder.glob(f"{name}-*.npz")):
        try:
            enough = int(path.stem.partition("-")[2]) >= bits
        except ValueError:
            continue
        data = read_kept(path) if enough else None
        if data is not None:
            try:
                return _read(data)
            except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile):
                path.unlink(missing_ok=True)  # broken by a disk, or of another version
    return None


def save(name: str, orbit: Orbit, recurrence: Recurrence, max_bytes: int = MAX_BYTES) -> None:
    """Keep an orbit that can go on; a full disk only costs the keeping."""
    folder = cache_folder("orbits")
    if folder is None:
        return
    data = _written(orbit, recurrence)
    if len(data) <= max_bytes:
        keep(folder / f"{name}-{orbit.bits:07d}.npz", data)
        _make_room(folder, max_bytes)


def _written(orbit: Orbit, recurrence: Recurrence) -> bytes:
    """Write an orbit as npz: arrays and a line of JSON, nothing that could run."""
    facts: dict[str, Any] = {
        "version": _VERSION,
        "formula": orbit.formula,
        "power": 0,
        "c": [_exact(part) for part in orbit.c],
        "start": [_exact(part) for part in orbit.start],
        "bits": orbit.bits,
        "count": len(orbit.z),
        "ended": orbit.ended,
        "escape_radius": orbit.escape_radius,
        "states": [hex(value) for value in orbit.state],
    }
    short = None
    if recurrence.power and not any(ratio(part)[0] for part in orbit.start):
        short = compress(orbit, recurrence.power)
        facts["power"] = short.power
    arrays = {key: getattr(orbit, key) for key in _ARRAYS[2:]}
    arrays["value"] = orbit.z if short is None else short.value
    arrays["index"] = np.zeros(0, np.int64) if short is None else short.index
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _read(data: bytes) -> Orbit:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        index, value, *small = (np.ascontiguousarray(arrays[key]) for key in _ARRAYS)
    if facts["version"] != _VERSION:
        raise ValueError("this orbit was kept by another version.")
    small_index, small_mantissa, small_exponent = small
    numbers = [_number(part) for key in ("c", "start") for part in facts[key]]
    re, im, start_re, start_im = numbers
    orbit = Orbit(
        formula=facts["formula"],
        c=(re, im),
        bits=facts["bits"],
        z=value,
        small_index=small_index,
        small_mantissa=small_mantissa,
        small_exponent=small_exponent,
        # The period belongs to a view, and is found again for it.
        ended="limit" if facts["ended"] == "period" else facts["ended"],
        period=0,
        escape_radius=facts["escape_radius"],
        start=(start_re, start_im),
        state=tuple(int(text, 16) for text in facts["states"]),
    )
    if not facts["power"]:
        return orbit
    rest = replace(orbit, z=np.zeros(0, np.complex128))
    return expand(Waypoints(rest, facts["power"], facts["count"], index, value))


def _exact(number: Number) -> str:
    """Write a number so that it is read as the same one."""
    if isinstance(number, str):
        return number
    above, below = number.as_integer_ratio()
    return f"{above:x}/{below:x}"


def _number(text: object) -> str | Fraction:
    if not isinstance(text, str):
        raise TypeError("a coordinate is no text.")
    above, slash, below = text.partition("/")
    return Fraction(int(above, 16), int(below, 16)) if slash else text


def _make_room(folder: Path, max_bytes: int) -> None:
    """Remove the orbits that were not used for the longest time until the rest fits."""
    found = []
    for path in folder.glob("*.npz"):
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((facts.st_mtime, facts.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found, key=lambda item: item[0]):
        if total <= max_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
