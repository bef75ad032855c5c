"""What a workspace promises: one process runs its jobs, and its address is for its owner alone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fraktal_kernel.cli import doctor
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.core.workspace import (
    Hold,
    ServerAddress,
    read_address,
    remove_address,
    write_address,
)
from fraktal_kernel.errors import AlreadyRunning, InvalidInput

HOLDER = """
import sys
from pathlib import Path
from fraktal_kernel.core.workspace import Hold

hold = Hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


def test_one_holds_and_the_second_is_told_who(tmp_path: Path) -> None:
    """While another process holds a workspace, its number is in the refusal; then it is free."""
    file = tmp_path / "deep" / "fraktal.db"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(AlreadyRunning, match=rf"in use by process {other.pid}; "):
        Hold(file)
    other.kill()  # the system takes the right back from who cannot give it back
    other.communicate()
    Hold(file).release()


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    """A workspace where a file stands in the way says which folder to change, and to whom."""
    file = tmp_path / "file"
    file.touch()
    for data in (file, file / "below"):
        with pytest.raises(InvalidInput, match=rf"{data} cannot be used .*FRAKTAL_DATA"):
            Workbench.open(data=data)
        assert doctor._workspace(load_settings(data=data)).state == doctor.BROKEN
    (tmp_path / "fraktal.db.lock").mkdir()
    with pytest.raises(InvalidInput, match=rf"{tmp_path} cannot be used"):
        Hold(tmp_path / "fraktal.db")


def test_a_right_that_was_given_back_can_be_taken(tmp_path: Path) -> None:
    """Within one process too there is one holder at a time."""
    file = tmp_path / "fraktal.db"
    hold = Hold(file)
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        Hold(file)
    hold.release()
    Hold(file).release()


def test_the_address_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The secret in it can be read by nobody else, from the first moment on."""
    settings = load_settings(data=tmp_path)
    assert read_address(settings) is None
    address = ServerAddress(url="http://127.0.0.1:1", token="secret", pid=os.getpid())
    write_address(settings, address)
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600
    assert read_address(settings) == address
    assert [path.name for path in tmp_path.iterdir()] == ["server.json"]
    remove_address(settings)
    remove_address(settings)
    assert list(tmp_path.iterdir()) == []


def test_another_server_s_address_is_left_alone(tmp_path: Path) -> None:
    """Who stops late does not take away what his successor has written."""
    settings = load_settings(data=tmp_path)
    address = ServerAddress(url="http://127.0.0.1:1", token="secret", pid=os.getpid() + 1)
    write_address(settings, address)
    remove_address(settings)
    assert read_address(settings) == address


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"url": 1}', '{"url": "x"}', "\ud800"])
def test_an_address_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """A file that somebody has broken does not keep the workbench from opening."""
    (tmp_path / "server.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read_address(load_settings(data=tmp_path)) is None


def test_a_copy_does_not_speak_to_the_server_of_its_original(tmp_path: Path) -> None:
    """A workspace that was renamed still finds its server; a copy does not take it for its own."""
    (tmp_path / "first").mkdir()
    address = ServerAddress(url="http://127.0.0.1:1", token="t", pid=1)
    write_address(load_settings(data=tmp_path / "first"), address)
    (tmp_path / "first").rename(tmp_path / "renamed")
    shutil.copytree(tmp_path / "renamed", tmp_path / "copy")
    assert read_address(load_settings(data=tmp_path / "renamed")) == address
    assert read_address(load_settings(data=tmp_path / "copy")) is None
