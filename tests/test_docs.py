"""The docs speak of everything that there is, and what they show works."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fraktal_kernel import capabilities, fractals
from fraktal_kernel.cli.parameters import parse
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.fractals import colouring

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
OURS = {"chat", "fractal", "notebook", "plan"}  # those of tests live beside these in one process


def page(name: str) -> str:
    """Read one page."""
    return (DOCS / f"{name}.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """List the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> Iterator[str]:
    """Name every command that a person can type."""
    import typer

    from fraktal_kernel.cli.app import app

    def below(command: Any, words: list[str]) -> Iterator[str]:
        names = command.list_commands(None) if hasattr(command, "list_commands") else []
        alone = getattr(command, "invoke_without_command", False) and len(words) > 1
        if alone or not names:
            yield " ".join(words)
        for name in names:
            yield from below(command.get_command(None, name), [*words, name])

    yield from below(typer.main.get_command(app), ["fraktal"])


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    """The settings page has a row with the variable, the default and the meaning of each."""
    field = Settings.model_fields[name]
    rows = [line for line in page("settings").splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    _, _, variable, default, meaning, _ = (cell.strip() for cell in rows[0].split("|"))
    assert variable == f"`FRAKTAL_{name.upper()}`"
    assert meaning == field.description
    if field.default_factory is None:
        assert default == (f"`{field.default}`" if field.default != "" else "empty")


def test_no_setting_is_described_that_is_not() -> None:
    """The settings page has no row too many."""
    rows = re.findall(r"^\| `(\w+)` \| `FRAKTAL_", page("settings"), re.MULTILINE)
    assert set(rows) == set(Settings.model_fields)


def test_every_command_is_described() -> None:
    """The commands page has a row for each command and none for what does not exist."""
    rows = set(re.findall(r"^\| `(fraktal[a-z ]*)` \|", page("commands"), re.MULTILINE))
    assert rows == set(commands())


def test_every_endpoint_is_described() -> None:
    """The web interface page has a row for each route, and none for what does not exist."""
    from importlib import import_module

    routes = set()
    for path in (ROOT / "fraktal_kernel" / "server").glob("*.py"):
        module = import_module(f"fraktal_kernel.server.{path.stem}")
        for route in getattr(getattr(module, "router", None), "routes", []):
            place = route.path.replace(":path}", "}")
            routes |= {f"{method} {place}" for method in getattr(route, "methods", None) or ["WS"]}
    rows = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page("web_interface"), re.MULTILINE))
    assert rows == routes


@pytest.mark.parametrize("kind", ["capability", "scene", "palette"])
def test_every_named_thing_is_described(kind: str) -> None:
    """Some page speaks of every capability, scene and palette that comes with Fraktal."""
    names = {
        "capability": [name for name in capabilities if name.partition(".")[0] in OURS],
        "scene": list(fractals.scenes),
        "palette": list(fractals.palettes),
    }[kind]
    text = "\n".join(path.read_text() for path in DOCS.glob("*.md"))
    assert names
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link to a file of ours leads to a file that exists."""
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every page, with small pictures."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-D", "gallery_width=32"]
    done = subprocess.run([*command, str(DOCS), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_pages_build_without_the_internet(built: Path) -> None:
    """``make docs`` builds every page without a warning; a reader's browser fetches nothing."""
    for page in built.rglob("*.html"):
        text = page.read_text()
        fetched = re.findall(
            r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"(https?:[^\"]+)", text
        )
        assert fetched == [], page.name


def test_the_gallery_shows_what_has_a_name(built: Path) -> None:
    """Each scene, formula, look and palette has a picture of its own, and what makes it."""
    text = (built / "gallery.html").read_text()
    shown = re.findall(r'<figure><img src="([^"]+)" alt="([^"]+)"', text)
    names = {word for _, name in shown for word in name.split(": ")}
    wanted = {*fractals.scenes, *fractals.formulas, *colouring.looks, *fractals.palettes}
    assert wanted - {"mandelbrot"} <= names
    for source, name in shown:
        with Image.open(built / source) as picture:
            assert picture.size == (32, 24), name
            assert len(np.unique(np.asarray(picture))) > 16, name
    assert len({source for source, _ in shown}) >= len(shown) - 2  # a look is a scene's default


