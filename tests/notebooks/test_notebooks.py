"""The notebooks run from the top in real kernels, and are kept the way they are meant to be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
TOUR = sorted((ROOT / "notebooks").glob("*.ipynb"))
BATCH = sorted((ROOT / "papermill_jobs").glob("*.ipynb"))


@pytest.mark.parametrize("path", TOUR, ids=lambda path: path.stem)
def test_a_notebook_of_the_tour_runs_from_the_top(path, tmp_path, monkeypatch):
    """Every cell runs in a fresh workspace, and the pictures and screens are there."""
    monkeypatch.setenv("FRAKTAL_DATA", str(tmp_path / "data"))
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {kind for cell in book.cells for out in cell.get("outputs", []) for kind in _kinds(out)}
    assert "error" not in shown
    if path.stem == "00_start_here":
        assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= shown
        (log,) = [cell for cell in book.cells if cell.get("id") == "log"]
        assert log.outputs and ": " in log.outputs[0].text
    assert os.listdir(tmp_path) == ["data"]


def _kinds(output):
    return [output.output_type, *output.get("data", {})]


@pytest.mark.parametrize("path", TOUR + BATCH, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_with_short_cells(path):
    """No outputs, no counts, an id on each cell, and at most five statements in one."""
    book = json.loads(path.read_text())
    nbformat.validate(nbformat.from_dict(book))
    for cell in book["cells"]:
        assert cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            assert len([line for line in cell["source"] if line.strip()]) <= 5, cell["source"]


@pytest.mark.parametrize("path", BATCH, ids=lambda path: path.stem)
def test_a_job_notebook_has_its_six_cells(path):
    """Question, parameters, import, call, figure, check with result.json."""
    cells = json.loads(path.read_text())["cells"]
    assert len(cells) == 6
    assert cells[0]["cell_type"] == "markdown" and "?" in cells[0]["source"][0]
    assert cells[1]["metadata"]["tags"] == ["parameters"]
    assert any("import" in line for line in cells[2]["source"])
    check = "".join(cells[5]["source"])
    assert "assert" in check and "result.json" in check
