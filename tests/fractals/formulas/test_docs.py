"""The page about formulas: its code runs, and it names all there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fraktal_kernel.fractals.formulas import algebra, formulas

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "formulas.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_does_what_it_says() -> None:
    """The example has ten lines of code and prints what its comments promise."""
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10
    command = [sys.executable, "-c", "\n".join(BLOCKS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["sqrt((-1/3)*c)", "3.0 True True", "{'kr': 0.3}"]
    assert len(lines) == 8 and all(line.endswith((".", "?")) for line in lines[3:])


def test_every_formula_and_function_is_described() -> None:
    """The page has a row for each formula, and names each function."""
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert rows == {name for name in formulas if name != "my_cubic"}
    (functions,) = re.findall(r"^\| functions \| `(.*)` \|$", PAGE, re.MULTILINE)
    assert set(functions.split()) == set(algebra.FUNCTIONS)
