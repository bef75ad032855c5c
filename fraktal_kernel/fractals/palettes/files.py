"""Palettes in the files of other programs: GIMP .ggr, Fractint .map, Kalles Fraktaler .kfp."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes.gradient import MAX_STOPS, Palette
from fraktal_kernel.fractals.palettes.light import srgb

MAX_BYTES = 1_000_000
SUFFIXES = (".ggr", ".map", ".kfp", ".kfr")
_SEGMENTS = 256
_COLOURS = re.compile(r"^Colors:\s*(.*)$", re.MULTILINE)


def read_palette(path: str | os.PathLike[str]) -> Palette:
    """Read a palette from a .ggr, .map, .kfp or .kfr file."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInput(f"{path.name!r:.100} is no palette; expected {', '.join(SUFFIXES)}.")
    try:
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r:.200} is no file; give the path of a palette.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r:.200} cannot be read: {error!s:.200}") from None
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path.name:.100} is longer than {MAX_BYTES} bytes; no palette is.")
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    name = path.stem[:100] or "Untitled"
    try:
        if suffix == ".ggr":
            return _from_ggr(text, name)
        return _from_map(text, name) if suffix == ".map" else _from_kfp(text, name)
    except (ValueError, OverflowError) as error:
        reason = str(error)[:200].removesuffix(".")
        raise InvalidInput(f"{path.name:.100} is no {suffix} palette: {reason}.") from None


def write_palette(palette: Palette, path: str | os.PathLike[str]) -> Path:
    """Write a palette as a .ggr, .map or .kfp file.

    A .ggr holds it as 256 short straight pieces, which follow the curve in OKLab more closely
    than a screen shows; the others as 256 colours, going round once.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".ggr":
        text = _to_ggr(palette)
    elif suffix == ".map":
        text = "".join(f"{r:3} {g:3} {b:3}\n" for r, g, b in palette.table(_SEGMENTS).tolist())
    elif suffix == ".kfp":
        flat = palette.table(_SEGMENTS)[:, ::-1].ravel().tolist()
        text = f"Colors: {','.join(map(str, flat))},\r\nSmooth: 1\r\n"
    else:
        raise InvalidInput(f"{path.name!r:.100} has no known ending; use .ggr, .map or .kfp.")
    path.write_text(text, encoding="utf-8", newline="")
    return path


def _hex(*parts: float) -> str:
    """Write red, green and blue from 0 to 255 as a colour."""
    if len(parts) != 3 or not all(0 <= part <= 255 for part in parts):
        raise ValueError(f"a colour is {parts}; expected three parts from 0 to 255.")
    return "#" + bytes(round(part) for part in parts).hex()


def _from_map(text: str, name: str) -> Palette:
    """Read lines of red, green and blue; what follows them is a comment."""
    lines = [line.split()[:3] for line in text.splitlines() if line.strip()]
    return Palette.of([_hex(*map(int, line)) for line in lines[:MAX_STOPS]], name)


def _from_kfp(text: str, name: str) -> Palette:
    """Read the list behind ``Colors:``, which has blue first, as Windows bitmaps do."""
    match = _COLOURS.search(text)
    if match is None:
        raise ValueError("it has no line of Colors.")
    parts = [int(part) for part in match[1].split(",") if part.strip()]
    triples = zip(parts[2::3], parts[1::3], parts[0::3], strict=False)
    return Palette.of([_hex(*triple) for triple in triples][:MAX_STOPS], name)


def _from_ggr(text: str, name: str) -> Palette:
    """Read segments of left, middle, right and two colours; their bends become stops."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "GIMP Gradient":
        raise ValueError("its first line is not 'GIMP Gradient'.")
    head = 1
    if len(lines) > 1 and lines[1].startswith("Name:"):
        name = lines[1][5:].strip()[:200] or name
        head = 2
    count = int(lines[head]) if len(lines) > head else 0
    if not 1 <= count <= MAX_STOPS // 3 or len(lines) < head + 1 + count:
        raise ValueError(f"it announces {count} segments and has {len(lines) - head - 1} lines.")
    stops: list[tuple[float, str]] = []

    def put(at: float, colour: np.ndarray) -> None:
        """Add a stop; where two segments meet in different colours, the next begins just behind."""
        text = _hex(*(np.clip(colour, 0, 1) * 255))
        if stops and at <= stops[-1][0]:
            if text == stops[-1][1]:
                return
            at = stops[-1][0] + 1e-6
        stops.append((at, text))

    for line in lines[head + 1 : head + 1 + count]:
        numbers = [float(word) for word in line.split()[:11]]
        if len(numbers) < 11 or not all(map(np.isfinite, numbers)):
            raise ValueError(f"a segment is {line!r:.80}; expected 11 numbers at least.")
        left, middle, right = numbers[:3]
        if not 0 <= left <= middle <= right <= 1:
            raise ValueError(f"a segment goes from {left:g} over {middle:g} to {right:g}.")
        a, b = np.array(numbers[3:6]), np.array(numbers[7:10])
        put(left, a)
        if left < middle < right and abs(2 * middle - left - right) > 1e-6:
            put(middle, (a + b) / 2)
        put(right, b)
    closed = stops[0][1] == stops[-1][1] and len(stops) > 2 and stops[-1][0] >= 1
    if closed:
        stops.pop()
    return Palette(name, tuple((min(at, 1.0), colour) for at, colour in stops), cyclic=closed)


def _to_ggr(palette: Palette) -> str:
    """Write straight pieces between evenly spaced colours."""
    light = palette.light(_SEGMENTS if palette.cyclic else _SEGMENTS + 1)
    if palette.cyclic:
        light = np.concatenate([light, light[:1]])
    colours = srgb(light) / 255
    title = " ".join(palette.title.split())
    rows = ["GIMP Gradient", f"Name: {title}", str(_SEGMENTS)]
    for k in range(_SEGMENTS):
        places = [k / _SEGMENTS, (k + 0.5) / _SEGMENTS, (k + 1) / _SEGMENTS]
        numbers = [*places, *colours[k], 1.0, *colours[k + 1], 1.0]
        rows.append(" ".join(f"{number:.6f}" for number in numbers) + " 0 0")
    return "\n".join(rows) + "\n"
