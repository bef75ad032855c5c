"""A file that a run made: its name, what it holds, and the way to its bytes."""

from __future__ import annotations

import mimetypes
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, PrivateAttr

from fraktal_kernel.errors import InvalidInput, NotFound, unwritten

#: What a run can keep as a file.
Data = bytes | Path | BinaryIO


class Artifact(BaseModel):
    """A file that a run made.

    ``read`` and ``save`` work where the artifact came from a run or a job handle; the
    fields alone travel as JSON.
    """

    name: str
    size_bytes: int
    sha256: str
    media_type: str
    _open: Callable[[], BinaryIO] | None = PrivateAttr(None)

    def opened_by(self, open_: Callable[[], BinaryIO]) -> Artifact:
        """Return the artifact with the way to its bytes."""
        self._open = open_
        return self

    def open(self) -> BinaryIO:
        """Open the bytes for reading."""
        if self._open is None:
            raise NotFound(f"artifact {self.name!r} is only a description here; ask its job.")
        return self._open()

    def read(self) -> bytes:
        """Read all bytes."""
        with self.open() as stream:
            return stream.read()

    def save(self, path: str | Path) -> Path:
        """Write the bytes to a file that appears whole or not at all."""
        path = Path(path)
        try:
            handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        except OSError as error:
            raise unwritten(path, error) from None
        try:
            with os.fdopen(handle, "wb") as target, self.open() as source:
                while chunk := source.read(1024**2):
                    target.write(chunk)
            os.chmod(beside, 0o666 & ~_umask())
            os.replace(beside, path)
        except BaseException as error:
            Path(beside).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise unwritten(path, error) from None
            raise
        return path

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        text = f"{self.name} ({self.size_bytes:,} bytes, {self.media_type})"
        if self._open is not None and self.media_type in ("image/png", "image/jpeg"):
            return {"text/plain": text, self.media_type: self.read()}
        return {"text/plain": text}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def artifact_name(name: str) -> str:
    """Check an artifact's name: one or more plain path parts, nothing that climbs or hides."""
    parts = name.split("/")
    if (
        not 0 < len(name) <= 200
        or any(part in ("", ".", "..") for part in parts)
        or re.search(r"[\x00-\x1f\x7f\\:\ud800-\udfff]", name)
    ):
        raise InvalidInput(
            f"artifact name: given {name!r}, expected something like 'picture.png' or "
            "'tables/costs.csv'."
        )
    return name


def media_type_of(name: str) -> str:
    """Guess what a file holds from its name."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
