"""Folders in which jobs keep what they need on the way, from one worker to the next.

A job that was killed, failed or was cancelled leaves its folder, because it may be taken up again;
one that succeeded does not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from fraktal_kernel.errors import Unavailable

FOLDER = "scratch"
#: A folder that nobody has touched for so long is given up.
KEPT_S = 30 * 86400.0


def scratch_place(data: Path, job_id: int) -> Path:
    """Say where a job's folder lies: in the workspace, or where that is out of reach, here.

    Parameters
    ----------
    data : the workspace root, which only some machines of a cluster may have
    """
    if os.access(data, os.W_OK):
        return data / FOLDER / str(job_id)
    name = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"fraktal-{os.getuid()}-{name}", str(job_id))


def make_scratch(place: Path) -> Path:
    """Make a job's folder, which is nobody else's to read."""
    parent = place.parent
    parent.mkdir(mode=0o700, exist_ok=True)
    if parent.is_symlink() or parent.stat().st_uid != os.getuid():
        raise Unavailable(f"{parent} belongs to somebody else; have it removed.")
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def sweep_scratch(data: Path, older_than_s: float = KEPT_S) -> int:
    """Remove the folders of jobs that nobody took up again, and count them."""
    before, gone = time.time() - older_than_s, 0
    folder = data / FOLDER
    for each in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            newest = max(path.stat().st_mtime for path in (each, *each.rglob("*")))
            if newest < before:
                shutil.rmtree(each)
                gone += 1
    return gone
