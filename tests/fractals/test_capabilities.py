"""The capability, as forms, jobs and the command line see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fraktal_kernel.core.capability import Cancelled, Run, capabilities
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import palettes, read_scene, render, scenes
from fraktal_kernel.fractals.capabilities.picture import RenderParams, render_picture
from fraktal_kernel.fractals.png import write_png

RENDER = capabilities["fractal.render"]


def test_a_picture_is_saved_with_its_scene() -> None:
    """The artifact is a PNG of the asked size that carries the scene with the changes asked for."""
    run = Run.detached()
    params = RENDER.validate(
        {"scene": "elephant", "width": 40, "height": 30, "max_iter": 99, "palette": "classic"}
    )
    result = RENDER(params, run)
    scene = read_scene(run.artifacts["picture.png"].read())
    assert (scene.max_iter, scene.palette) == (99, "classic")
    assert scene.view == scenes["elephant"].view
    assert (result.width_px, result.height_px) == (40, 30)
    assert result.picture.media_type == "image/png"
    assert result.iterations > 0


def test_a_palette_paints_the_lowest_layer_of_a_scene_with_a_look() -> None:
    """Asking for other colours changes them, whether the scene has a look or a palette alone."""
    asked = {"scene": "bronze_valley", "palette": "glacier", "width": 32, "height": 24}
    run = Run.detached()
    RENDER(RENDER.validate(asked), run)
    scene = scenes["bronze_valley"]
    assert scene.look is not None
    wanted = render(replace(scene, look=scene.look.painted("glacier")), 32, 24)
    with Image.open(run.artifacts["picture.png"].open()) as picture:
        assert np.array_equal(np.asarray(picture), wanted.pixels)
    assert not np.array_equal(wanted.pixels, render(scene, 32, 24).pixels)


def test_steps_are_told_only_where_they_are_counted() -> None:
    """The log of a formula whose steps nobody counts has no number of them."""
    said: list[str] = []
    for scene in ("full_set", '{"formula": "burning_ship"}'):
        run = Run.detached(on_log=lambda text, level: said.append(text))
        RENDER(RENDER.validate({"scene": scene, "width": 32, "height": 24}), run)
    assert "steps" in said[0] and "steps" not in said[1]


@pytest.mark.parametrize("example", RENDER.examples)
def test_examples_are_valid(example: dict[str, Any]) -> None:
    """What forms and docs offer works as it stands."""
    assert RENDER.validate(example)


def test_parameters_carry_the_scene_itself(tmp_path: Path) -> None:
    """After validation no file is needed any more, so that a job can be repeated elsewhere."""
    path = render("starfish", 16, 12).save(tmp_path / "p.png")
    params = RENDER.validate({"scene": "p.png"}, roots=[tmp_path])
    path.unlink()
    plain = params.model_dump(mode="json")
    assert plain["scene"] == scenes["starfish"].to_dict()
    assert RENDER.validate(plain) == params


def test_a_picture_named_as_scene_is_made_again(tmp_path: Path) -> None:
    """Size and antialiasing are the picture's own, unless other ones are asked for."""
    picture = render("starfish", 17, 13, antialias=3)
    path = picture.save(tmp_path / "p.png")
    run = Run.detached()
    RENDER(RENDER.validate({"scene": str(path)}, roots=None), run)
    assert run.artifacts["picture.png"].read() == path.read_bytes()
    smaller = RENDER.validate({"scene": str(path), "width": 8, "antialias": 1}, roots=None)
    assert isinstance(smaller, RenderParams)
    assert (smaller.width, smaller.antialias) == (8, 1)


def test_without_folders_no_file_is_read(tmp_path: Path) -> None:
    """A path from afar is refused where nobody allowed one."""
    path = render("starfish", 16, 12).save(tmp_path / "p.png")
    for roots in ((), [tmp_path / "elsewhere"]):
        with pytest.raises(InvalidInput, match="scene"):
            RENDER.validate({"scene": str(path)}, roots=roots)
    assert RENDER.validate({"scene": str(path)}, roots=None)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"scene": "seahrose"}, "seahorse"),
        ({"width": 0}, "width"),
        ({"height": -5}, "height"),
        ({"width": 10**9, "height": 10**9}, r"pixels.* make a poster \(fractal.poster\)"),
        ({"scene": "newton_flower", "width": 9000, "height": 9000}, "less antialiasing.*poster"),
        ({"width": "wide"}, "width"),
        ({"widht": 5}, "width"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_iter": float("nan")}, "max_iter"),
        ({"palette": "embr"}, "ember"),
        ({"antialias": 9}, "antialias"),
        (
            {"scene": {"formula": "newton", "view": {"re": "1", "im": "0", "width": "1e-30"}}},
            "too deep",
        ),
    ],
)
def test_bad_parameters_are_refused_with_a_sentence(params: dict[str, Any], says: str) -> None:
    """Each fault is named, and nothing is computed."""
    with pytest.raises(InvalidInput, match=says):
        RENDER.validate(params)


def test_samples_are_no_pixels() -> None:
    """The bound on the size is one of the picture; samples pass by in bands."""
    assert RENDER.validate({"width": 10_000, "height": 9_000, "antialias": 4})


def test_progress_and_cancelling_reach_the_kernel() -> None:
    """A run that is cancelled ends with Cancelled, and saves nothing."""
    told: list[str] = []
    run = Run.detached(on_progress=lambda f, text: told.append(text), cancelled=lambda: True)
    with pytest.raises(Cancelled):
        render_picture(RenderParams(width=64, height=64), run)
    assert not run.artifacts
    render_picture(RenderParams(width=64, height=64), Run.detached(on_progress=run.progress))
    assert render_picture(
        RenderParams(width=64, height=64),
        Run.detached(on_progress=lambda f, text: told.append(text)),
    )
    assert told[-1] == "rows 64/64"


def test_the_form_knows_units_and_choices() -> None:
    """Each field has a title and a description; sizes have units, palettes choices."""
    fields = RENDER.schema()["properties"]
    for name, field in fields.items():
        assert field["title"], name
        assert field["description"], name
    assert fields["width"]["unit"] == "px"
    assert fields["palette"]["enum"] == [*palettes, None]
    assert fields["scene"]["examples"] == list(scenes)
    assert fields["scene"]["default"] == "seahorse"


def test_it_is_known_before_how_large_a_file_may_become() -> None:
    """Even a picture of noise, which nothing compresses, takes no more."""
    noise = np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8)
    params = RenderParams(width=64, height=48)
    taken = len(write_png(noise, scenes["deep_flake"], 4))
    assert taken <= params.largest_bytes < taken + 20_000
