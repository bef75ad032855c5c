"""The one door to files of other programs: what kind a file is, and what it shows."""

from __future__ import annotations

from pathlib import Path

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.exchange.fraktaler import is_fraktaler, read_fraktaler
from fraktal_kernel.fractals.exchange.kalles import is_kfr, read_kfr
from fraktal_kernel.fractals.exchange.rust_fractal import is_rust_fractal, read_rust_fractal
from fraktal_kernel.fractals.exchange.tables import table_of
from fraktal_kernel.fractals.exchange.xaos import is_xpf, read_xpf
from fraktal_kernel.fractals.scene import Scene

SUFFIXES = (".kfr", ".toml", ".xpf")
MAX_BYTES = 1_000_000


def read_location(source: str | Path) -> tuple[Scene, tuple[str, ...]]:
    r"""Read a scene from a file of another program, or from its text.

    Parameters
    ----------
    source : path of a .kfr, .toml or .xpf file, or the text of one

    Returns
    -------
    scene : what it shows
    notes : what of the file is not in the scene, each in a few words

    Examples
    --------
    >>> scene, notes = read_location("Re: -0.75\nIm: 0.1\nZoom: 8\nIterations: 500\n")
    >>> scene.view.re, scene.max_iter
    ('-0.75', 500)
    """
    if isinstance(source, str) and ("\n" in source or not source.lower().endswith(SUFFIXES)):
        return location_of(source, "the given text")
    path = Path(source)
    try:
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r:.200} is no file; give the path of a location.")
        with path.open("rb") as file:
            return location_of(file.read(MAX_BYTES + 1), path.name)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{str(path)!r:.200} cannot be read: {error!s:.200}") from None


def location_of(data: str | bytes, name: str) -> tuple[Scene, tuple[str, ...]]:
    """Read a scene from what stood in a file; ``name`` says what kind it may be."""
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{name[:100]} is longer than {MAX_BYTES} bytes; expected a location.")
    text = _decoded(data) if isinstance(data, bytes) else data
    name, suffix = name[:100], Path(name).suffix.lower()
    if suffix == ".kfr" or (suffix not in SUFFIXES and is_kfr(text)):
        return read_kfr(text, name)
    if suffix == ".xpf" or (suffix not in SUFFIXES and is_xpf(text)):
        return read_xpf(text, name)
    table = table_of(text, name)
    if not table:
        raise InvalidInput(f"{name} is empty; expected a location or a scene.")
    if is_fraktaler(table):
        return read_fraktaler(table, name)
    if is_rust_fractal(table):
        return read_rust_fractal(table, name)
    return Scene.from_dict(table), ()


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # old files of Windows; reads everything
