"""Scenes from what a person or a program may name: a name, a file, JSON, a dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.gallery import scenes
from fraktal_kernel.fractals.png import (
    MAX_TEXT_BYTES,
    Raster,
    read_raster,
    read_scene,
    scene_of_text,
)
from fraktal_kernel.fractals.scene import Scene

_SUFFIXES = (".png", ".json", ".kfr", ".toml", ".xpf")


def resolve_scene(
    reference: str | Mapping[str, Any] | Scene, roots: Sequence[str | Path] | None
) -> Scene:
    """Find the scene that is meant.

    Parameters
    ----------
    reference : a scene, a dict or JSON text of one, a name, or the path of a .png, .json or .toml
        file of ours, or of a .kfr, .toml or .xpf file of another program
    roots : folders that files may be read from; None allows every path, as a person at their own
        terminal expects, and an empty sequence allows none

    Examples
    --------
    >>> resolve_scene("seahorse", []).max_iter
    5000
    """
    if isinstance(reference, Scene):
        return reference
    if isinstance(reference, Mapping):
        return Scene.from_dict(reference)
    if not isinstance(reference, str):
        raise InvalidInput(
            f"scene is {reference!r:.60}; expected a name, the path of a .png, .json, .toml, .kfr "
            "or .xpf file, or a scene as JSON."
        )
    text = reference.strip()
    if text.startswith("{"):
        return scene_of_text(text, "the given text")
    if text in scenes:
        return scenes[text]
    if text.lower().endswith(_SUFFIXES) or "/" in text or "\\" in text:
        return _read(_allowed(text, roots))
    return scenes[text[:100]]  # raises, and says what is near


def raster_of(reference: object, roots: Sequence[str | Path] | None) -> Raster | None:
    """Give the raster of the picture that a scene is named by; None where none is."""
    text = reference.strip() if isinstance(reference, str) else ""
    if text in scenes or text.startswith("{") or not text.lower().endswith(".png"):
        return None
    return read_raster(_allowed(text, roots))


def _allowed(text: str, roots: Sequence[str | Path] | None) -> Path:
    """Give the file behind a path, with links and dots resolved, if it may be read."""
    if len(text) > 4096 or "\0" in text:
        raise InvalidInput(f"scene {text!r:.100} is no path that a file can have.")
    try:
        if roots is None:
            return Path(text).expanduser().resolve()
        for root in (Path(root).resolve() for root in roots):
            path = (root / text).resolve()
            # What lies outside is refused alike, whether it exists or not.
            if path.is_relative_to(root) and path.is_file():
                return path
    except (OSError, RuntimeError) as error:
        raise InvalidInput(f"scene {text!r:.100} cannot be read: {error!s:.200}") from None
    if not roots:
        raise InvalidInput(
            f"scene {text!r:.100} is a path, and files are not read here; give a name or the scene "
            "itself."
        )
    raise InvalidInput(
        f"scene {text!r:.100} is no file in the folders that may be read here; "
        "give a name, the scene itself, or a file of the workspace."
    )


def _read(path: Path) -> Scene:
    """Read a scene from a picture, a JSON file, or a location of another program."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        return read_scene(path)
    if suffix not in _SUFFIXES:
        raise InvalidInput(
            f"{path.name!r:.100} is no scene; expected a file that ends in {', '.join(_SUFFIXES)}."
        )
    if suffix != ".json":
        from fraktal_kernel.fractals.exchange import read_location

        return read_location(path)[0]
    try:
        if not path.is_file():
            raise InvalidInput(f"{str(path)!r:.200} is no file; give the path of a .json scene.")
        with path.open("rb") as file:
            return scene_of_text(file.read(MAX_TEXT_BYTES + 1), path.name)
    except OSError as error:
        raise InvalidInput(f"{str(path)!r:.200} cannot be read: {error!s:.200}") from None
