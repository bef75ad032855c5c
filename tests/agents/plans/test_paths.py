"""References name values and compute nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents.plans.paths import SKIPPED, UNKNOWN, NotYet, fill, parse, references
from fraktal_kernel.errors import InvalidInput

SCOPE = {
    "inputs": {"x": 3, "names": ["ada", "alan"]},
    "fit": {"result": {"loss": 0.5, "tags": [{"a": 1}]}, "state": "succeeded"},
    "later": UNKNOWN,
    "left": {"result": SKIPPED, "state": "skipped"},
}


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("${inputs.x}", 3),
        ("${ inputs.x }", 3),
        ("x is ${inputs.x}, ${inputs.names}", 'x is 3, ["ada", "alan"]'),
        ("${inputs.names[1]}!", "alan!"),
        ({"a": ["${fit.result.tags[0].a}", 7]}, {"a": [1, 7]}),
        ("$${inputs.x} and $x", "${inputs.x} and $x"),
        ("${left.result.deep.down[3]}", None),
        ("${left.state}", "skipped"),
        (True, True),
    ],
)
def test_values_come_where_they_are_named(value: object, filled: object) -> None:
    """A text that is a reference becomes the value; in a longer text it is written out."""
    assert fill(value, SCOPE) == filled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${inputs.y}", "no 'y' in inputs; there is: x, names"),
        ("${nobody.x}", "there is no 'nobody' here"),
        ("${inputs.names[2]}", "inputs.names has 2 items"),
        ("${inputs.x[0]}", "inputs.x is no list"),
        ("${inputs.x.real}", "no 'real' in inputs.x"),
        ("${inputs.names.append}", "no 'append' in inputs.names"),
        ("${__import__('os')}", "is not understood"),
        ("${inputs.x + 1}", "is not understood"),
        ("${}", "is not understood"),
    ],
)
def test_what_names_nothing_is_one_sentence(text: str, said: str) -> None:
    """The sentence has the reference, and what there is instead."""
    with pytest.raises(InvalidInput) as refused:
        fill(text, SCOPE)
    assert said in str(refused.value)


def test_what_is_not_known_yet_is_no_fault() -> None:
    """Before the plan runs, a step's result is neither there nor missing."""
    with pytest.raises(NotYet):
        fill({"a": "${later.result.x}"}, SCOPE)


@given(st.from_regex(r"\A[a-z]\w{0,5}(\.\w{1,4}|\[[0-9]{1,3}\]){0,4}\Z"))
def test_a_path_is_read_as_it_is_written(text: str) -> None:
    """Writing what was read gives the same path."""
    path = parse(text)
    assert parse(str(path)) == path


def test_references_are_found_wherever_they_stand() -> None:
    """In lists and mappings, several in a text; not those that are written with two dollars."""
    value = {"a": ["${b.result}", {"c": "${d} ${e.result[1]} $${f}"}], "g": 1}
    assert [path.root for path in references(value)] == ["b", "d", "e"]
    deep: object = "${a}"
    for _ in range(60):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested deeper"):
        list(references(deep))
