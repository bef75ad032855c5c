"""Room on the disk, looked at before any work."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fraktal_kernel.errors import InvalidInput, Unavailable

# What a disk should have left when the poster is complete.
_LEFT_OVER = 1 << 20


def check_room(place: Path, needed: int, begun: int = 0, what: str = "picture") -> None:
    """Refuse what would not fit on the disk, even if none of it can be compressed.

    Parameters
    ----------
    place : of the file or folder to be
    needed : bytes of the whole
    begun : bytes of it that are there
    what : it is, in a word
    """
    folder = place.parent
    if not folder.is_dir():
        raise InvalidInput(f"{str(folder)!r:.200} is no folder; make it, or choose another place.")
    if not os.access(folder, os.W_OK):
        raise InvalidInput(f"{str(folder)!r:.200} cannot be written to; choose another place.")
    free = shutil.disk_usage(folder).free
    if needed - begun + _LEFT_OVER > free:
        raise InvalidInput(
            f"the {what} may take {_shown(needed - begun)}, but {str(folder)!r:.200} has only "
            f"{_shown(free)} left; choose a smaller size or another disk."
        )


def full(place: str, error: OSError) -> Unavailable:
    """Say that the disk took no more, and that nothing is lost."""
    return Unavailable(
        f"{place!r:.200} cannot be written any further ({error.strerror or error!s:.100}); make "
        "room and make the picture again, the tiles that are done are kept."
    )


def _shown(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.4g} {unit}"
