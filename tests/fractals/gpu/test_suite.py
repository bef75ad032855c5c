"""The suite of the card: on a real one where there is one, else in numba's simulator."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fraktal_kernel.errors import Unavailable
from fraktal_kernel.fractals.gpu.card import card, likely

SUITE = Path(__file__).with_name("suite.py")
ROOT = Path(__file__).resolve().parents[3]
NAMES = [
    node.name
    for node in ast.parse(SUITE.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]


def real_card() -> str | None:
    """Give the name of the card that computes here, if one does."""
    try:
        return card().name if likely() else None
    except Unavailable:
        return None


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run the suite once, and give what went wrong in each of its tests."""
    report = tmp_path_factory.mktemp("gpu") / "report.xml"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0" if real_card() else "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    # Python that stands for a card overflows in words, which a card does in silence.
    words = ["-m", "pytest", str(SUITE), "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, *words, "-W", "ignore", f"--junitxml={report}", "--rootdir", str(ROOT)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=600,
    )
    assert report.exists(), done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        wrong = [each.text or "" for each in case if each.tag in ("failure", "error", "skipped")]
        found.setdefault(case.attrib["name"].partition("[")[0], []).extend(wrong)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_card_agrees_with_the_processor(name: str, results: dict[str, list[str]]) -> None:
    """Each test of the suite ran, with all that it was asked, and found nothing."""
    assert name in results
    assert not results[name], "\n".join(results[name])
