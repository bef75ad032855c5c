"""The folder of this user where things lie that can be made again: machine code, orbits."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

_KEPT_S = 90 * 24 * 3600


def cache_folder(name: str) -> Path | None:
    """Give a folder that is this user's own, made where it lacks; None where none can be had.

    ``FRAKTAL_CACHE`` says where; else it lies in the cache folder of the user. What is read from
    there is trusted, so a folder that somebody else owns or may write to is not used.
    """
    base = os.environ.get("FRAKTAL_CACHE")
    try:
        if base:
            root = Path(base).expanduser()
        else:
            home = os.environ.get("XDG_CACHE_HOME")
            root = (Path(home) if home else Path.home() / ".cache") / "fraktal"
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = folder.stat()
    except (OSError, RuntimeError):
        return None
    if hasattr(os, "getuid") and (facts.st_uid != os.getuid() or facts.st_mode & 0o022):
        return None
    return folder


def read_kept(path: Path) -> bytes | None:
    """Read a kept file and mark it as used; None where there is none."""
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    return data


def keep(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all; a full disk only costs the keeping."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
        _forget_old(path.parent)
    except OSError:
        part.unlink(missing_ok=True)


def _forget_old(folder: Path) -> None:
    """Remove what nobody has used for a quarter of a year."""
    limit = time.time() - _KEPT_S
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
