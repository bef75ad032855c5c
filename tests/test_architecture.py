"""The house stands as ``docs/floors.toml`` says: who may import whom, and how large a room gets."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "fraktal_kernel"
PLAN = tomllib.loads((ROOT / "docs" / "floors.toml").read_text())
FLOOR = {  # room: how far down it is; the rooms of an ordered floor stand on steps
    room: depth + (step / 10 if floor.get("ordered") else 0)
    for depth, floor in enumerate(PLAN["floor"])
    for step, room in enumerate(floor["rooms"])
}
SCREENS = {"ipywidgets", "panel", "bokeh", "anywidget"}
# Where the web server puts the pages of `apps` under their addresses; nothing else looks up.
LOOKS_UP = {"fraktal_kernel/server/pages.py"}


def sources() -> list[Path]:
    """List every Python file of ours."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


def modules() -> list[str]:
    """Name every module of the library."""
    names = []
    for path in sorted(KERNEL.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if "versions" in parts or path.name == "env.py":
            continue  # migrations: run by Alembic alone
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def room_of(module: str) -> str | None:
    """Say which room a module belongs to, None for one that is not ours."""
    parts = module.split(".")
    if parts[0] == "fraktal_kernel":
        return parts[1] if len(parts) > 1 else None
    return parts[0] if parts[0] in FLOOR else None


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Name what a file imports anywhere in it, with the line."""
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((item.name, node.lineno) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield stem, node.lineno
            if stem in ("fraktal_kernel", "fraktal_widgets"):
                yield from ((f"{stem}.{item.name}", node.lineno) for item in node.names)


def run(code: str, *, blocked: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """Run code in a fresh process where some packages cannot be imported."""
    wall = f"""
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(blocked)!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked by the test", name=name)
sys.meta_path.insert(0, Wall())
"""
    done = subprocess.run(
        [sys.executable, "-c", wall + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_library_knows_nothing_of_the_screen() -> None:
    """Every library module but those of the server imports without any widget package."""
    names = [name for name in modules() if room_of(name) not in ("server",)]
    names = [name for name in names if not name.endswith("__main__")]
    run(f"import importlib\nfor name in {names!r}: importlib.import_module(name)", blocked=SCREENS)


@pytest.mark.parametrize("package", sorted(SCREENS | {"fastapi", "starlette", "uvicorn"}))
def test_only_the_server_imports(package: str) -> None:
    """No line outside the server names a package of web pages or widgets."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in KERNEL.rglob("*.py")
        if "server" not in path.relative_to(KERNEL).parts
        for name, line in imports(path)
        if name.split(".")[0] == package
    ]
    assert not found


def test_a_room_imports_only_from_below() -> None:
    """No file imports from a floor above its own or from another room of its floor."""
    wrong = []
    for path in sources():
        relative = path.relative_to(ROOT)
        parts = relative.parts[1:] if relative.parts[0] == "widgets" else relative.parts
        mine = room_of(".".join(parts).removesuffix(".py"))
        if mine not in FLOOR or str(relative) in LOOKS_UP:
            continue
        for name, line in imports(path):
            other = room_of(name)
            if other is not None and other in FLOOR and other != mine:
                if FLOOR[other] <= FLOOR[mine]:
                    wrong.append(f"{relative}:{line} imports {name}")
    assert not wrong


def test_every_room_is_in_the_plan() -> None:
    """A new package of the library has a floor in ``docs/floors.toml``."""
    rooms = {path.stem for path in KERNEL.iterdir() if path.name[0] != "_"}
    assert rooms <= set(FLOOR)


def test_the_picture_is_drawn_from_the_plan() -> None:
    """``docs/architecture.svg`` is what ``docs/picture.py`` draws today."""
    code = (
        "import sys, tomllib; sys.path.insert(0, 'docs'); import picture;"
        "print(picture.draw(tomllib.loads(open('docs/floors.toml').read())), end='')"
    )
    assert run(code) == (ROOT / "docs" / "architecture.svg").read_text()


def test_importing_the_package_loads_nothing_heavy() -> None:
    """``import fraktal_kernel`` leaves numba, torch, panel, pandas and the server alone."""
    heavy = {"numba", "numpy", "torch", "panel", "pandas", "fastapi", "sqlmodel", "pydantic"}
    code = f"import sys, fraktal_kernel\nprint(sorted({heavy!r} & set(sys.modules)))"
    assert run(code).strip() == "[]"


def test_fractals_need_numpy_and_numba_alone() -> None:
    """``fraktal_kernel.fractals`` makes a picture where none of our other packages is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {Requirement(line).name.lower() for line in project["dependencies"]}
    needed -= {"numpy", "numba", "pillow"}
    others = {
        module
        for module, owners in packages_distributions().items()
        if {owner.lower().replace("_", "-") for owner in owners} & needed
    }
    assert {"pydantic", "sqlmodel", "panel"} <= others
    code = "from fraktal_kernel import fractals; fractals.render('seahorse', 8, 6).png()"
    run(code, blocked=others | {"sqlalchemy", "bokeh", "yaml"})


def test_a_module_is_one_noun_of_readable_size() -> None:
    """No file is called utils, helpers or common; none but a contract suite exceeds 500 lines."""
    lengths = {path: len(path.read_text().splitlines()) for path in sources()}
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [path for path in lengths if path.stem in vague]
    code = {path: length for path, length in lengths.items() if ROOT / "tests" not in path.parents}
    assert not {str(path): length for path, length in code.items() if length > 500}
