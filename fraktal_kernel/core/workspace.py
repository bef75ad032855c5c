"""Who holds a workspace: one process may run its jobs, and says where it can be reached."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ValidationError

from fraktal_kernel.core.settings import Settings
from fraktal_kernel.errors import AlreadyRunning, InvalidInput


class ServerAddress(BaseModel):
    """Where this computer's own programs reach the server, and the secret that opens it."""

    url: str
    token: str
    pid: int


def make_folder(folder: Path) -> None:
    """Make a folder of the workspace, and those above it, or say why it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"the workspace folder {folder} cannot be used ({error.strerror}); set FRAKTAL_DATA to a "
        "folder that this user may write."
    )


def _address_file(settings: Settings) -> Path:
    return settings.data / "server.json"


def _number(folder: Path) -> int:
    """Tell folders apart by what stays when one is renamed and changes when it is copied."""
    return folder.stat().st_ino


def write_address(settings: Settings, address: ServerAddress) -> None:
    """Tell this user's other programs where the server is; nobody else can read it."""
    file = _address_file(settings)
    handle, beside = tempfile.mkstemp(dir=file.parent, prefix=".server.")  # mode 0600
    with os.fdopen(handle, "w") as stream:
        json.dump({**address.model_dump(), "folder": _number(file.parent)}, stream)
    os.replace(beside, file)


def read_address(settings: Settings) -> ServerAddress | None:
    """Read where the server said it is; it may be gone meanwhile.

    A copy of a workspace holds what the server of the original said, which is none of its own.
    """
    file = _address_file(settings)
    try:
        told = json.loads(file.read_text())
        here = _number(file.parent)
        return ServerAddress(**told) if told.pop("folder", here) == here else None
    except (OSError, ValueError, TypeError, AttributeError, ValidationError):
        return None


def remove_address(settings: Settings) -> None:
    """Take back what this process told."""
    address = read_address(settings)
    if address is not None and address.pid == os.getpid():
        _address_file(settings).unlink(missing_ok=True)


class Hold:
    """The right to run the jobs of one database; the system takes it back when we die.

    Parameters
    ----------
    file : the lock lies beside this file, so that two data folders with one database meet
    """

    def __init__(self, file: Path) -> None:
        file = file.resolve()
        self._path = file.with_name(file.name + ".lock")
        make_folder(self._path.parent)
        try:
            self._file = self._path.open("a+")
        except OSError as error:
            raise _unusable(self._path.parent, error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            self._file.close()
            raise AlreadyRunning(
                f"the workspace at {file} is in use by process {pid}; use that one, stop it, or "
                "choose another workspace with FRAKTAL_DATA."
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give the right back."""
        self._file.close()
