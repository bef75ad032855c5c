"""Commands import what they use: a command that only speaks to a server needs no database."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.serving import serving

DATABASE = {"sqlalchemy", "sqlmodel", "alembic"}
NUMBERS = {"numpy", "numba", "llvmlite", "scipy"}
PAGES = {"fastapi", "uvicorn", "panel", "bokeh", "papermill"}
WEB = {"httpx", "websockets"}


def imported(words: list[str], environment: dict[str, str] | None = None) -> set[str]:
    """Run a command; return the packages that it imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "fraktal_kernel.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:.*\|\s+(\w+)", done.stderr, re.MULTILINE))


@pytest.mark.parametrize("words", [["--help"], ["--version"]], ids=" ".join)
def test_the_overview_imports_no_command(words: list[str]) -> None:
    """Help comes at once: neither settings nor capabilities are looked at."""
    assert not imported(words) & (DATABASE | NUMBERS | PAGES | WEB | {"pydantic", "rich"})


def test_capabilities_need_no_database_and_no_server() -> None:
    """What can be run is in the code."""
    assert not imported(["capabilities"]) & (DATABASE | PAGES | WEB)


def test_a_run_needs_no_database_and_no_server(tmp_path: Path) -> None:
    """A picture here and now is computed, and nothing else."""
    words = "run fractal.render --width 32 --height 24 --out".split()
    assert not imported([*words, str(tmp_path / "a.png")]) & (DATABASE | PAGES | WEB)


@pytest.mark.system
def test_jobs_on_a_server_need_no_database(tmp_path: Path) -> None:
    """Listing a server's jobs speaks HTTP alone."""
    with serving(tmp_path / "data", workers=1) as server:
        found = imported(["jobs"], server.environment)
    assert "httpx" in found
    assert not found & (DATABASE | NUMBERS | PAGES)
