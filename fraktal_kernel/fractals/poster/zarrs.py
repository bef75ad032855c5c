"""Pictures and fields in zarr, chunk by chunk, in a folder or wherever fsspec reaches.

The chunks are the tiles. A folder grows beside its place and moves there when it is complete; at a
URL, where nothing can be moved, the attribute ``complete`` says so. The journal is an array in the
group with a digest for each tile, which ends with the work.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import Conflict, InvalidInput, MissingExtra
from fraktal_kernel.fractals.colouring import Survey
from fraktal_kernel.fractals.fields import KINDS
from fraktal_kernel.fractals.poster.cells import Cell, Layout
from fraktal_kernel.fractals.poster.plan import Plan, digest_of
from fraktal_kernel.fractals.poster.space import check_room, full
from fraktal_kernel.fractals.progress import Cancelled, Stopped

PIXELS = "picture/pixels"
COMPRESSIONS = ("zstd", "deflate")
_JOURNAL = "journal"
# The name under which `fraktal_kernel.fractals.storage` looks for facts.
_FACTS = "fraktal"


class ZarrStore:
    """A zarr group that grows: fields by their names, and the picture as ``picture/pixels``.

    Parameters
    ----------
    place : path of a folder, or URL
    plan, layout : what it will be
    """

    def __init__(self, place: str, plan: Plan, layout: Layout) -> None:
        if plan.compression not in COMPRESSIONS:
            raise InvalidInput(
                f"compression is {plan.compression!r:.60}; expected one of "
                f"{', '.join(COMPRESSIONS)}."
            )
        self.place, self.plan, self.layout = place, plan, layout
        self.zarr = _zarr()
        self.folder = None if "://" in place or "::" in place else Path(place)
        self.grown = place
        if self.folder is not None:
            if self.folder.exists():
                raise Conflict(f"{place!r:.200} exists; remove it, or choose another name.")
            part = self.folder.with_name(f"{self.folder.name}.part")
            self.grown = str(part)
            begun = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
            check_room(self.folder, self._raw_bytes(), begun)
        self.tiles: set[int] = set()
        self.group = self._begun()

    def open(self, survey: Callable[[], Survey]) -> Survey:
        """Begin, or go on with what is there; the survey is made once and kept."""
        try:
            if self.group is not None and self.group.attrs.get("complete"):
                self.tiles = set(range(self.layout.count))  # stopped just before it appeared
                return Survey({})
            if self.group is not None:
                self._replay()
                return Survey.from_dict(json.loads(self.group.attrs["survey"]))
            found = survey()
            self._begin(found)
            return found
        except OSError as error:
            raise full(self.place, error) from None

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
        """Write the chunks of a cell, then their digests."""
        arrays = {name: fields[name] for name in self.plan.fields}
        if pixels is not None:
            arrays[PIXELS] = pixels
        try:
            for name, values in arrays.items():
                stored = self.group[name]
                for number in numbers:
                    cancelled()
                    inner = self.layout.pixels_of(number)
                    stored[_whole(inner)] = values[_within(inner, cell)]
            for number in numbers:
                cancelled()
                own = _within(self.layout.pixels_of(number), cell)
                parts = (np.ascontiguousarray(values[own]) for values in arrays.values())
                self.group[_JOURNAL][number] = _digest(parts)
                self.tiles.add(number)
        except OSError as error:
            raise full(self.place, error) from None

    def finish(self) -> None:
        """Take the journal away and let the folder appear."""
        try:
            self.group.attrs.put(
                {
                    _FACTS: self.plan.text,
                    "plan": json.dumps(self.plan.to_dict()),
                    "complete": True,
                }
            )
            if _JOURNAL in self.group:
                del self.group[_JOURNAL]
            if self.folder is not None:
                Path(self.grown).rename(self.folder)
        except OSError as error:
            raise full(self.place, error) from None

    def close(self) -> None:
        """Nothing is held."""

    def _raw_bytes(self) -> int:
        point = sum(np.dtype(KINDS[name].dtype).itemsize for name in self.plan.fields)
        points = self.layout.count * self.layout.tile**2
        # Each chunk is a file, and each journal entry another.
        return points * (point + 3 * self.plan.bits // 8) + self.layout.count * 8192

    def _begun(self) -> Any:
        """Find what was begun, and refuse what is something else."""
        try:
            group = self.zarr.open_group(self.grown, mode="r+")
        except (FileNotFoundError, KeyError):
            return None
        except (OSError, ValueError, ImportError) as error:
            raise InvalidInput(f"{self.place!r:.200} cannot be opened: {error!s:.200}") from None
        complete = self.folder is None and group.attrs.get("complete")
        if complete or "plan" not in group.attrs:
            raise Conflict(f"{self.place!r:.200} exists; remove it, or choose another name.")
        self.plan.check(json.loads(str(group.attrs["plan"])), self.place, self.grown)
        return group

    def _begin(self, survey: Survey) -> None:
        layout, plan = self.layout, self.plan
        codec: Any = self.zarr.codecs.ZstdCodec(level=3)
        if plan.compression == "deflate":
            codec = self.zarr.codecs.GzipCodec(level=4)
        try:
            group = self.zarr.open_group(self.grown, mode="w")
            tile = min(layout.tile, layout.height), min(layout.tile, layout.width)
            shape = layout.height, layout.width
            for name in plan.fields:
                lacking = KINDS[name].lacking
                group.create_array(
                    name,
                    shape=shape,
                    dtype=KINDS[name].dtype,
                    chunks=tile,
                    compressors=codec,
                    fill_value=lacking,
                )
            if plan.bits:
                group.create_array(
                    PIXELS,
                    shape=(*shape, 3),
                    dtype=f"uint{plan.bits}",
                    chunks=(*tile, 3),
                    compressors=codec,
                    fill_value=0,
                )
            group.create_array(
                _JOURNAL, shape=(layout.count,), dtype="uint64", chunks=(1,), fill_value=0
            )
            # The plan comes last: a group without one was never begun.
            group.attrs.update({_FACTS: plan.text, "survey": json.dumps(survey.to_dict())})
            group.attrs["plan"] = json.dumps(plan.to_dict())
        except BaseException:
            if self.folder is not None:
                shutil.rmtree(self.grown, ignore_errors=True)
            raise
        self.group = group

    def _replay(self) -> None:
        """Take the tiles that the journal names and that are as it says."""
        known = self.group[_JOURNAL][...]
        names = [*self.plan.fields, *([PIXELS] if self.plan.bits else [])]
        for number in map(int, np.flatnonzero(known)):
            inner = _whole(self.layout.pixels_of(number))
            try:
                parts = [np.ascontiguousarray(self.group[name][inner]) for name in names]
            except (OSError, ValueError, RuntimeError):
                continue  # a damaged chunk is made anew
            if _digest(parts) == known[number]:
                self.tiles.add(number)


def pack(folder: Path, file: Path, cancelled: Cancelled | None = None) -> None:
    """Make one file of a zarr folder, which zarr reads as a ``ZipStore``; the folder goes."""
    part = file.with_name(f"{file.name}.part")
    # Chunks are compressed already.
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(folder.rglob("*")):
            if cancelled is not None and cancelled():
                raise Stopped("the poster was cancelled while it was packed; its tiles are kept.")
            if path.is_file():
                packed.write(path, path.relative_to(folder).as_posix())
    part.replace(file)
    shutil.rmtree(folder)


def open_zarr(folder: Path) -> Any:
    """Open a complete zarr folder for reading."""
    return _zarr().open_group(str(folder), mode="r")


def _whole(inner: Cell) -> tuple[slice, slice]:
    return slice(inner.top, inner.bottom), slice(inner.left, inner.right)


def _within(inner: Cell, cell: Cell) -> tuple[slice, slice]:
    rows = slice(inner.top - cell.top, inner.bottom - cell.top)
    return rows, slice(inner.left - cell.left, inner.right - cell.left)


def _digest(parts: Any) -> np.uint64:
    """Name the values of a tile by a number above 0, which stands for none."""
    text = "".join(digest_of(part.view(np.uint8).data) for part in parts)
    return np.uint64(int(digest_of(text.encode())[:16], 16) | 1)


def _zarr() -> Any:
    try:
        import zarr
        import zarr.codecs
    except ImportError:
        raise MissingExtra("zarr folders need zarr: pip install 'fraktal[pictures]'") from None
    return zarr
