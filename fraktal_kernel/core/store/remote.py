"""Artifacts on any filesystem that fsspec opens: S3, MinIO, SFTP, memory and many more."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO, cast

from fraktal_kernel.core.store.backend import Listed, Sink
from fraktal_kernel.core.store.keys import OURS
from fraktal_kernel.errors import InvalidInput, MissingExtra

UPLOAD_PART_BYTES = 16 * 1024**2  # S3 takes 10,000 parts: objects of up to 160 GB
READ_AHEAD_BYTES = 4 * 1024**2

# Stores where an object appears at once, when its upload is completed; anywhere else we
# write beside and move.
_WHOLE_OR_NOTHING = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci"}
_EXTRAS = {"s3": "s3", "s3a": "s3"}


def open_remote(url: str, name: str, protocol: str, options: dict[str, Any]) -> Remote:
    """Open a filesystem by its URL, or say what is missing."""
    import fsspec

    options = {"use_listings_cache": False, **options}  # others write to it as well
    if protocol in ("s3", "s3a"):
        # The defaults would try a dead server for minutes, and /api/health waits for us.
        timeouts = {"connect_timeout": 3, "read_timeout": 20, "retries": {"max_attempts": 2}}
        options["config_kwargs"] = {**timeouts, **options.get("config_kwargs", {})}
    try:
        fs, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        need = f"needs: pip install 'fraktal[{extra}]'" if extra else f"needs a package: {error}"
        raise MissingExtra(f"the store at {name} {need}") from error
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"the store URL {name} cannot be opened: {error}") from error
    root = root.rstrip("/")
    if protocol in ("s3", "s3a") and not url.partition("://")[2].partition("/")[0]:
        raise InvalidInput(f"the store URL {name} names no bucket; expected s3://bucket/prefix.")
    return Remote(fs, root, protocol in _WHOLE_OR_NOTHING)


class Remote:
    """A filesystem that fsspec opened."""

    def __init__(self, fs: Any, root: str, direct: bool) -> None:
        self.fs, self.root, self.direct = fs, root, direct

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}"

    def create(self, key: str) -> Sink:
        """Begin to write one object."""
        path = self._path(key)
        if self.direct:
            return UploadSink(self.fs, path)
        if self.fs.isdir(path):
            raise IsADirectoryError(path)
        return BesideSink(self.fs, path)

    def open(self, key: str) -> BinaryIO:
        """Open one object for reading."""
        self.size(key)
        return cast(BinaryIO, self.fs.open(self._path(key), "rb", block_size=READ_AHEAD_BYTES))

    def read(self, key: str) -> bytes:
        """Read one object whole, as it was at one moment."""
        if not self.direct:
            self.size(key)  # object stores know no folders; others may read one in odd ways
        return cast(bytes, self.fs.cat_file(self._path(key)))

    def size(self, key: str) -> int:
        """Say how many bytes one object has."""
        info = self.fs.info(self._path(key))
        if info["type"] != "file":
            raise IsADirectoryError(key)
        return int(info["size"])

    def delete(self, key: str) -> None:
        """Remove one object."""
        self.size(key)
        self.fs.rm_file(self._path(key))

    def find(self, folder: str) -> Iterable[Listed]:
        """Yield the files below a folder."""
        below = f"{self.root}/{folder}/" if folder else f"{self.root}/"
        try:
            found = self.fs.find(below.rstrip("/") or "/", detail=True)
        except FileNotFoundError:
            return []
        return [
            Listed(name[len(self.root) + 1 :], int(info.get("size") or 0), _written_at(info))
            for name, info in found.items()
            if name.startswith(below)
        ]

    def sweep(self, before: float) -> int:
        """Remove leftovers last touched before a time; say how many."""
        if self.direct:
            return sum(1 for _ in self._abort_uploads(before)) if _is_s3(self.fs) else 0
        removed = 0
        for name, info in self.fs.find(self.root or "/", detail=True).items():
            if name.rpartition("/")[2].startswith(OURS) and _written_at(info) <= before:
                with suppress(FileNotFoundError):
                    self.fs.rm_file(name)
                    removed += 1
        return removed

    def _abort_uploads(self, before: float) -> Iterator[str]:
        """End the uploads that nobody will complete; S3 keeps, and bills, their parts for ever."""
        bucket, _, prefix = self.root.partition("/")
        where = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else ""}
        page: dict[str, Any] = {"IsTruncated": True}
        while page.get("IsTruncated"):
            markers = {
                "KeyMarker": page.get("NextKeyMarker"),
                "UploadIdMarker": page.get("NextUploadIdMarker"),
            }
            page = self.fs.call_s3(
                "list_multipart_uploads", **where, **{k: v for k, v in markers.items() if v}
            )
            for upload in page.get("Uploads", []):
                if upload["Initiated"].timestamp() <= before:
                    self.fs.abort_mpu(bucket, upload["Key"], upload["UploadId"])
                    yield upload["Key"]


def _written_at(info: dict[str, Any]) -> float:
    """Read when a file was written, which each filesystem calls something else."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        found = info.get(name)
        if isinstance(found, datetime):
            return found.timestamp()
        if isinstance(found, int | float) and found:
            return float(found)
    return math.inf


def _is_s3(fs: Any) -> bool:
    return "s3" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


class UploadSink:
    """An upload to an object store, which shows the object when the upload is completed."""

    def __init__(self, fs: Any, path: str) -> None:
        self.file = fs.open(path, "wb", block_size=UPLOAD_PART_BYTES)

    def write(self, chunk: bytes | memoryview) -> object:
        """Take the next piece."""
        return self.file.write(chunk)

    def commit(self) -> None:
        """Show the object under its name, whole."""
        self.file.close()

    def discard(self) -> None:
        """Take back what was written so far."""
        # close(), which the garbage collector calls too, would complete the upload
        self.file.closed = True
        self.file.discard()


class BesideSink:
    """A file that is written under another name and moved when it is whole."""

    def __init__(self, fs: Any, path: str) -> None:
        self.fs, self.path = fs, path
        folder = path.rpartition("/")[0]
        self.part = f"{folder}/{OURS}part-{uuid.uuid4().hex}"
        if folder:
            fs.makedirs(folder, exist_ok=True)
        self.file = fs.open(self.part, "wb")

    def write(self, chunk: bytes | memoryview) -> object:
        """Take the next piece."""
        return self.file.write(chunk)

    def commit(self) -> None:
        """Show the object under its name, whole."""
        self.file.close()
        if type(self.fs).mv is not _plain_mv():
            self.fs.mv(self.part, self.path)  # a rename
        else:
            self.fs.cp_file(self.part, self.path)
            self.fs.rm_file(self.part)

    def discard(self) -> None:
        """Take back what was written so far."""
        with suppress(Exception):
            self.file.close()
        self.fs.rm_file(self.part)


def _plain_mv() -> Any:
    """Return the ``mv`` of filesystems without one; it would take a '[' for a pattern."""
    from fsspec import AbstractFileSystem

    return AbstractFileSystem.mv
