"""What is typed becomes what a schema says, and what does not fit is refused by name."""

from __future__ import annotations

import shlex
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from fraktal_kernel.cli.parameters import options_of, parse, words_of
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.errors import InvalidInput, UnknownName


class Size(BaseModel):
    """A nested parameter."""

    width: int = 3
    height: int = 2


class Params(BaseModel):
    """One parameter of each kind."""

    count: int = Field(1, ge=1, le=10)
    ratio: float = 0.5
    name: str = "x"
    smooth: bool = True
    quiet: bool | None = None
    limit: int | None = None
    colour: Literal["red", "blue"] = "red"
    sizes: list[int] = []
    tags: list[str] = []
    size: Size = Size()
    more: dict[str, Any] = {}
    choice: str | dict[str, int] = "a"
    max_iter: int = 3


SCHEMA = Params.model_json_schema()


def read(line: str) -> dict[str, Any]:
    """Parse a line and check that the model takes what came out."""
    params = parse(shlex.split(line), SCHEMA, "parameter of it")
    Params.model_validate(params)
    return params


@pytest.mark.parametrize(
    ("line", "params"),
    [
        ("", {}),
        ("--count 3 --ratio -0.75", {"count": 3, "ratio": -0.75}),
        ("--count=3 --name=--x", {"count": 3, "name": "--x"}),
        ("--name 12", {"name": "12"}),
        ("--name -x", {"name": "-x"}),
        ("--smooth", {"smooth": True}),
        ("--no-smooth --count 2", {"smooth": False, "count": 2}),
        ("--smooth false", {"smooth": False}),
        ("--smooth --no-quiet", {"smooth": True, "quiet": False}),
        ("--quiet none --limit none", {"quiet": None, "limit": None}),
        ("--limit 4", {"limit": 4}),
        ("--colour blue", {"colour": "blue"}),
        ("--sizes 1,2,3", {"sizes": [1, 2, 3]}),
        ("--sizes '[1, 2]' --sizes 3", {"sizes": [1, 2, 3]}),
        ("--tags a --tags 'b c'", {"tags": ["a", "b c"]}),
        ("--size.width 9", {"size": {"width": 9}}),
        ("--size '{\"width\": 9}'", {"size": {"width": 9}}),
        ("--more.any 3 --more.text hello", {"more": {"any": 3, "text": "hello"}}),
        ("--choice b", {"choice": "b"}),
        ("--choice '{\"b\": 1}'", {"choice": {"b": 1}}),
        ("--max-iter 9", {"max_iter": 9}),
        ("--max_iter 9", {"max_iter": 9}),
        ("-p count 7 -p name y", {"count": 7, "name": "y"}),
    ],
)
def test_options_are_read_as_the_schema_says(line, params):
    """Each way to write a parameter gives its JSON value."""
    assert read(line) == params


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--count three", "count: given 'three', expected a whole number from 1 to 10."),
        ("--count 3.5", "count: given '3.5', expected a whole number from 1 to 10."),
        ("--ratio nan", "ratio: given 'nan', expected a number."),
        ("--ratio inf", "ratio: given 'inf', expected a number."),
        ("--ratio", "ratio: given no value, expected a number."),
        ("--ratio --count 3", "ratio: given no value, expected a number."),
        ("--sizes 1,x", "sizes: given 'x', expected a whole number."),
        ("--sizes '[NaN]'", "sizes: given '[NaN]', expected a list (each a whole number)."),
        ("--size 9", "size: given '9', expected a JSON object."),
        ("--count 1 --count 2", "count: given twice; leave one out."),
        ("--size '{}' --size.width 2 --size.width 3", "size.width: given twice; leave one out."),
        ("stray", "given 'stray', expected --NAME VALUE; quote values with spaces."),
        ("-p count", "-p: expected a name and a value, such as -p width 640."),
        ("--smooth maybe", "given 'maybe', expected --NAME VALUE; quote values with spaces."),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(line, sentence):
    """The sentence names the parameter, what was given and what was expected."""
    with pytest.raises(InvalidInput) as caught:
        parse(shlex.split(line), SCHEMA, "parameter of it")
    assert str(caught.value) == sentence


@pytest.mark.parametrize("word", ["--cuont", "--no-cuont", "--size.widht", "-p cuont"])
def test_unknown_names_are_told_with_the_nearest_one(word):
    """A slip of the pen names what was probably meant."""
    with pytest.raises(UnknownName, match=r"did you mean '(count|size\.width)'"):
        parse([*word.split(), "3"], SCHEMA, "parameter of it")


def test_a_capability_without_parameters_takes_none():
    """Where there is nothing to give, that is what the sentence says."""
    with pytest.raises(InvalidInput, match="it takes none"):
        parse(["--x", "3"], {"properties": {}}, "parameter of it")


def test_ranges_choices_and_nesting_are_told_in_words():
    """What help shows comes from the schema."""
    known = options_of(SCHEMA)
    assert known["count"].expected == "a whole number from 1 to 10"
    assert known["colour"].expected == "one of red, blue"
    assert known["size.height"].default == 2


VALUES = {
    "count": st.integers(1, 10),
    "ratio": st.floats(allow_nan=False, allow_infinity=False),
    "name": st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    "smooth": st.booleans(),
    "limit": st.integers(),
    "colour": st.sampled_from(["red", "blue"]),
    "sizes": st.lists(st.integers()),
    "size": st.fixed_dictionaries({"width": st.integers(), "height": st.integers()}),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_whatever_is_written_as_words_is_read_back_the_same(params):
    """``words_of`` and ``parse`` are inverses of each other, in any shell quoting."""
    assert parse(shlex.split(words_of(params)), SCHEMA, "parameter") == params


def test_every_example_can_be_typed():
    """What help shows as an example means what the capability says it means."""
    for found in capabilities.values():
        for example in found.examples:
            typed = parse(shlex.split(words_of(example)), found.schema(), "parameter")
            meant = found.validate(example).model_dump(mode="json")
            assert found.validate(typed).model_dump(mode="json") == meant, found.name
