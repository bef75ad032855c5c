"""Messages: what is fine to carry, by the quick look and by the whole one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents.bus.message import Draft, check_body, envelope, opened, write, write_body
from fraktal_kernel.errors import InvalidInput

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
) | st.dictionaries(st.text(st.characters()), st.floats() | st.text(st.characters()), max_size=4)


def refusal(look: Any, body: object) -> str:
    """Give the sentence of a refusal, empty for none."""
    try:
        look(body)
    except InvalidInput as error:
        return str(error)
    return ""


@given(ANYTHING)
def test_the_quick_look_refuses_what_the_whole_one_does(body: Any) -> None:
    """Both take the same bodies, and say the same of the others."""
    assert refusal(check_body, body) == refusal(write_body, body)


@given(ANYTHING.filter(lambda body: not refusal(write_body, body)))
def test_what_travels_arrives_as_it_was(body: Any) -> None:
    """An envelope that is opened holds the message that was put into it."""
    message = write(Draft("jobs.state", body, "the-id", {"from": "ü"}))
    again, time_s = opened(envelope(message, 12.5))
    assert (again, time_s) == (message, 12.5)
    assert json.loads(again.body) == body
