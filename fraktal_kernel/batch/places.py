"""Where notebooks come from and results go: paths and fsspec URLs, read and written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.store import Store
from fraktal_kernel.errors import InvalidInput, MissingExtra, NotFound, Unavailable


def scheme(place: str) -> str:
    """Name the protocol of a place; plain paths have ``file``."""
    return place.split("://", 1)[0] if "://" in place else "file"


def whole(place: str | Path) -> str:
    """Give a place its full name, so that it means the same from any folder.

    Examples
    --------
    >>> whole("s3://posters/2026/")
    's3://posters/2026'
    """
    text = str(place)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return text.rstrip("/") if "://" in text else str(Path(text).expanduser().absolute())


def beside(place: str, *names: str) -> str:
    """Name something inside a folder or URL."""
    return "/".join([place.rstrip("/"), *names])


def split(place: str) -> tuple[str, str]:
    """Part a place into its folder and its last name."""
    folder, _, name = place.rstrip("/").rpartition("/")
    return folder or "/", name


def store_at(folder: str) -> Store:
    """Open the folder or URL that results are written to."""
    return _store(folder, json.dumps(options_for(folder), sort_keys=True))


@lru_cache(maxsize=64)
def _store(folder: str, options: str) -> Store:
    return Store(folder, **json.loads(options))


def options_for(place: str) -> Mapping[str, Any]:
    """Take the store's own options where a place has the store's protocol."""
    settings = load_settings()
    known = scheme(settings.store) == scheme(place) != "file"
    return settings.store_options if known else {}


def read_bytes(place: str) -> bytes:
    """Read a file at a path or URL, or say in one sentence why it cannot be read."""
    import fsspec

    try:
        with fsspec.open(place, "rb", **options_for(place)) as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise NotFound(f"there is no file {place}; check its name and folder.") from None
    except IsADirectoryError:
        raise InvalidInput(f"{place} is a folder; name a file in it.") from None
    except PermissionError:
        raise InvalidInput(f"{place} may not be read by this user.") from None
    except ImportError as error:
        raise missing(place) from error
    except ValueError as error:
        raise InvalidInput(f"{place} cannot be opened: {error}.") from None
    except OSError as error:
        raise Unavailable(f"{place} does not answer: {error}.") from error


def missing(place: str) -> MissingExtra:
    """Say which command installs what a protocol needs."""
    name = scheme(place)
    extra = "fraktal[s3]" if name in ("s3", "s3a") else f"fsspec[{name}]"
    return MissingExtra(f"{name}:// needs: pip install '{extra}'")


class WholeFiles:
    """Papermill's reads and writes over fsspec; a reader never sees a half-written notebook."""

    @staticmethod
    def read(path: str) -> str:
        """Read one notebook."""
        return read_bytes(whole(path)).decode()

    @staticmethod
    def write(buffer: str, path: str) -> None:
        """Write one notebook, all of it or nothing."""
        folder, name = split(whole(path))
        store_at(folder).put(name, buffer.encode())

    @staticmethod
    def listdir(path: str) -> list[str]:
        """List the files of one folder."""
        return list(store_at(whole(path)).list(""))

    @staticmethod
    def pretty_path(path: str) -> str:
        """Show a place as it is."""
        return path


def teach_papermill() -> None:
    """Let Papermill in this process read and write every protocol that fsspec knows."""
    from fsspec import available_protocols
    from papermill.iorw import papermill_io

    for name in available_protocols():
        papermill_io.register(f"{name}://", WholeFiles)
    papermill_io.register("/", WholeFiles)
