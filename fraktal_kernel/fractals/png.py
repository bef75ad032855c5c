"""PNG files that carry the scene they show, so that a picture can be made again.

The scene stands as JSON in a text chunk named ``fraktal:scene``. Reading it walks over the
chunks and never decompresses anything, so that no file can blow up in memory.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput, MissingExtra
from fraktal_kernel.fractals.scene import Scene

KEYWORD = "fraktal:scene"
MAX_TEXT_BYTES = 1_000_000
_MAX_CHUNKS = 1_000_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_png(pixels: NDArray[np.uint8], scene: Scene) -> bytes:
    """Encode sRGB pixels [h, w, 3] as PNG with the scene in it."""
    try:
        from PIL import Image, PngImagePlugin
    except ImportError:
        raise MissingExtra("writing PNG needs Pillow: pip install pillow") from None
    info = PngImagePlugin.PngInfo()
    info.add_text(KEYWORD, json.dumps(scene.to_dict()))
    out = io.BytesIO()
    # Level 6, the usual one, takes twice as long for a file that is a tenth smaller.
    Image.fromarray(pixels).save(out, "png", pnginfo=info, compress_level=4)
    return out.getvalue()


def read_scene(source: str | os.PathLike[str] | bytes) -> Scene:
    """Read the scene from a PNG file, given as path or as its bytes."""
    if isinstance(source, bytes):
        return scene_of_text(_scene_text(io.BytesIO(source), "the picture"), "the picture")
    path = Path(source)
    try:
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r:.200} is no file; give the path of a PNG picture.")
        with path.open("rb") as file:
            return scene_of_text(_scene_text(file, path.name), path.name)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r:.200} cannot be read: {error!s:.200}") from None


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Read the width and height of a PNG file in pixels."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(24)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{str(path)!r:.200} cannot be read: {error!s:.200}") from None
    if len(head) < 24 or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
        raise InvalidInput(f"{Path(path).name} is no PNG file; expected a picture.")
    width, height = struct.unpack(">II", head[16:])
    return width, height


def scene_of_text(text: str | bytes, name: str) -> Scene:
    """Read a scene from JSON text; ``name`` says in errors where it came from."""
    if len(text) > MAX_TEXT_BYTES:
        raise InvalidInput(f"the scene in {name} is longer than {MAX_TEXT_BYTES} bytes.")
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the scene in {name} is no JSON: {error!s:.200}") from None
    return Scene.from_dict(data)


def _scene_text(file: BinaryIO, name: str) -> bytes:
    """Walk over the chunks to the end and give the text of ours."""
    broken = InvalidInput(f"{name} is no whole PNG file; it may be damaged or cut off.")
    if file.read(8) != _SIGNATURE:
        raise InvalidInput(f"{name} is no PNG file; expected a picture that Fraktal saved.")
    text = None
    for count in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise broken
        length, kind = struct.unpack(">I4s", head)
        if length > 2**31 - 1 or (count == 0) != (kind == b"IHDR"):
            raise broken
        if kind in (b"tEXt", b"iTXt", b"IEND") and length <= MAX_TEXT_BYTES:
            body = file.read(length)
            if file.read(4) != struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))):
                raise broken
            text = _ours(kind, body) or text
        else:
            file.seek(length + 4, io.SEEK_CUR)
        if kind == b"IEND":
            if text is None:
                raise InvalidInput(
                    f"{name} carries no scene; expected a picture that Fraktal saved, and that no "
                    "other program has rewritten since."
                )
            return text
    raise broken


def _ours(kind: bytes, body: bytes) -> bytes | None:
    """Give the text of a chunk if it has our keyword and is not compressed."""
    keyword, _, rest = body.partition(b"\0")
    if keyword != KEYWORD.encode():
        return None
    if kind == b"tEXt":
        return rest
    # iTXt: compression flag and method, language, translated keyword, text.
    parts = rest[2:].split(b"\0", 2)
    return parts[2] if rest[:1] == b"\0" and len(parts) == 3 else None