def test_what_stands_below_a_picture_of_the_gallery_makes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each command asks for the very scene that is shown."""
    monkeypatch.syspath_prepend(str(DOCS))
    gallery = importlib.import_module("gallery")
    render = capabilities["fractal.render"]
    shown = [exhibit for hall in gallery.HALLS.values() for exhibit in hall()]
    commands = [(e.scene, shlex.split(e.made_by)) for e in shown if e.made_by[:7] == "fraktal"]
    assert len(commands) > 30
    for scene, words in commands:
        assert words[-2:] == ["--out", "picture.png"]  # which is the command's own
        given = parse(words[3:-2], render.schema(), "word")
        assert render.validate(given, roots=None).wanted == scene, words


@pytest.fixture
def example(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Save the example of the page as the page says; give its folder and its environment."""
    code, *_ = blocks(page("add_a_capability"), "python")
    (tmp_path / "area.py").write_text(code)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "FRAKTAL_CAPABILITY_MODULES": '["area"]',
        "FRAKTAL_DATA": str(tmp_path / "data"),
        "FRAKTAL_WORKERS": "1",
    }
    return tmp_path, environment


def fraktal(*words: str, environment: dict[str, str]) -> str:
    """Type one command."""
    command = [sys.executable, "-m", "fraktal_kernel.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_twenty_lines() -> None:
    """The example capability is complete in twenty lines of code."""
    code, *_ = blocks(page("add_a_capability"), "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_the_example_runs_as_a_command(example: tuple[Path, dict[str, str]]) -> None:
    """The example capability, typed as the page shows, finds the area that is known."""
    _, environment = example
    printed = fraktal("run", "example.area", "--points", "20000", environment=environment)
    numbers = [float(word) for word in re.findall(r"\d+\.\d+", printed)]
    assert any(abs(number - 1.5066) < 0.15 for number in numbers), printed
    listed = json.loads(fraktal("capabilities", "example.area", "--json", environment=environment))
    assert listed["schema"]["properties"]["points"]["maximum"] == 10**9


def test_the_example_runs_as_a_job(example: tuple[Path, dict[str, str]]) -> None:
    """The example capability is submitted, done by a worker, and has its result."""
    folder, environment = example
    code = """
from fraktal_kernel import Workbench
if __name__ == "__main__":
    with Workbench.open() as wb:
        print(wb.submit("example.area", points=20_000).wait(timeout_s=120))
"""
    (folder / "job.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "job.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert abs(float(done.stdout) - 1.5066) < 0.15


def test_commands_that_are_shown_exist() -> None:
    """Each ``fraktal`` command in the README and the docs begins with one that exists."""
    known = set(commands()) | {"fraktal jobs"}
    for text in [README, *(path.read_text() for path in DOCS.glob("*.md"))]:
        for line in "\n".join(blocks(text, "console")).splitlines():
            words = line.removeprefix("$ ").split()
            if words[:1] == ["fraktal"]:
                assert {" ".join(words[:2]), " ".join(words[:3])} & known, line


def test_the_mathematics_name_modules_that_exist() -> None:
    """Each method says where it stands, and something stands there."""
    text = page("mathematics")
    named = set(re.findall(r"`(fractals/[\w/]+\.py)`", text))
    assert [name for name in named if not (ROOT / "fraktal_kernel" / name).is_file()] == []
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(sections) > 20
    for section in sections:
        assert re.search(r"`fractals/[\w/]+\.py`", section), section.partition("\n")[0]


def test_the_mathematics_are_drawn_by_the_browser(built: Path) -> None:
    """Formulas stand in the page as MathML, and none is left as it was typed."""
    text = (built / "mathematics.html").read_text()
    assert text.count("<math ") > 30
    assert not re.search(r"\\(?:frac|bar|prod|quad|lambda)", text)
