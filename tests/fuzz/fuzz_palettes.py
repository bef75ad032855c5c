"""Throw bytes at palette files: ``-m tests.fuzz.fuzz_palettes``.

The first byte chooses the ending. What is read must have a table of colours, survive plain data,
and be written in each format.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fraktal_kernel.fractals.palettes"]):
    from fraktal_kernel.fractals.palettes import Palette, palettes, read_palette, write_palette
    from fraktal_kernel.fractals.palettes.files import SUFFIXES

from tests.fuzz.harness import fuzz

SEEDS = {
    "ggr": b"\0GIMP Gradient\nName: Two\n2\n0 0.2 0.5 1 0 0 1 0 1 0 1 0 0\n"
    b"0.5 0.7 1 0 1 0 1 1 0 0 1 0 0\n",
    "map": b"\1  0   0   0\n255 128   4 comment\n 12  13  14\n",
    "kfp": b"\2Colors: 0,0,0,255,128,4,12,13,14,\r\nSmooth: 1\r\n",
}
FOLDER = Path(tempfile.mkdtemp())


def read(data: bytes) -> None:
    """Read one file, and write what it was."""
    suffix = SUFFIXES[data[0] % len(SUFFIXES)] if data else SUFFIXES[0]
    path = FOLDER / f"palette{suffix}"
    path.write_bytes(data[1:])
    palette = read_palette(path)
    assert palette.table(16).shape == (16, 3)
    assert Palette.from_dict(palette.to_dict()) == palette
    for ending in (".ggr", ".map", ".kfp"):
        written = write_palette(palette, FOLDER / f"again{ending}")
        assert read_palette(written).table(4).shape == (4, 3)


if __name__ == "__main__":
    assert palettes
    fuzz(read, SEEDS)
