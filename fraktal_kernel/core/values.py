"""What may be kept or told as JSON, and how much of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fraktal_kernel.errors import InvalidInput

#: How much JSON a step or a job may return; it is kept in the database, and sent about whole.
JSON_MAX_BYTES = 1024**2
#: How much a run may say at once to those who watch it.
SAID_MAX_BYTES = 64 * 1024
#: How many a list gives at once, here and on a server.
LISTED_MAX = 1000


def said_json(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what a run says to its watchers into plain JSON values.

    Raises
    ------
    InvalidInput
        it is no JSON, or more than :data:`SAID_MAX_BYTES`
    """
    plain: dict[str, Any] = to_json(dict(payload))
    size = len(json.dumps(plain))
    if size > SAID_MAX_BYTES:
        raise InvalidInput(
            f"a run said {size:,} bytes at once, expected at most {SAID_MAX_BYTES:,}; say it in "
            "parts, or save it as an artifact."
        )
    return plain


def checked_limit(limit: int) -> int:
    """Check how many somebody wants to see at once."""
    if not 1 <= limit <= LISTED_MAX:
        raise InvalidInput(f"limit: given {limit}, expected 1 to {LISTED_MAX}.")
    return limit


def checked_cost(cost: float) -> float:
    """Check what something cost: a finite number, and nobody is paid back."""
    cost = float(cost)
    if not 0 <= cost < float("inf"):
        raise InvalidInput(f"cost: given {cost}, expected a number from 0 on.")
    return cost


def share(fraction: float) -> float:
    """Bring a fraction between 0 and 1; what is no number, such as 0/0, tells of no progress."""
    fraction = float(fraction)
    return 0.0 if fraction != fraction else min(max(fraction, 0.0), 1.0)


def to_json(value: Any) -> Any:
    """Turn a result into plain JSON values.

    Raises
    ------
    InvalidInput
        the value holds something that JSON does not know
    """
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        plain = to_jsonable_python(value)
        json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"a value of type {type(value).__name__} cannot be kept as JSON ({error}); return "
            "numbers, texts, lists, dictionaries or a pydantic model, and save data as artifacts."
        ) from None
    return plain


def kept_json(value: Any, what: str) -> tuple[Any, str]:
    """Turn what a step or a job returned into plain JSON values, and these into a text.

    Raises
    ------
    InvalidInput
        it holds something that JSON does not know, or too much

    Examples
    --------
    >>> kept_json((1, 2), "step 'count'")
    ([1, 2], '[1, 2]')
    """
    plain = to_json(value)
    text = json.dumps(plain, allow_nan=False)
    if len(text) > JSON_MAX_BYTES:
        raise InvalidInput(
            f"{what} returned {len(text):,} bytes of JSON, expected at most {JSON_MAX_BYTES:,}; "
            "save large results as artifacts."
        )
    return plain, text


def plain_text(text: object) -> str:
    r"""Replace what no database keeps in a text: NUL, and halves of characters.

    Examples
    --------
    >>> plain_text("a\0b")
    'a�b'
    """
    return str(text).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
