"""Sphinx's directive ``{gallery} scenes``: pictures of what has a name, made while pages are built.

It follows the registries, so that whatever is registered is shown, with what makes it. Pictures are
kept beside the pages and made anew only where their scene has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger

from fraktal_kernel.fractals import Scene, View, formulas, palettes, render, scenes
from fraktal_kernel.fractals.colouring.looks import looks

ASPECT = 4 / 3
ANTIALIAS = 2
QUALITY = 84
# Families that no scene has a name for, and what the page about formulas types.
VIEWS = {
    "perpendicular_burning_ship": Scene(
        "perpendicular_burning_ship", View("-0.45", "0.1", "3.1"), palette="lagoon"
    ),
    "buffalo": Scene("buffalo", View("-0.5", "0.4", "3.4"), palette="ember", offset=0.1),
    "magnet2": Scene("magnet2", View("1.45", "0", "3.6"), max_iter=500),
    "z**3 + c*z": Scene("z**3 + c*z", View("0", "0", "3.8"), palette="glacier", offset=0.05),
}
LOOK_AT, PALETTE_AT = "seahorse_tail", "seahorse"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture of the page.

    Parameters
    ----------
    name : what it shows
    scene : what is rendered
    made_by : the command or the lines of Python that make it
    """

    name: str
    scene: Scene
    made_by: str


def plain(scene: Scene) -> dict[str, Any]:
    """Give a scene as plain data, without what is so by default."""
    usual = Scene().to_dict()
    data = scene.to_dict().items()
    return {name: value for name, value in data if value != usual.get(name)}


def typed(scene: str, *words: str) -> str:
    """Give the command that renders a scene."""
    return " ".join(["fraktal run fractal.render --scene", scene, *words, "--out picture.png"])


def of_scenes() -> Iterator[Exhibit]:
    """Show the scenes of the Mandelbrot set and its Julia sets."""
    for name, scene in scenes.items():
        if scene.formula == "mandelbrot":
            yield Exhibit(name, scene, typed(name))


def of_formulas() -> Iterator[Exhibit]:
    """Show each other family in the scenes that have names, or in one of this page."""
    for formula in formulas:
        named = [(name, scene) for name, scene in scenes.items() if scene.formula == formula]
        if formula != "mandelbrot":
            for name, scene in named:
                title = formula if name == formula else f"{formula}: {name}"
                yield Exhibit(title, scene, typed(name))
        if not named:
            yield in_full(formula)
    yield in_full("z**3 + c*z")


def in_full(formula: str) -> Exhibit:
    """Show a formula that no scene has a name for."""
    scene = VIEWS.get(formula) or Scene(formula)
    return Exhibit(formula, scene, typed(f"'{json.dumps(plain(scene))}'"))


def of_looks() -> Iterator[Exhibit]:
    """Show each look on one scene."""
    for name, look in looks.items():
        lines = f'replace(scenes["{LOOK_AT}"], look=looks["{name}"])'
        yield Exhibit(name, replace(scenes[LOOK_AT], look=look), lines)


def of_palettes() -> Iterator[Exhibit]:
    """Show each palette on one scene."""
    for name in palettes:
        scene = scenes[PALETTE_AT].coloured(name)
        yield Exhibit(name, scene, typed(PALETTE_AT, "--palette", name))


HALLS = {
    "scenes": of_scenes,
    "formulas": of_formulas,
    "looks": of_looks,
    "palettes": of_palettes,
}


def picture(scene: Scene, folder: Path, width_px: int) -> Path:
    """Make a picture of a scene, where it does not lie there yet."""
    from PIL import Image

    path = folder / f"{scene.digest()[:24]}-{width_px}.webp"
    if not path.exists():
        made = render(scene, width_px, round(width_px / ASPECT), antialias=ANTIALIAS)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(made.pixels).save(path, quality=QUALITY, method=6)
    return path


class Gallery(SphinxDirective):
    """Show one of the `HALLS`."""

    required_arguments = 1
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Make the pictures, and give the figures."""
        hall = self.arguments[0]
        if hall not in HALLS:
            raise self.error(f"no gallery named {hall!r}; there are {', '.join(HALLS)}.")
        app = self.env.app
        folder = Path(app.outdir) / "gallery"
        parts = []
        for shown in HALLS[hall]():
            path = picture(shown.scene, folder, app.config.gallery_width)
            getLogger(__name__).info("picture of %s", shown.name)
            name, code = escape(shown.name), escape(shown.made_by)
            title = name.replace("_", "_<wbr>")
            parts.append(
                f'<figure><img src="gallery/{path.name}" alt="{name}" loading="lazy">'
                f"<figcaption><strong>{title}</strong><code>{code}</code></figcaption></figure>"
            )
        return [nodes.raw("", f'<div class="gallery">{"".join(parts)}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_config_value("gallery_width", 480, "env", int)
    app.add_directive("gallery", Gallery)
    app.add_css_file("gallery.css")
    return {"version": "1", "parallel_read_safe": True}
