"""Only strict JSON that the database can keep gets in."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.server.body import read_json

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner))


@settings(max_examples=100, deadline=None)
@given(values)
def test_what_json_writes_is_read_unchanged(value: object) -> None:
    """Every value that strict JSON knows comes through as it was."""
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON: expecting value at line 1, column 1"),
        (b"{", "not JSON"),
        (b"\xff{}", "not UTF-8 text .byte 0."),
        (b'{"a": NaN}', "holds NaN"),
        (b"[-Infinity]", "holds -Infinity"),
        (b"[1e999]", "too large for a double"),
        (b"9223372036854775808", "64 bits cannot hold"),
        (b"-9223372036854775809", "64 bits cannot hold"),
        (b"9" * 1_000_000, "64 bits cannot hold"),
        (b"[" * 65 + b"]" * 65, "deeper than 64 levels"),
        (b"[" * 1_000_000, "deeper than 64 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deeper than 64 levels"),
        (b'["\\u0000"]', "character NUL"),
        (b'{"\\u0000": 1}', "character NUL"),
        (b'["\\ud800"]', "surrogate"),
    ],
)
def test_what_is_not_json_is_refused_with_one_sentence(body: bytes, says: str) -> None:
    """Each kind of bad body has a short sentence of its own."""
    with pytest.raises(InvalidInput, match=says) as caught:
        read_json(body)
    assert len(str(caught.value)) < 200


def test_largest_integers_fit() -> None:
    """The ends of the 64-bit range are inside."""
    assert read_json(b"[9223372036854775807, -9223372036854775808]") == [2**63 - 1, -(2**63)]
