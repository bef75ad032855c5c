"""``fraktal models``: the list is changed, tried and brought back from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fraktal_kernel.cli.models import app
from fraktal_kernel.errors import InvalidInput

DEAD = "openai:gone@http://127.0.0.1:1/v1"


def test_a_list_is_made_tried_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command prints the new order; what cannot be is refused; undo brings the last back."""
    monkeypatch.setenv("FRAKTAL_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def models(*words: str) -> Result:
        return CliRunner().invoke(app, words)

    added = models("add", DEAD, "--timeout-s", "9")
    assert added.exit_code == 0 and added.stdout.strip() == f"{DEAD}, then offline"
    moved = json.loads(models("move", "offline", "1", "--json").stdout)
    assert [each["model"] for each in moved["models"]] == ["offline", DEAD]
    refused = models("add", DEAD).exception
    assert isinstance(refused, InvalidInput) and "on the list already" in str(refused)
    tried = models("try", DEAD, "--json")
    assert tried.exit_code == 1 and json.loads(tried.stdout)["reason"] == "connection refused"
    assert models("undo").stdout.strip() == f"{DEAD}, then offline"
    assert models("set", DEAD, "--timeout-s", "8").exit_code == 0
    assert "8 s" in models("list").stdout
    assert models("remove", DEAD).stdout.strip() == "offline"
