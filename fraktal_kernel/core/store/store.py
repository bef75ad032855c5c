"""The store itself: written whole or not at all, hashed on the way, errors as sentences.

What a key means (whose it is, which job made it) is not the store's business.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from fraktal_kernel.core.store.backend import Backend, Listed
from fraktal_kernel.core.store.folder import Folder
from fraktal_kernel.core.store.keys import OURS, check_key
from fraktal_kernel.errors import Conflict, FraktalError, InvalidInput, NotFound, Unavailable

CHUNK_BYTES = 1024**2
LEFTOVER_AGE_S = 24 * 3600.0

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of an object once it is wholly written."""

    key: str
    size_bytes: int
    sha256: str


class Store:
    """A place that keeps artifacts.

    Parameters
    ----------
    url : a folder (path or ``file://``), or what fsspec opens: ``s3://bucket/prefix``,
        ``sftp://...``, ``memory://...``
    options : what the filesystem wants; for MinIO ``endpoint_url``, ``key`` and ``secret``

    Examples
    --------
    >>> store = Store("memory://store-example")
    >>> store.put("jobs/7/greeting.txt", b"hello").size_bytes
    5
    >>> store.read("jobs/7/greeting.txt")
    b'hello'
    """

    def __init__(self, url: str | os.PathLike[str], **options: Any) -> None:
        self.url = os.fspath(url)
        self.options = options

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.url, self.options)

    def __repr__(self) -> str:
        return f"Store({self.name!r})"

    @property
    def name(self) -> str:
        """The URL without the password that it may hold."""
        return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", self.url)

    @cached_property
    def _backend(self) -> Backend:
        protocol, found, rest = self.url.partition("://")
        if not found:
            return Folder(Path(self.url).expanduser().absolute())
        if protocol in ("file", "local"):
            return Folder(Path(rest).absolute())
        from fraktal_kernel.core.store.remote import open_remote

        return open_remote(self.url, self.name, protocol, self.options)

    def put(self, key: str, data: bytes | BinaryIO | Iterable[bytes]) -> Stored:
        """Write one object whole or not at all, over an older one if there is one.

        The data is read once, in pieces, and hashed on the way, so that memory stays flat.

        Raises
        ------
        InvalidInput
            the key cannot be a key
        Conflict
            the key is a folder of other keys, or lies below a file
        Unavailable
            the disk is full or the store does not answer; nothing is left behind
        """
        return self._write(check_key(key), data)

    def _write(self, key: str, data: bytes | BinaryIO | Iterable[bytes]) -> Stored:
        digest, size = hashlib.sha256(), 0
        with self._sentences("write", key):
            sink = self._backend.create(key)
        try:
            for chunk in _chunks(data):
                digest.update(chunk)
                size += len(chunk)
                with self._sentences("write", key):
                    sink.write(chunk)
            with self._sentences("write", key):
                sink.commit()
        except BaseException:
            # The error that stopped us is the one to tell; what resists removal is swept later.
            with suppress(Exception):
                sink.discard()
            raise
        return Stored(key, size, digest.hexdigest())

    def open(self, key: str) -> BinaryIO:
        """Open one object for reading; it can be sought in.

        When the object is replaced meanwhile, a folder goes on with the old one and a remote
        store raises Unavailable; old and new never mix.
        """
        check_key(key)
        with self._sentences("read", key):
            return self._backend.open(key)

    def read(self, key: str) -> bytes:
        """Read one object whole."""
        check_key(key)
        with self._sentences("read", key):
            return self._backend.read(key)

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read the bytes from ``start`` up to, not including, ``end``, in pieces.

        A missing object is told at once, not at the first piece.
        """
        if start < 0 or (end is not None and end < start):
            raise InvalidInput(f"bytes {start} to {end} are no range; expected 0 <= start <= end.")
        return self._pieces(self.open(key), key, start, end)

    def _pieces(self, file: BinaryIO, key: str, start: int, end: int | None) -> Iterator[bytes]:
        with file:
            with self._sentences("read", key):
                size = file.seek(0, os.SEEK_END)
                left = (size if end is None else min(end, size)) - start
                if left > 0:
                    file.seek(start)
            while left > 0:
                with self._sentences("read", key):
                    chunk = file.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise Unavailable(f"artifact {key!r} ended {left} bytes early; read it again.")
                left -= len(chunk)
                yield chunk

    def size(self, key: str) -> int:
        """Say how many bytes one object has."""
        check_key(key)
        with self._sentences("read", key):
            return self._backend.size(key)

    def exists(self, key: str) -> bool:
        """Say whether there is a whole object of this key."""
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove one object; one that is not there is removed already."""
        check_key(key)
        with suppress(NotFound), self._sentences("delete", key):
            self._backend.delete(key)

    def list(self, folder: str = "") -> list[str]:
        """List the keys below a folder, sorted; the empty text means all."""
        return [found.key for found in self.look(folder)]

    def look(self, folder: str = "") -> Sequence[Listed]:
        """List the objects below a folder by key, each with its size and when it was written."""
        if folder:
            check_key(folder)
        with self._sentences("list", folder):
            found = self._backend.find(folder)
            whole = (each for each in found if not each.key.rpartition("/")[2].startswith(OURS))
            return sorted(whole, key=lambda each: each.key)

    def check_url(self) -> None:
        """Refuse a URL that stands for no store; whether that answers now is for `check`.

        Raises
        ------
        InvalidInput
            nothing opens such a URL
        MissingExtra
            a package is missing for it
        """
        try:
            self._backend  # noqa: B018
        except FraktalError:
            raise
        except Exception:  # it is away, and may come back
            pass

    def check(self) -> None:
        """Write, read and remove a small probe; raise Unavailable with a sentence if that fails."""
        key = f"{OURS}check-{uuid.uuid4().hex}"
        probe = key.encode()
        try:
            self._write(key, probe)
            with self._sentences("read", key):
                found = self._backend.read(key)
        except NotFound:
            found = b""
        finally:
            with suppress(FraktalError), self._sentences("delete", key):
                self._backend.delete(key)
        if found != probe:
            raise Unavailable(f"the store at {self.name} gave back other bytes than it took.")

    def sweep(self, older_than_s: float = LEFTOVER_AGE_S) -> int:
        """Remove what writes that were killed left behind; say how many leftovers that were.

        Leftovers are never visible as keys; this only gives their space back. The age keeps
        writes that are still going on safe.
        """
        with self._sentences("sweep", ""):
            return self._backend.sweep(time.time() - older_than_s)

    @contextmanager
    def _sentences(self, doing: str, key: str) -> Iterator[None]:
        """Turn what filesystems raise into our errors, each one sentence."""
        what = f"cannot {doing} {f'artifact {key!r}' if key else 'artifacts'}"
        try:
            yield
        except FraktalError:
            raise
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            if doing != "write":
                raise NotFound(f"the store has no artifact {key!r}.") from None
            raise Conflict(
                f"{what}: a key cannot be a file and a folder at once; choose another name."
            ) from None
        except FileNotFoundError as error:
            if doing == "write":
                raise Unavailable(
                    f"{what}: {self.name} does not exist ({error}); create the bucket or folder."
                ) from error
            raise NotFound(f"the store has no artifact {key!r}.") from None
        except (TypeError, ValueError, AttributeError, LookupError):
            raise  # a mistake of ours, not the store's state
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise Unavailable(
                    f"{what}: the disk below {self.name} is full or over its quota; nothing "
                    "was kept of it, free some space and try again."
                ) from error
            raise Unavailable(
                f"{what}: the store at {self.name} does not do it "
                f"({type(error).__name__}: {error}); check that it runs and lets us in."
            ) from error


def _reopen(url: str, options: dict[str, Any]) -> Store:
    return Store(url, **options)


def _chunks(data: bytes | BinaryIO | Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """Cut what was given into pieces of bounded size."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        whole = memoryview(data).cast("B")
        yield from (whole[i : i + CHUNK_BYTES] for i in range(0, len(whole), CHUNK_BYTES))
    elif hasattr(data, "read"):
        while piece := data.read(CHUNK_BYTES):
            yield _as_bytes(piece)
    elif isinstance(data, str) or not isinstance(data, Iterable):
        raise InvalidInput(f"an artifact is bytes or an open binary file; given {type(data)}.")
    else:
        for piece in data:
            yield _as_bytes(piece)


def _as_bytes(piece: object) -> bytes | memoryview:
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise InvalidInput(f"an artifact is made of bytes; given a piece of {type(piece)}.")
    return memoryview(piece).cast("B")
