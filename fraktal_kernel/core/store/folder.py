"""Artifacts in a folder of this machine, or one that it has mounted.

It is written through the operating system and not through fsspec, because a promise that
outlives a power cut needs ``fsync`` and ``rename``, which fsspec does not offer.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from fraktal_kernel.core.store.backend import Listed
from fraktal_kernel.core.store.keys import OURS
from fraktal_kernel.errors import InvalidInput


class Folder:
    """A folder of this machine, or one that it has mounted."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        path = self.root / key
        # A link inside the store must not lead out of it.
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InvalidInput(f"artifact key {key!r} leads out of the store through a link.")
        return path

    def create(self, key: str) -> FolderSink:
        """Begin to write one object."""
        path = self._path(key)
        if path.is_dir():
            raise IsADirectoryError(str(path))
        _make_folder(path.parent)
        try:
            return FolderSink(path)
        except FileNotFoundError:  # a sweep removed the folder, which was still empty
            _make_folder(path.parent)
            return FolderSink(path)

    def open(self, key: str) -> BinaryIO:
        """Open one object for reading."""
        return self._path(key).open("rb")

    def read(self, key: str) -> bytes:
        """Read one object whole, as it was at one moment."""
        return self._path(key).read_bytes()

    def size(self, key: str) -> int:
        """Say how many bytes one object has."""
        path = self._path(key)
        if path.is_dir():
            raise IsADirectoryError(str(path))
        return path.stat().st_size

    def delete(self, key: str) -> None:
        """Remove one object."""
        path = self._path(key)
        if not path.is_dir():
            path.unlink()

    def find(self, folder: str) -> Iterable[Listed]:
        """Yield the files below a folder."""
        for parent, _, names in os.walk(self.root / folder):
            below = Path(parent).relative_to(self.root)
            for name in names:
                with suppress(FileNotFoundError):  # it was removed a moment ago
                    facts = os.lstat(os.path.join(parent, name))
                    key = (below / name).as_posix()
                    yield Listed(key, facts.st_size, facts.st_mtime)

    def sweep(self, before: float) -> int:
        """Remove leftovers last touched before a time; say how many."""
        removed = 0
        for parent, _, names in os.walk(self.root, topdown=False):
            for path in (Path(parent, name) for name in names if name.startswith(OURS)):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime <= before:
                        path.unlink()
                        removed += 1
            with suppress(OSError):
                if Path(parent) != self.root and os.stat(parent).st_mtime <= before:
                    os.rmdir(parent)  # refuses where anything is left inside
        return removed


class FolderSink:
    """A file that takes its name when all of it is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.parent / f"{OURS}part-{uuid.uuid4().hex}"
        self.file = self.part.open("xb")
        self.write = self.file.write

    def commit(self) -> None:
        """Show the object under its name, whole."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.part, self.path)
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Take back what was written so far."""
        with suppress(OSError):  # closing a file on a full disk writes, and fails, once more
            self.file.close()
        self.part.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they survive a power cut."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
