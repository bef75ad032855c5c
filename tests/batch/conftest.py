"""Notebooks small enough to run for real in a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def notebook_text(*cells: str, parameters: str | None = None) -> str:
    """Write a notebook with code cells, the parameters cell first."""

    def cell(source: str, number: int, tags: list[str]) -> dict[str, object]:
        return {
            "cell_type": "code",
            "id": f"cell-{number}",
            "execution_count": None,
            "metadata": {"tags": tags},
            "outputs": [],
            "source": source,
        }

    made = [cell(parameters, 0, ["parameters"])] if parameters is not None else []
    made += [cell(source, number + 1, []) for number, source in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


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
