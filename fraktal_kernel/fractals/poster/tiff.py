"""Tiled TIFF, written tile by tile in any order; above 4 GiB it is a BigTIFF.

While it grows, the file lies in a folder beside its place, with a journal: one line for each tile
that is done, with its place, its length and its digest. Nothing is copied at the end: the directory
of the tiles goes behind them, the first bytes are pointed to it, and the file moves to its place.

References
----------
*TIFF revision 6.0* (1992), its supplement 2 (2002) for Deflate, and *The BigTIFF file format*
(2007).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import Conflict, InvalidInput, MissingExtra
from fraktal_kernel.fractals.colouring import Survey
from fraktal_kernel.fractals.palettes.light import gamut_of
from fraktal_kernel.fractals.palettes.profile import icc_profile
from fraktal_kernel.fractals.poster.cells import Cell, Layout
from fraktal_kernel.fractals.poster.plan import Plan, digest_of
from fraktal_kernel.fractals.poster.space import check_room, full

COMPRESSIONS = {"deflate": 8, "zstd": 50_000}
# Tiles begin here: both kinds of headers have room before.
_HEADER = 16
_CLASSIC_END = 2**32 - 1
_BYTE, _ASCII, _SHORT, _LONG, _UNDEFINED, _LONG8 = 1, 2, 3, 4, 7, 16
_FORMS = {_BYTE: "B", _ASCII: "B", _SHORT: "H", _LONG: "I", _UNDEFINED: "B", _LONG8: "Q"}
_DEFLATE_LEVEL, _ZSTD_LEVEL = 4, 3
_PIECE = 1 << 18


class TiffStore:
    """A TIFF file that grows.

    Parameters
    ----------
    place : where the file appears when it is complete
    plan, layout : what it will be
    gamut : which colours its pixels mean
    """

    def __init__(self, place: Path, plan: Plan, layout: Layout, gamut: str) -> None:
        self.place, self.plan, self.layout, self.gamut = place, plan, layout, gamut
        self.part = place.with_name(f"{place.name}.part")
        self.tiles: dict[int, tuple[int, int]] = {}
        self.end, self.lines = _HEADER, 0
        self.compress = _compressor(plan.compression)
        self.lock: int | None = None
        if place.exists():
            raise Conflict(f"{str(place)!r:.200} exists; remove it, or choose another name.")
        begun = self.part / "plan.json"
        raw = layout.count * layout.tile**2 * 3 * plan.bits // 8
        grown = self.part / "tiles"
        if begun.is_file():
            plan.check(_plan_of(begun, self.part), str(place), str(self.part))
        check_room(place, raw, grown.stat().st_size if grown.is_file() else 0)

    def open(self, survey: Callable[[], Survey]) -> Survey:
        """Begin, or go on with what is there; the survey is made once and kept."""
        fresh = not (self.part / "plan.json").is_file()
        try:
            self.part.mkdir(exist_ok=True)
            self.lock = _locked(self.part / "lock", str(self.place))
            found = self.part / "survey.json"
            made = _survey_of(found)
            if made is None:
                made = survey()
                _put(found, json.dumps(made.to_dict()))
            if fresh:
                _put(self.part / "plan.json", json.dumps(self.plan.to_dict()))
            self.data = os.open(self.part / "tiles", os.O_RDWR | os.O_CREAT, 0o644)
            self.journal = os.open(self.part / "journal", os.O_RDWR | os.O_CREAT, 0o644)
            self._replay()
        except OSError as error:
            self.close()
            raise full(str(self.place), error) from None
        except BaseException:
            mine = self.lock is not None
            self.close()
            if mine and fresh and not (self.part / "plan.json").is_file():
                shutil.rmtree(self.part, ignore_errors=True)
            raise
        return made

    def done(self) -> set[int]:
        """Say which tiles are there, whole and undamaged."""
        return set(self.tiles)

    def put(
        self,
        numbers: list[int],
        cell: Cell,
        pixels: NDArray[Any] | None,
        fields: dict[str, NDArray[Any]],
        cancelled: Callable[[], None],
    ) -> None:
        """Append tiles of a cell, each followed by its line in the journal."""
        assert pixels is not None
        picture = pixels

        def encoded(number: int) -> bytes:
            cancelled()
            inner = self.layout.pixels_of(number)
            rows = slice(inner.top - cell.top, inner.bottom - cell.top)
            columns = slice(inner.left - cell.left, inner.right - cell.left)
            tile = _predicted(picture[rows, columns], self.layout.tile)
            return self.compress(tile.data.cast("B"), cancelled)

        try:
            with ThreadPoolExecutor(2, thread_name_prefix="tiles") as pool:
                for number, data in zip(numbers, pool.map(encoded, numbers), strict=True):
                    self._append(number, data)
                os.fsync(self.data)
                os.fsync(self.journal)
        except OSError as error:
            raise full(str(self.place), error) from None

    def finish(self) -> None:
        """Write the directory and let the file appear."""
        try:
            _finish(self.data, self.end, self._tags())
            os.fsync(self.data)
            os.rename(self.part / "tiles", self.place)
        except OSError as error:
            raise full(str(self.place), error) from None
        self.close()
        shutil.rmtree(self.part, ignore_errors=True)

    def close(self) -> None:
        """Let go of the files; what is done stays."""
        for name in ("data", "journal", "lock"):
            handle = getattr(self, name, None)
            if handle is not None:
                os.close(handle)
                setattr(self, name, None)

    def _append(self, number: int, data: bytes) -> None:
        start = self.end
        _write(self.data, data, start)
        self.end = start + len(data) + len(data) % 2
        line = f"{number} {start} {len(data)} {digest_of(data)}\n".encode()
        _write(self.journal, line, self.lines)
        self.lines += len(line)
        self.tiles[number] = start, len(data)

    def _replay(self) -> None:
        """Take the tiles that the journal names and that are as it says; cut off the rest."""
        size = os.fstat(self.data).st_size
        self.end, self.lines = _HEADER, 0
        with open(self.part / "journal", "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn by the stop
                self.lines += len(line)
                found = _entry(line, self.layout.count, size)
                if found is None:
                    continue
                number, start, length, digest = found
                if digest_of(os.pread(self.data, length, start)) == digest:
                    self.tiles[number] = start, length
                    self.end = max(self.end, start + length + length % 2)
        os.ftruncate(self.journal, self.lines)
        os.ftruncate(self.data, self.end)

    def _tags(self) -> list[tuple[int, int, Any]]:
        layout, plan = self.layout, self.plan
        places = [self.tiles[number] for number in range(layout.count)]
        return [
            (256, _LONG, [layout.width]),
            (257, _LONG, [layout.height]),
            (258, _SHORT, [plan.bits] * 3),
            (259, _SHORT, [COMPRESSIONS[plan.compression]]),
            (262, _SHORT, [2]),  # RGB
            (270, _ASCII, plan.text.encode() + b"\0"),
            (277, _SHORT, [3]),
            (284, _SHORT, [1]),  # red, green and blue of a pixel together
            (305, _ASCII, b"Fraktal\0"),
            (317, _SHORT, [2]),  # differences along the rows
            (322, _LONG, [layout.tile]),
            (323, _LONG, [layout.tile]),
            (324, _LONG8, np.array([start for start, _ in places], np.uint64)),
            (325, _LONG, np.array([length for _, length in places], np.uint32)),
            (339, _SHORT, [1] * 3),  # whole numbers
            (34675, _UNDEFINED, icc_profile(gamut_of(self.gamut))),
        ]


def _finish(file: int, end: int, tags: list[tuple[int, int, Any]]) -> None:
    """Put the directory of the tags behind the tiles, and point the header to it."""
    room = sum(40 + len(bytes(_packed(kind, values, True))) for _, kind, values in tags)
    big = end + room > _CLASSIC_END
    entry, width, count, word = (20, 8, "<Q", "<Q") if big else (12, 4, "<H", "<I")
    head = struct.pack(count, len(tags))
    beyond = end + len(head) + entry * len(tags) + width
    directory, values_behind = [head], []
    for tag, kind, values in tags:
        kind = _LONG if kind == _LONG8 and not big else kind
        data = _packed(kind, values, big)
        items = len(data) // struct.calcsize(_FORMS[kind])
        field = struct.pack("<HHQ" if big else "<HHI", tag, kind, items)
        if len(data) > width:
            data += b"\0" * (-len(data) % 8)
            values_behind.append(data)
            field += struct.pack(word, beyond)
            beyond += len(data)
        else:
            field += data.ljust(width, b"\0")
        directory.append(field)
    directory.append(struct.pack(word, 0))
    _write(file, b"".join(directory + values_behind), end)
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, end)
    if not big:
        header = struct.pack("<2sHI", b"II", 42, end).ljust(_HEADER, b"\0")
    _write(file, header, 0)


def _packed(kind: int, values: Any, big: bool) -> bytes:
    if isinstance(values, bytes):
        return values
    kind = _LONG if kind == _LONG8 and not big else kind
    return np.asarray(values).astype("<" + _FORMS[kind]).tobytes()


def _predicted(pixels: NDArray[Any], tile: int) -> NDArray[Any]:
    """Fill a tile up and take the differences along its rows, which compress better."""
    rows, columns = pixels.shape[:2]
    if (rows, columns) != (tile, tile):
        pixels = np.pad(pixels, ((0, tile - rows), (0, tile - columns), (0, 0)), mode="edge")
    out = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"))
    out[:, 1:] -= pixels[:, :-1]
    return out


def _compressor(name: str) -> Callable[[memoryview, Callable[[], None]], bytes]:
    if name == "deflate":
        return _deflated
    if name != "zstd":
        raise InvalidInput(
            f"compression is {name!r:.60}; expected one of {', '.join(COMPRESSIONS)}."
        )
    try:
        zstd = import_module("numcodecs.zstd")
    except ImportError:
        raise MissingExtra("zstd needs numcodecs: pip install 'fraktal[pictures]'") from None
    return lambda tile, _: bytes(zstd.compress(tile, _ZSTD_LEVEL))


def _deflated(tile: memoryview, cancelled: Callable[[], None]) -> bytes:
    """Deflate a tile in pieces, so that a cancel need not wait for the whole."""
    packer = zlib.compressobj(_DEFLATE_LEVEL)
    parts = []
    for first in range(0, len(tile), _PIECE):
        cancelled()
        parts.append(packer.compress(tile[first : first + _PIECE]))
    return b"".join([*parts, packer.flush()])


def _entry(line: bytes, tiles: int, size: int) -> tuple[int, int, int, str] | None:
    try:
        number, start, length, digest = line.decode().split()
        found = int(number), int(start), int(length), digest
    except (UnicodeDecodeError, ValueError):
        return None
    fits = 0 <= found[0] < tiles and _HEADER <= found[1] and 0 < found[2]
    return found if fits and found[1] + found[2] <= size else None


def _plan_of(path: Path, part: Path) -> dict[str, Any]:
    try:
        plan = json.loads(path.read_text())
        if isinstance(plan, dict):
            return plan
    except (OSError, ValueError):
        pass
    raise Conflict(f"{str(part)!r:.200} holds no plan that can be read; remove it to begin anew.")


def _survey_of(path: Path) -> Survey | None:
    """Read the survey; one that a failing machine has damaged is made again, and is the same."""
    try:
        return Survey.from_dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, AttributeError, TypeError, InvalidInput):
        return None


def _locked(path: Path, place: str) -> int:
    """Hold a lock that ends with the process."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Conflict(f"{place!r:.200} is being made by another process; wait for it.") from None
    return handle


def _put(path: Path, text: str) -> None:
    """Write a file that is whole or not there."""
    part = path.with_suffix(".new")
    part.write_text(text)
    part.replace(path)


def _write(file: int, data: bytes, at: int) -> None:
    """Write all of it, also where the system takes a part at a time."""
    view = memoryview(data)
    while view:
        taken = os.pwrite(file, view, at)
        view, at = view[taken:], at + taken
