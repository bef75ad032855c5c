"""The one token file: every colour is there, and every text can be read on its ground."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fraktal_kernel
import fraktal_widgets
from fraktal_kernel.server.gate import sign_in_page

WIDGETS = Path(fraktal_widgets.__file__).parent
SERVER = Path(fraktal_kernel.__file__).parent / "server"
TOKENS = (WIDGETS / "tokens.css").read_text()
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch)\(")
# What JupyterLab's own themes give for the variables that the tokens take.
JUPYTER = {
    "page": {},
    "jupyter": {
        "--jp-layout-color1": ("#ffffff", "#212121"),
        "--jp-ui-font-color0": ("#000000", "#ffffff"),
        "--jp-brand-color1": ("#1976d2", "#2196f3"),
        "--jp-ui-inverse-font-color0": ("#ffffff", "#000000"),
    },
}
GROUNDS = ["surface", "surface-raised", "surface-sunken", "surface-hover"]
WORDS = ["text", "text-muted", "accent", "ok", "warn", "error", "info", "waiting"]

Colour = tuple[float, float, float]


def colour(name: str, dark: bool, host: str) -> Colour:
    """Compute a token as a browser does."""
    text = re.search(rf"--fk-{name}:\s*([^;]+);", TOKENS)
    assert text, f"there is no token --fk-{name}"
    return value(text[1].strip(), dark, host)


def value(text: str, dark: bool, host: str) -> Colour:
    """Compute one CSS colour."""
    if text.startswith("#"):
        return tuple(int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]
    inside = text[text.index("(") + 1 : -1]
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", inside)]
    if text.startswith("light-dark("):
        return value(parts[1 if dark else 0], dark, host)
    if text.startswith("var(--jp-"):
        given = JUPYTER[host].get(parts[0])
        return value(given[dark] if given else ",".join(parts[1:]), dark, host)
    if text.startswith("var("):
        return colour(parts[0].removeprefix("--fk-"), dark, host)
    assert text.startswith("color-mix("), text
    first, share = re.fullmatch(r"(.+?) (\d+)%", parts[1]).groups()  # type: ignore[union-attr]
    one, other = value(first, dark, host), value(parts[2], dark, host)
    part = int(share) / 100
    return tuple(a * part + b * (1 - part) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def luminance(given: Colour) -> float:
    """Compute the relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in given]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    """Compute the contrast ratio of WCAG 2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("host", JUPYTER)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_on_every_ground(dark: bool, host: str) -> None:
    """Words reach the contrast of 4.5 that WCAG AA asks for, in our pages and in JupyterLab."""
    for ground in GROUNDS:
        for word in WORDS:
            if (host, word) == ("jupyter", "accent") and ground != "surface-raised":
                continue  # JupyterLab's own brand colour is made for its own ground
            found = contrast(colour(word, dark, host), colour(ground, dark, host))
            assert found >= 4.5, f"{word} on {ground}: {found:.2f}"
    assert contrast(colour("accent-text", dark, host), colour("accent", dark, host)) >= 4.5


@pytest.mark.parametrize("host", JUPYTER)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_edge_of_an_input_can_be_seen(dark: bool, host: str) -> None:
    """The border of a control and the ring of the focus reach a contrast of 3."""
    ground = colour("surface-raised", dark, host)
    assert contrast(colour("border-strong", dark, host), ground) >= 3
    assert contrast(colour("focus", dark, host), ground) >= 3


def styles() -> list[Path]:
    """List every style file of ours."""
    return [*WIDGETS.glob("*.css"), *(SERVER / "static").glob("*.css")]


@pytest.mark.parametrize("path", styles(), ids=lambda path: path.name)
def test_no_colour_stands_outside_the_token_file(path: Path) -> None:
    """Style files name tokens, never colours."""
    if path.name == "tokens.css":
        return
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    assert not COLOUR.findall(text)


@pytest.mark.parametrize("path", styles(), ids=lambda path: path.name)
def test_every_token_that_is_used_exists(path: Path) -> None:
    """No style file asks for a token that the token file does not have."""
    used = set(re.findall(r"var\((--fk-[\w-]+)", path.read_text()))
    assert used - {"--fk-page-font-size"} <= set(re.findall(r"(--fk-[\w-]+):", TOKENS))


def test_the_sign_in_page_has_the_same_tokens() -> None:
    """The page for somebody unknown may load nothing, so it carries the token file."""
    assert TOKENS in sign_in_page().decode()
