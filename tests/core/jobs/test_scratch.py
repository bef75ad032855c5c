"""Folders that jobs leave to their next worker."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fraktal_kernel.core.jobs.scratch import make_scratch, scratch_place, sweep_scratch
from fraktal_kernel.errors import Unavailable


def test_the_folder_is_the_same_for_every_worker(tmp_path: Path) -> None:
    """It lies in the workspace, by the number of the job, and nobody else reads it."""
    place = scratch_place(tmp_path, 7)
    assert place == scratch_place(tmp_path, 7) != scratch_place(tmp_path, 8)
    (make_scratch(place) / "kept").touch()
    assert (make_scratch(place) / "kept").exists()
    assert place.is_relative_to(tmp_path) and place.stat().st_mode & 0o077 == 0


def test_a_machine_without_the_workspace_uses_its_own_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, too, each workspace and job has a folder of its own, in one that is ours alone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = scratch_place(tmp_path / "elsewhere", 7)
    assert place.is_relative_to(tmp_path) and place != scratch_place(tmp_path / "other", 7)
    make_scratch(place)
    place.rmdir()
    place.parent.rmdir()
    place.parent.symlink_to(tmp_path)
    with pytest.raises(Unavailable, match="belongs to somebody else"):
        make_scratch(place)


def test_what_nobody_took_up_again_is_swept(tmp_path: Path) -> None:
    """A folder goes when nothing in it was touched for long; one in use stays."""
    assert sweep_scratch(tmp_path) == 0
    old, new = (make_scratch(scratch_place(tmp_path, number)) for number in (1, 2))
    long_ago = time.time() - 1000
    for place in (old, new):
        (place / "tiles").touch()
        os.utime(place / "tiles", (long_ago, long_ago))
        os.utime(place, (long_ago, long_ago))
    os.utime(new / "tiles")
    assert sweep_scratch(tmp_path, older_than_s=500) == 1
    assert new.is_dir() and not old.exists()
