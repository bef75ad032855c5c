"""Looks: plain data and back, refused when wrong, and the same everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import palettes
from fraktal_kernel.fractals.colouring import Layer, Light, Look, Relief, Scale, looks
from fraktal_kernel.fractals.colouring.look import (
    BEYOND,
    BLENDS,
    FIELDS,
    REGIONS,
    SCALES,
    SLOPES,
    SPACES,
)
from fraktal_kernel.fractals.colouring.schema import look_json_schema
from fraktal_kernel.fractals.palettes import Palette

scales = st.builds(
    Scale,
    st.sampled_from(SCALES),
    st.floats(-1000, 1000),
    st.floats(0, 1),
    st.floats(0.01, 10),
    st.sampled_from(BEYOND),
)
own = st.lists(st.integers(0, 0xFFFFFF).map("#{:06x}".format), min_size=2, max_size=5)
layers = st.builds(
    Layer,
    st.sampled_from(FIELDS),
    scales,
    st.sampled_from(list(palettes)) | own.map(Palette.of),
    st.sampled_from(BLENDS),
    st.sampled_from(SPACES),
    st.floats(0, 1),
    st.sampled_from(REGIONS),
)
lights = st.builds(Light, st.floats(-360, 360), st.floats(5, 90))
reliefs = st.builds(
    Relief,
    st.sampled_from(SLOPES),
    st.sampled_from(FIELDS),
    scales,
    st.floats(-20, 20),
    st.lists(lights, min_size=1, max_size=3).map(tuple),
)
any_look = st.builds(
    Look,
    st.lists(layers, min_size=1, max_size=4).map(tuple),
    st.none() | reliefs,
    st.just("#102030"),
)


@settings(deadline=None)
@given(any_look)
def test_a_look_survives_its_json(look: Look) -> None:
    """Written, sent as text and read again it is equal, with the same hash and digest."""
    again = Look.from_dict(json.loads(json.dumps(look.to_dict())))
    assert again == look
    assert hash(again) == hash(look)
    assert again.digest() == look.digest()


def test_the_plain_data_is_short() -> None:
    """What stands at its default is left out, so that files stay readable."""
    assert Look.default("ember").to_dict() == {
        "version": 1,
        "inside": "#000000",
        "layers": [{"field": "smooth", "palette": "ember"}],
    }


def test_looks_that_differ_have_other_digests() -> None:
    """Every named look is its own."""
    assert len({look.digest() for look in looks.values()}) == len(looks) >= 6


def test_a_look_says_which_fields_it_takes() -> None:
    """Those of layers that show, of the light, and the one that tells inside from outside."""
    look = Look(
        (Layer("stripe"), Layer("atom", opacity=0), Layer("angle")),
        Relief("normal", "distance", occlusion=0.5),
    )
    assert set(look.fields) == {"smooth", "stripe", "angle", "normal", "distance"}
    assert Look.default().fields == ("smooth",)
    assert Relief("normal").needs_height is False


def test_another_palette_changes_the_lowest_layer_only() -> None:
    """What a palette picker does."""
    look = looks["stripes"].painted("ember")
    assert look.layers[0].palette == "ember"
    assert look.layers[1:] == looks["stripes"].layers[1:]


BAD: list[Any] = [
    None,
    7,
    "smooth",
    [],
    {"layer": []},
    {"layers": []},
    {"layers": "smooth"},
    {"layers": [7]},
    {"layers": [{}] * 17},
    {"layers": [{"field": "smoth"}]},
    {"layers": [{"field": ["smooth"]}]},
    {"layers": [{"blend": "burn"}]},
    {"layers": [{"space": "lab"}]},
    {"layers": [{"where": "there"}]},
    {"layers": [{"opacity": 1.5}]},
    {"layers": [{"opacity": float("nan")}]},
    {"layers": [{"opacity": True}]},
    {"layers": [{"palette": "emberr"}]},
    {"layers": [{"palette": {"stops": []}}]},
    {"layers": [{"palette": {"stops": [[0, "#000000"]]}}]},
    {"layers": [{"palette": 7}]},
    {"layers": [{"scale": {"kind": "cubic"}}]},
    {"layers": [{"scale": {"density": "1"}}]},
    {"layers": [{"scale": {"density": float("inf")}}]},
    {"layers": [{"scale": {"offset": 3}}]},
    {"layers": [{"scale": {"exponent": 0}}]},
    {"layers": [{"scale": {"beyond": "wrap"}}]},
    {"layers": [{"scale": 3}]},
    {"inside": "black"},
    {"inside": None},
    {"version": 2},
    {"version": True},
    {"relief": 1},
    {"relief": {"lights": []}},
    {"relief": {"lights": [{"colour": "x"}]}},
    {"relief": {"lights": [{"elevation_deg": 0}]}},
    {"relief": {"lights": [{}] * 9}},
    {"relief": {"slope": "steep"}},
    {"relief": {"height": 1e9}},
    {"relief": {"shininess": 0}},
]


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data)[:60])
def test_what_is_no_look_is_refused(data: Any) -> None:
    """With one sentence of ours."""
    with pytest.raises(InvalidInput, match=r"\S"):
        Look.from_dict(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Look(()),
        lambda: Look([Layer()], relief="yes"),  # type: ignore[arg-type]
        lambda: Look((7,)),  # type: ignore[arg-type]
        lambda: Layer(scale=None),  # type: ignore[arg-type]
        lambda: Relief(scale=None),  # type: ignore[arg-type]
        lambda: Relief(lights=(Scale(),)),  # type: ignore[arg-type]
    ],
)
def test_wrong_parts_are_refused(make: Any) -> None:
    """Values made in Python are checked like those from files."""
    with pytest.raises(InvalidInput):
        make()


def test_the_schema_knows_every_part() -> None:
    """Forms are made of it: each attribute is there, and the named looks fit into it."""
    schema = look_json_schema()
    layer = schema["properties"]["layers"]["items"]
    relief = schema["properties"]["relief"]["anyOf"][0]
    light = relief["properties"]["lights"]["items"]
    scale = layer["properties"]["scale"]
    for part, cls in ((schema, Look), (layer, Layer), (relief, Relief), (light, Light)):
        assert set(part["properties"]) == set(cls.__dataclass_fields__)
    assert set(scale["properties"]) == set(Scale.__dataclass_fields__)
    for look in looks.values():
        Draft202012Validator(schema).validate(look.to_dict())
    assert not Draft202012Validator(schema).is_valid({"layers": []})


@given(any_look)
@settings(deadline=None, max_examples=30)
def test_every_look_fits_its_schema(look: Look) -> None:
    """What we accept is what we announce."""
    assert Draft202012Validator(look_json_schema()).is_valid(look.to_dict())


def test_the_docs_name_every_part() -> None:
    """Looks, palettes, fields, scales and blends stand in the docs."""
    text = (Path(__file__).parents[3] / "docs" / "colouring.md").read_text()
    parts = [
        part for cls in (Scale, Layer, Light, Relief, Look) for part in cls.__dataclass_fields__
    ]
    for name in [*looks, *palettes, *parts, *FIELDS, *SCALES, *BLENDS, *SPACES, *BEYOND]:
        assert f"`{name}`" in text, name
