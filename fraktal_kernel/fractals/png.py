"""PNG files that carry the scene they show, so that a picture can be made again.

The scene stands as JSON in a text chunk named ``fraktal:scene``, and how finely it was sampled
in ``fraktal:antialias``. Reading them walks over the chunks and never decompresses anything, so
that no file can blow up in memory.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.deflate import deflated
from fraktal_kernel.fractals.palettes.light import Gamut, gamut_of
from fraktal_kernel.fractals.palettes.profile import icc_profile
from fraktal_kernel.fractals.progress import Cancelled, Progress
from fraktal_kernel.fractals.scene import Scene

SCENE = b"fraktal:scene"
ANTIALIAS = b"fraktal:antialias"
MAX_TEXT_BYTES = 1_000_000
_MAX_CHUNKS = 1_000_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Raster:
    """How a picture was rastered: its size in pixels, and samples a side of each."""

    width: int
    height: int
    antialias: int


def write_png(
    pixels: NDArray[Any],
    scene: Scene,
    antialias: int = 1,
    *,
    gamut: str = "srgb",
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> bytes:
    """Encode pixels [h, w, 3] of 8 or 16 bits as PNG with what it takes to make them again."""
    texts = {SCENE: json.dumps(scene.to_dict()).encode(), ANTIALIAS: str(antialias).encode()}
    pieces = encoded(
        pixels, texts, gamut=gamut, threads=threads, progress=progress, cancelled=cancelled
    )
    return b"".join(pieces)


def encoded(
    pixels: NDArray[Any],
    texts: Mapping[bytes, bytes] | None = None,
    *,
    gamut: str = "srgb",
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Iterator[bytes]:
    """Encode pixels as PNG, piece by piece, so that a large file is written as it comes.

    Parameters
    ----------
    pixels : uint8 or uint16 [h, w, 3], with the curve of sRGB
    texts : ASCII texts by keyword that go along
    gamut : what the pixels mean: ``"srgb"``, ``"display-p3"`` or ``"rec2020"``
    threads, progress, cancelled : as `deflated` takes them

    Examples
    --------
    >>> len(b"".join(encoded(np.zeros((8, 8, 3), np.uint8)))) < 200
    True
    """
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InvalidInput(
            f"the pixels are {pixels.dtype} {list(pixels.shape)}; expected uint8 or uint16 "
            "[h, w, 3]."
        )
    height, width = pixels.shape[:2]
    if not (0 < height < 2**31 and 0 < width < 2**31):
        raise InvalidInput(f"a picture of {width} x {height} pixels is no PNG file.")
    meaning = gamut_of(gamut)
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, 2, 0, 0, 0)
    yield _SIGNATURE + _chunk(b"IHDR", head) + _meaning(meaning)
    for key, text in (texts or {}).items():
        yield _chunk(b"tEXt", key + b"\0" + text)
    for piece in deflated(pixels, threads=threads, progress=progress, cancelled=cancelled):
        yield _chunk(b"IDAT", piece)
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(body, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", check)))


def _meaning(gamut: Gamut) -> bytes:
    """Say what the colours mean, in the new way and in the one that older programs read."""
    if gamut.code == 1:
        return _chunk(b"sRGB", b"\0")
    profile = gamut.title.encode() + b"\0\0" + zlib.compress(icc_profile(gamut))
    # Its primaries, the curve of sRGB, RGB and not YCbCr, full range.
    return _chunk(b"cICP", bytes([gamut.code, 13, 0, 1])) + _chunk(b"iCCP", profile)


def read_scene(source: str | os.PathLike[str] | bytes) -> Scene:
    """Read the scene from a PNG file, given as path or as its bytes."""
    name, _, texts = _read(source)
    if SCENE not in texts:
        raise InvalidInput(
            f"{name} carries no scene; expected a picture that Fraktal saved, and that no "
            "other program has rewritten since."
        )
    return scene_of_text(texts[SCENE], name)


def read_raster(source: str | os.PathLike[str] | bytes) -> Raster:
    """Read the size of a PNG file and how finely it was sampled."""
    _, head, texts = _read(source)
    width, height = struct.unpack(">II", head[:8])
    samples = texts.get(ANTIALIAS, b"1")
    return Raster(width, height, int(samples) if samples.isdigit() else 1)


def _read(source: str | os.PathLike[str] | bytes) -> tuple[str, bytes, dict[bytes, bytes]]:
    if isinstance(source, bytes):
        return "the picture", *_chunks(io.BytesIO(source), "the picture")
    path = Path(source)
    try:
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r:.200} is no file; give the path of a PNG picture.")
        with path.open("rb") as file:
            return path.name, *_chunks(file, path.name)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r:.200} cannot be read: {error!s:.200}") from None


def scene_of_text(text: str | bytes, name: str) -> Scene:
    """Read a scene from JSON text; ``name`` says in errors where it came from."""
    if len(text) > MAX_TEXT_BYTES:
        raise InvalidInput(f"the scene in {name} is longer than {MAX_TEXT_BYTES} bytes.")
    try:
        data: Any = json.loads(text)
    except RecursionError:
        raise InvalidInput(f"the scene in {name} is nested too deeply; no scene is.") from None
    except ValueError as error:
        raise InvalidInput(f"the scene in {name} is no JSON: {error!s:.200}.") from None
    return Scene.from_dict(data)


def _chunks(file: BinaryIO, name: str) -> tuple[bytes, dict[bytes, bytes]]:
    """Walk over the chunks to the end and give the header and our texts."""
    broken = InvalidInput(f"{name} is no whole PNG file; it may be damaged or cut off.")
    if file.read(8) != _SIGNATURE:
        raise InvalidInput(f"{name} is no PNG file; expected a picture that Fraktal saved.")
    header = b""
    texts: dict[bytes, bytes] = {}
    for count in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise broken
        length, kind = struct.unpack(">I4s", head)
        if length > 2**31 - 1 or (count == 0) != (kind == b"IHDR"):
            raise broken
        if kind in (b"IHDR", b"tEXt", b"iTXt", b"IEND") and length <= MAX_TEXT_BYTES:
            body = file.read(length)
            if file.read(4) != struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))):
                raise broken
            if kind == b"IHDR":
                header = body
            texts |= _ours(kind, body)
        else:
            file.seek(length + 4, io.SEEK_CUR)
        if kind == b"IEND":
            if len(header) != 13:
                raise broken
            return header, texts
    raise broken


def _ours(kind: bytes, body: bytes) -> dict[bytes, bytes]:
    """Give the text of a chunk if it has a keyword of ours and is not compressed."""
    keyword, _, rest = body.partition(b"\0")
    if keyword not in (SCENE, ANTIALIAS):
        return {}
    if kind == b"tEXt":
        return {keyword: rest}
    # iTXt: compression flag and method, language, translated keyword, text.
    parts = rest[2:].split(b"\0", 2)
    return {keyword: parts[2]} if rest[:1] == b"\0" and len(parts) == 3 else {}
