"""A poster as one PNG, row after row from its tiles: for programs that know no tiled pictures."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.png import SCENE, encoded
from fraktal_kernel.fractals.poster.zarrs import PIXELS, open_zarr
from fraktal_kernel.fractals.progress import Cancelled, Progress
from fraktal_kernel.fractals.scene import Scene

# Programs hold a PNG whole; few open larger ones.
MAX_PIXELS = 1 << 30


def check_flat(width: int, height: int) -> None:
    """Refuse a PNG that hardly any program would open."""
    if width * height > MAX_PIXELS:
        raise InvalidInput(
            f"a PNG of {width} x {height} pixels is more than the {MAX_PIXELS} that programs "
            "open; choose tiff or zarr, or a smaller size."
        )


def flatten(
    folder: Path,
    file: Path,
    scene: Scene,
    gamut: str,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> None:
    """Write the picture of a complete zarr folder as PNG with its scene; the folder goes.

    Parameters
    ----------
    folder, file : where the tiles are, and where the PNG appears when it is whole
    gamut : what its pixels mean
    """
    rows = _Rows(open_zarr(folder)[PIXELS])
    part = file.with_name(f"{file.name}.part")
    texts = {SCENE: json.dumps(scene.to_dict()).encode()}
    pixels = cast(NDArray[Any], rows)  # all that an encoder asks of an array
    with part.open("wb") as out:
        for piece in encoded(pixels, texts, gamut=gamut, progress=progress, cancelled=cancelled):
            out.write(piece)
    part.replace(file)
    shutil.rmtree(folder)


class _Rows:
    """Rows of a stored array [h, w, 3], read a row of tiles at a time."""

    def __init__(self, array: Any) -> None:
        self.array, self.tall = array, int(array.chunks[0])
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype
        self.itemsize = self.dtype.itemsize
        self._bands: dict[int, NDArray[Any]] = {}
        self._reading = threading.Lock()

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, which: int | slice) -> NDArray[Any]:
        """Give one row, or some that follow each other."""
        if isinstance(which, int):
            row: NDArray[Any] = self[which : which + 1][0]
            return row
        first, last, _ = which.indices(len(self))
        parts = []
        for band in range(first // self.tall, -(-last // self.tall)):
            top = band * self.tall
            parts.append(self._band(band)[max(first - top, 0) : last - top])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _band(self, number: int) -> NDArray[Any]:
        """Read a row of tiles, and keep it with the one before it."""
        with self._reading:
            if number not in self._bands:
                for old in [known for known in self._bands if known < number - 1]:
                    del self._bands[old]
                self._bands[number] = self.array[number * self.tall : (number + 1) * self.tall]
            return self._bands[number]
