"""Scenes as data: whatever holds them gives them back; whatever is none is refused."""

from __future__ import annotations

import json
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, read_scene, resolve_scene
from fraktal_kernel.fractals.exchange import toml_of
from fraktal_kernel.fractals.png import write_png

from .strategies import scenes

PIXELS = np.zeros((2, 2, 3), np.uint8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
PARTS = list(Scene.__dataclass_fields__)


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_every_scene_comes_back(scene: Scene) -> None:
    """From JSON, TOML, a picture and a pickle, with the same digest."""
    assert resolve_scene(json.dumps(scene.to_dict()), []) == scene
    assert Scene.from_dict(tomllib.loads(toml_of(scene.to_dict()))) == scene
    again = read_scene(write_png(PIXELS, scene))
    assert again == scene == pickle.loads(pickle.dumps(scene))
    assert again.digest() == scene.digest() and hash(again) == hash(scene)


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_what_version_1_wrote_is_the_same_picture(scene: Scene) -> None:
    """Its Julia sets were a formula of their own; it had neither turned views nor looks."""
    view = {name: getattr(scene.view, name) for name in ("re", "im", "width")}
    data = {"view": view, "max_iter": scene.max_iter, "palette": scene.palette}
    data |= {"density": scene.density, "offset": scene.offset}
    seed = scene.seed
    old = data | {"version": 1, "formula": "julia" if seed else "mandelbrot"}
    if seed:
        old["seed"] = {"re": seed.re, "im": seed.im}
    new = data | {"version": 2, "formula": "mandelbrot", "seed": old.get("seed")}
    migrated = Scene.from_dict(old)
    assert migrated == Scene.from_dict(new)
    assert migrated.to_dict()["version"] == 2
    assert Scene.from_dict(migrated.to_dict()).digest() == migrated.digest()


@settings(deadline=None, max_examples=200)
@given(JSON | st.dictionaries(st.sampled_from([*PARTS, "x"]), JSON))
def test_any_data_is_a_scene_or_refused_in_one_sentence(data: object) -> None:
    """Nothing but InvalidInput is raised, and what is accepted comes back."""
    try:
        scene = Scene.from_dict(data)  # type: ignore[arg-type]
    except InvalidInput as error:
        assert "\n" not in str(error) and str(error).endswith((".", "?"))
    else:
        assert Scene.from_dict(scene.to_dict()) == scene


def test_a_toml_file_of_ours_is_found_by_its_path(tmp_path: Path) -> None:
    """A scene may stand in a TOML file; one that is none is refused."""
    scene = Scene("z**2 + c - 0.25")
    (tmp_path / "mine.toml").write_text(toml_of(scene.to_dict()))
    assert resolve_scene("mine.toml", [tmp_path]) == scene
    (tmp_path / "other.toml").write_text("[tool]\nname = 'x'\n")
    with pytest.raises(InvalidInput, match="tool"):
        resolve_scene("other.toml", [tmp_path])
