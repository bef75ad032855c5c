"""Scenes: strict at the border, the same everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fraktal_kernel.errors import InvalidInput, UnknownName
from fraktal_kernel.fractals import Scene, Seed, View, formulas, palettes, scenes


@pytest.mark.parametrize("name", list(scenes))
def test_every_scene_survives_plain_data(name: str) -> None:
    """To a dict, through JSON and back is the same scene with the same digest."""
    scene = scenes[name]
    again = Scene.from_dict(json.loads(json.dumps(scene.to_dict())))
    assert again == scene
    assert again.digest() == scene.digest()


def test_the_digest_is_stable() -> None:
    """The digest of the home scene is the same wherever scenes are of version 2."""
    scene = Scene(view=View("-0.75", "0", "3.5"), max_iter=100, palette="ember")
    assert scene.digest() == Scene.from_dict(dict(reversed(scene.to_dict().items()))).digest()
    expected = "cda580ed7fe8228dc0c60ad61566089abc90d4b5bc68ab081ea849f15d066aaa"
    assert scene.digest() == expected


def test_different_scenes_have_different_digests() -> None:
    """Nothing of what decides a picture is left out of the digest."""
    digests = {scene.digest() for scene in scenes.values()}
    assert len(digests) == len(scenes)


def test_there_is_enough_to_look_at() -> None:
    """The names that others rely on are there."""
    assert {"full_set", "seahorse"} <= set(scenes)
    assert len(scenes) >= 8
    assert sum(scene.seed is not None for scene in scenes.values()) >= 2
    assert len(palettes) >= 6


VIEW = {"re": "0", "im": "0", "width": "1"}
SEED = {"re": "-0.8", "im": "0.156"}


@pytest.mark.parametrize("version", [{}, {"version": 1}])
def test_scenes_of_version_1_are_read(version: dict[str, int]) -> None:
    """Julia sets, once a formula of their own, become the formula with a seed."""
    scene = Scene.from_dict({"formula": "julia", "view": VIEW, "seed": SEED} | version)
    assert scene == Scene(view=View("0", "0", "1"), seed=Seed("-0.8", "0.156"))
    assert scene.to_dict()["version"] == 2
    assert Scene.from_dict({"formula": "mandelbrot", "max_iter": 50} | version).max_iter == 50


def test_a_name_is_checked_without_parsing() -> None:
    """Every formula has a scene; a typed one is kept as it was typed."""
    for name in formulas:
        assert Scene(name).formula == name
    assert Scene(" z**3 + c*z ").formula == "z**3 + c*z"
    assert Scene("z**3 + c*z").kind == "formula"


def test_a_turned_view_moves_as_one_sees_it() -> None:
    """To the right of a window that is turned by 90 degrees is up in the plane."""
    view = View("0", "0", "2", 90, ((1, 0), (0, 1)))
    assert view == View("0", "0", "2", rotation_deg=-270)
    moved = view.panned(0.25, 0).zoomed(2, at=(0, 0.5))
    assert (moved.re, moved.im, moved.width, moved.rotation_deg) == ("-0.5", "0.5", "1", 90)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"formula": "mandelbort"}, "mandelbrot"),
        ({"formula": 3}, "formula"),
        ({"formula": "julia"}, "seed"),
        ({"formula": "z**2 +"}, "formula"),
        ({"formula": "__import__('os')"}, "formula"),
        ({"formula": "multibrot", "parameters": {"pow": 3}}, "pow"),
        ({"formula": "multibrot", "parameters": [3]}, "parameters"),
        ({"formula": "multibrot", "parameters": {"power": float("nan")}}, "power"),
        ({"formula": "multibrot", "parameters": {"power": 2**64}}, "power"),
        ({"view": VIEW | {"rotation_deg": "90"}}, "rotation_deg"),
        ({"view": VIEW | {"rotation_deg": float("inf")}}, "rotation_deg"),
        ({"view": VIEW | {"skew": [[1, 0]]}}, "skew"),
        ({"view": VIEW | {"skew": [[1, 2], [2, 4]]}}, "skew"),
        ({"view": VIEW | {"skew": [[1, 0], [0, 10**400]]}}, "skew"),
        ({"look": {"layers": []}}, "layers"),
        ({"look": "moon"}, "look"),
        ({"look": {"layers": [{"opacity": 10**400}]}}, "opacity"),
        ({"fields": ["smoth"]}, "smooth"),
        ({"fields": "smooth"}, "fields"),
        ({"offset": 10**400}, "offset"),
        ({"formula": "julia", "seed": {"re": "9", "im": "0"}}, "seed"),
        ({"formula": "julia", "seed": {"re": "0"}}, "im"),
        ({"max_itr": 5}, "max_iter"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_iter": True}, "max_iter"),
        ({"max_iter": 1.5}, "max_iter"),
        ({"max_iter": "100"}, "max_iter"),
        ({"max_iter": 10**9 + 1}, "max_iter"),
        ({"view": VIEW | {"zoom": 1}}, "zoom"),
        ({"view": {"re": "0"}}, "im, width"),
        ({"view": "home"}, "view"),
        ({"view": VIEW | {"re": float("nan")}}, "re"),
        ({"view": VIEW | {"re": True}}, "re"),
        ({"view": VIEW | {"re": 10**400}}, "re"),
        ({"palette": "embers"}, "ember"),
        ({"palette": ["ember"]}, "palette"),
        ({"density": float("nan")}, "density"),
        ({"density": 0}, "density"),
        ({"density": True}, "density"),
        ({"offset": 2}, "offset"),
        ({"offset": "0"}, "offset"),
        ({"version": 3}, "version"),
        ({"version": True}, "version"),
        ({1: 2}, "1"),
        ([], "scene"),
        ("x", "scene"),
    ],
)
def test_bad_scenes_are_refused_with_a_sentence(data: Any, says: str) -> None:
    """Each fault is named."""
    with pytest.raises(InvalidInput, match=says):
        Scene.from_dict(data)


def test_numbers_are_taken_for_coordinates() -> None:
    """Whoever writes JSON by hand may leave the quotes away."""
    view = Scene.from_dict({"view": {"re": -0.75, "im": 0, "width": 3.5}}).view
    assert view == View("-0.75", "0", "3.5")


class Model(BaseModel):
    """A model with a scene in it."""

    scene: Scene


def test_pydantic_reads_and_writes_scenes() -> None:
    """Names and plain data come in, plain data goes out, and comes in again."""
    model = Model.model_validate({"scene": "seahorse"})
    assert model.scene == scenes["seahorse"]
    data = model.model_dump(mode="json")
    assert data["scene"] == scenes["seahorse"].to_dict()
    assert Model.model_validate_json(json.dumps(data)) == model
    assert model.model_dump() == data


@pytest.mark.parametrize("bad", ["seahrose", "", 5, None, {"max_iter": 0}, "{", "./x.png"])
def test_pydantic_refuses_bad_scenes(bad: object) -> None:
    """Our sentences arrive as pydantic's errors."""
    with pytest.raises(ValidationError, match="scene"):
        Model.model_validate({"scene": bad})


def test_the_schema_suits_a_form() -> None:
    """Names are offered, and the parts of a scene are described."""
    schema = Model.model_json_schema()["properties"]["scene"]
    assert schema["examples"] == list(scenes)
    parts = schema["anyOf"][1]["properties"]
    assert set(parts) == set(Scene.__dataclass_fields__)
    assert parts["palette"]["enum"] == list(palettes)


def test_unknown_names_suggest_near_ones() -> None:
    """A slip of the finger is answered with what was meant."""
    with pytest.raises(UnknownName, match="did you mean 'seahorse'"):
        scenes["seehorse"]


def test_a_seed_is_checked() -> None:
    """Seeds are finite and within reach."""
    with pytest.raises(InvalidInput):
        Seed("NaN", "0")


def test_the_docs_name_everything() -> None:
    """Every scene, palette, formula and part of a scene stands in the docs."""
    text = (Path(__file__).parents[2] / "docs" / "fractals.md").read_text()
    for name in [*scenes, *palettes, *formulas, *Scene.__dataclass_fields__]:
        assert f"`{name}`" in text or f'"{name}"' in text, name
