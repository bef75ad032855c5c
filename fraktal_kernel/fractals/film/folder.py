"""The work folder of a film: what it was begun with, and the segments that are complete."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

from fraktal_kernel.errors import Conflict, Unavailable
from fraktal_kernel.fractals.film.encode import CODECS
from fraktal_kernel.fractals.film.script import Film
from fraktal_kernel.fractals.poster.plan import digest_of

# Of how work is cut and kept; a folder of another version is begun anew.
_VERSION = 1
_PLAN = "film.json"


class Folder:
    """Holds a work folder; one process at a time does.

    Parameters
    ----------
    path : of the folder, made where it lacks
    film : that is made in it

    Raises
    ------
    Conflict
        where another film was begun, or another process is at work
    """

    def __init__(self, path: Path, film: Film) -> None:
        self.path, self.film = path, film
        self._suffix = CODECS[film.codec].segment
        self._check()
        path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Conflict(
                f"{str(path)!r:.200} is in use by another process; wait for it."
            ) from None
        try:
            plan = path / _PLAN
            if not plan.exists():
                for old in path.iterdir():
                    if old.name != "lock":
                        old.unlink()
                part = path / f"{_PLAN}.part"
                part.write_text(json.dumps({"version": _VERSION, "film": film.to_dict()}))
                part.replace(plan)
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        try:
            begun = json.loads((self.path / _PLAN).read_text("utf-8"))
        except FileNotFoundError:
            if self.path.is_dir() and any(
                not old.name.startswith((".", "segment-", "shot-", "lock", _PLAN))
                for old in self.path.iterdir()
            ):
                raise Conflict(
                    f"{str(self.path)!r:.200} holds other files; choose another work folder."
                ) from None
            return
        except (OSError, ValueError):
            begun = None
        mine = json.loads(json.dumps({"version": _VERSION, "film": self.film.to_dict()}))
        if begun != mine:
            raise Conflict(
                f"{str(self.path)!r:.200} was begun for another film; go on with that one, or "
                "remove the folder."
            )

    def segment(self, first: int) -> Path:
        """Give the path of the segment that begins with a frame."""
        return self.path / f"segment-{first:07d}{self._suffix}"

    def done(self, first: int) -> bool:
        """Say whether a segment is there, whole and undamaged."""
        path = self.segment(first)
        try:
            return path.with_suffix(".digest").read_text() == digest_of(path.read_bytes())
        except (OSError, ValueError):
            return False

    def complete(self, first: int) -> None:
        """Note that a segment is whole."""
        path = self.segment(first)
        part = path.with_suffix(".note")
        part.write_text(digest_of(path.read_bytes()))
        part.replace(path.with_suffix(".digest"))

    def close(self) -> None:
        """Let others use the folder."""
        os.close(self._lock)

    def remove(self) -> None:
        """Take the folder away with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def stopped_short(place: Path, error: OSError) -> Unavailable:
    """Say that the disk took no more, and that nothing is lost."""
    return Unavailable(
        f"{str(place)!r:.200} cannot be written any further ({error.strerror or error!s:.100}); "
        "make room and make the film again, what is done is kept."
    )
