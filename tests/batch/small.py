"""Notebooks written in a line, for tests."""

from __future__ import annotations

import json


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
