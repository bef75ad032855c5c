"""Files on their way to a browser that cannot ask our server for them: piece by piece.

Hosts limit what one message may hold and how much may travel in a second, and drop the rest.
So the browser asks for each piece when it has the one before, and asks again for a piece that
does not come.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Hashable
from typing import Any, BinaryIO

from fraktal_kernel.core.artifact import Artifact

PIECE_BYTES = 512 * 1024


class Pieces:
    """One file at a time, open from its first piece to its last.

    Examples
    --------
    >>> import io
    >>> note = Artifact(name="note.txt", size_bytes=5, sha256="", media_type="text/plain")
    >>> piece = Pieces().read("note", 2, lambda: note.opened_by(lambda: io.BytesIO(b"hello")))
    >>> base64.b64decode(piece["data"])
    b'llo'
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._artifact: Artifact | None = None
        self._stream: BinaryIO | None = None

    def read(self, key: Hashable, start: int, find: Callable[[], Artifact]) -> dict[str, Any]:
        """Read the piece that begins at byte ``start``, as JSON.

        Parameters
        ----------
        key : tells one file from another
        start : where the piece begins
        find : finds the file; called when it is not open yet
        """
        if self._stream is None or self._artifact is None or key != self._key:
            self.close()
            self._artifact = find()
            self._key, self._stream = key, self._artifact.open()
        self._stream.seek(max(0, start))
        data = self._stream.read(PIECE_BYTES)
        piece = {
            "start": start,
            "data": base64.b64encode(data).decode(),
            "size_bytes": self._artifact.size_bytes,
            "media_type": self._artifact.media_type,
        }
        if start + len(data) >= self._artifact.size_bytes:
            self.close()
        return piece

    def close(self) -> None:
        """Close the file that is open."""
        if self._stream is not None:
            self._stream.close()
        self._stream = self._artifact = self._key = None
