"""Conditions decide what they say, and can do nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents.plans.conditions import read
from fraktal_kernel.agents.plans.paths import SKIPPED
from fraktal_kernel.errors import InvalidInput

SCOPE = {
    "fit": {"result": {"loss": 0.25, "tags": ["good"], "name": "a b"}, "state": "succeeded"},
    "inputs": {"deploy": True, "none": None},
    "gone": {"result": SKIPPED, "state": "skipped"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("fit.result.loss < 0.5", True),
        ("${fit.result.loss} < 0.5 and not inputs.deploy", False),
        ("0 < fit.result.loss <= 0.25 or nobody.was.asked", True),
        ("'good' in fit.result.tags and 'bad' not in fit.result.tags", True),
        ("fit.result.tags[0] == 'good' and fit.result['name'] == 'a b'", True),
        ("len(fit.result.tags) == 1 and -fit.result.loss + 1 > 2 * 0.3 / 1", True),
        ("inputs.none == null and gone.result.x == null and gone.state == 'skipped'", True),
        ("fit.state in ['failed', 'skipped']", False),
        ("false or true", True),
        ("'}' != ' ' and \"'}'\" in [\"'}'\"]", True),
    ],
)
def test_a_condition_is_decided(text: str, holds: bool) -> None:
    """Comparisons, logic, numbers, lists and paths mean what they look like."""
    assert read(text).holds(SCOPE) is holds


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "(lambda: 1)()",
        "[x for x in inputs]",
        "fit.result.loss ** 9 ** 9",
        "fit.result.loss := 3",
        "len(fit.result.tags, 1)",
        "open('/etc/passwd')",
        "f'{fit}'",
        "b'x' == b'x'",
        "a if b else c",
        "1 +",
        "",
        "x\0y",
        "1e999j > 1",
        "x" * 501,
        "fit.result[inputs.deploy]",
    ],
)
def test_whatever_else_python_could_do_is_refused(text: str) -> None:
    """One sentence, and nothing was done."""
    with pytest.raises(InvalidInput, match="when"):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fit.result.name < 3", "cannot be decided"),
        ("fit.result.name + 3 > 1", "'a b' is no number"),
        ("fit.result.tags * 3 == 1", "is no number"),
        ("1 / (fit.result.loss - 0.25) > 1", "cannot be decided"),
        ("fit.result.los < 3", "no 'los' in fit.result"),
        ("3 in inputs.none", "cannot be decided"),
        ("'${fit.result.name}' == 'a b'", "take the quotes off"),
        ("${fit.result.name == 'a b'", "is not understood"),
    ],
)
def test_what_cannot_be_decided_says_why(text: str, said: str) -> None:
    """Values that do not go together are no crash."""
    with pytest.raises(InvalidInput) as refused:
        read(text).holds(SCOPE)
    assert said in str(refused.value)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_decide_or_be_refused(text: str) -> None:
    """Whatever somebody types."""
    try:
        assert read(text).holds(SCOPE) in (True, False)
    except InvalidInput:
        pass
