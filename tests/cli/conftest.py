"""The command line as a person has it: a real process, a workspace of its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import COMMAND, Fraktal, command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the folder that the person is in."""
    place = tmp_path / "here"
    place.mkdir()
    return place


@pytest.fixture
def fraktal(tmp_path: Path, folder: Path) -> Fraktal:
    """Run a command in a new workspace without a server."""
    return command(tmp_path / "data", folder)


@pytest.fixture(scope="session")
def served_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve a workspace with ``fraktal serve`` on a free port for the whole session."""
    data = tmp_path_factory.mktemp("served")
    (data / "serve").mkdir()
    with (
        (data / "serve" / "errors").open("w") as errors,
        subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={
                **os.environ,
                "FRAKTAL_DATA": str(data),
                "FRAKTAL_CAPABILITY_MODULES": '["tests.capabilities"]',
            },
        ) as server,
    ):
        assert server.stdout
        line = server.stdout.readline()
        assert re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line), (
            line + (data / "serve" / "errors").read_text()
        )
        yield data
        server.terminate()
        server.wait(60)


@pytest.fixture
def served(served_data: Path, folder: Path) -> Fraktal:
    """Run a command in the workspace that a server serves."""
    return command(served_data, folder, FRAKTAL_CAPABILITY_MODULES='["tests.capabilities"]')
