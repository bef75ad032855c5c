"""Notebooks small enough to run for real in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.small import notebook_text


@pytest.fixture
def text() -> Callable[..., str]:
    """Write a notebook as text."""
    return notebook_text


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a notebook into the test's folder; returns its path."""

    def make(*cells: str, parameters: str | None = None, name: str = "small.ipynb") -> str:
        path = tmp_path / name
        path.write_text(notebook_text(*cells, parameters=parameters))
        return str(path)

    return make
