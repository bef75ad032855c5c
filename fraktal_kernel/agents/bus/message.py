"""A message, what may be in one, and how it is written: here, and on the way through a broker."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from fraktal_kernel.errors import InvalidInput

#: NATS takes a megabyte by default, with all that goes around a body.
MOST_BYTES = 512 * 1024
MOST_HEADER_BYTES = 8 * 1024
TOPIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
MOST_TOPIC = 60
GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_LONG = (str, bytes)
_SURE = 2**63
_ID = re.compile(r"[!-~]{1,200}")
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


class Message(NamedTuple):
    """What a handler gets."""

    id: str
    topic: str
    #: any JSON value
    body: Any
    headers: Mapping[str, str]
    #: when it was published, in seconds since 1970
    time: float
    #: 1 at the first delivery to this group
    attempt: int


class Draft(NamedTuple):
    """A message to be published."""

    topic: str
    #: any JSON value, or a pydantic model
    body: Any
    message_id: str | None = None
    headers: Mapping[str, str] | None = None


class Written(NamedTuple):
    """A message as text, as it is kept and as it travels."""

    id: str
    topic: str
    body: str
    headers: str


def check_topic(topic: str) -> None:
    """Refuse what is no topic."""
    if not isinstance(topic, str) or len(topic) > MOST_TOPIC or not TOPIC.fullmatch(topic):
        raise InvalidInput(
            f"topic: given {str(topic)[:80]!r}, expected a name such as 'agents.state': small "
            f"letters, digits and underscores between dots, at most {MOST_TOPIC} characters."
        )


def check_pattern(pattern: str) -> None:
    """Refuse what is neither ``*``, nor a topic, nor a topic with ``.*`` behind it."""
    if pattern != "*":
        check_topic(pattern.removesuffix(".*") if isinstance(pattern, str) else pattern)


def check_group(group: str) -> None:
    """Refuse what cannot be the name of a group at every broker."""
    if not isinstance(group, str) or not GROUP.fullmatch(group):
        raise InvalidInput(
            f"group: given {str(group)[:80]!r}, expected a name such as 'monitor': letters, "
            "digits, - and _, at most 100."
        )


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a pattern takes in a topic.

    >>> matches("jobs.*", "jobs.state"), matches("jobs.*", "jobs"), matches("*", "jobs")
    (True, False, True)
    """
    if pattern == "*":
        return True
    return topic.startswith(pattern[:-1]) if pattern.endswith(".*") else topic == pattern


def write_body(body: object) -> str:
    """Write a body as JSON, as text that every engine can carry.

    Raises
    ------
    InvalidInput
        no JSON value, not a number, half a character, or too long
    """
    if hasattr(body, "model_dump"):
        body = body.model_dump(mode="json")
    if type(body) in _LONG and len(body) > MOST_BYTES:  # type: ignore[arg-type]
        raise _too_long(len(body))  # type: ignore[arg-type]
    try:
        text = _encode(body)
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(
            "body: a text in it holds half a character, which UTF-8 cannot write; "
            "give whole characters."
        ) from None
    except ValueError as error:
        reason = "a value holds itself" if "ircular" in str(error) else "a number is NaN or endless"
        raise InvalidInput(f"body: {reason}, which JSON cannot say; leave it out.") from None
    except TypeError as error:
        raise InvalidInput(f"body: expected a JSON value, but: {str(error)[:200]}.") from None
    except RecursionError:
        raise InvalidInput("body: nested too deeply; give a flatter value.") from None
    if size > MOST_BYTES:
        raise _too_long(size)
    return text


def check_body(body: object) -> None:
    """Refuse what :func:`write_body` refuses, faster where a body is a short, flat record."""
    if type(body) is not dict or len(body) > 100 or not all(map(_plain, body, body.values())):
        write_body(body)


def _plain(name: object, value: object) -> bool:
    """Tell whether a field is surely fine; of the others one has to look closer."""
    if type(name) is not str or not name.isascii() or len(name) > 100:
        return False
    kind = type(value)
    if value is None or kind is bool:
        return True
    if kind is str:
        return len(value) < 500 and value.isascii()  # type: ignore[arg-type,attr-defined]
    return (kind is float or kind is int) and -_SURE < value < _SURE  # type: ignore[operator]


def _too_long(size: int) -> InvalidInput:
    return InvalidInput(
        f"body: {size:,} bytes, expected at most {MOST_BYTES:,}; keep large things as artifacts "
        "and send their names."
    )


def write_headers(headers: Mapping[str, str] | None) -> str:
    """Write headers as a JSON object of texts."""
    if not headers:
        return "{}"
    if not all(isinstance(part, str) for pair in headers.items() for part in pair):
        raise InvalidInput("headers: expected texts by name.")
    text = write_body(dict(headers))
    if len(text) > MOST_HEADER_BYTES:
        raise InvalidInput(
            f"headers: {len(text):,} characters, expected at most {MOST_HEADER_BYTES:,}."
        )
    return text


def check_id(message_id: str) -> None:
    """Refuse what cannot be the id of a message at every broker."""
    if not isinstance(message_id, str) or not _ID.fullmatch(message_id):
        raise InvalidInput(
            f"message_id: given {str(message_id)[:80]!r}, expected 1 to 200 plain characters "
            "without spaces."
        )


def new_id() -> str:
    """Make a message id that no other has."""
    return uuid.uuid4().hex


def write(draft: Draft) -> Written:
    """Check a draft and write it.

    Raises
    ------
    InvalidInput
        one sentence about what is at fault
    """
    check_topic(draft.topic)
    message_id = draft.message_id
    if message_id is None:
        message_id = new_id()
    else:
        check_id(message_id)
    return Written(message_id, draft.topic, write_body(draft.body), write_headers(draft.headers))


def envelope(message: Written, time_s: float) -> bytes:
    """Write a message as it travels: one JSON object, the body inside."""
    head = _encode({"id": message.id, "topic": message.topic, "time": time_s})
    return f'{head[:-1]},"headers":{message.headers},"body":{message.body}}}'.encode()


def opened(data: bytes) -> tuple[Written, float]:
    """Read what :func:`envelope` wrote, from whoever it comes.

    Raises
    ------
    InvalidInput
        no UTF-8, no JSON, no such object, or a part that we would not have written
    """
    if len(data) > 2 * MOST_BYTES:
        raise _too_long(len(data))
    try:
        found = json.loads(data, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise InvalidInput("a message came that is no UTF-8.") from None
    except (ValueError, RecursionError):
        raise InvalidInput("a message came that is no JSON.") from None
    expected = {"id": str, "topic": str, "time": int | float, "headers": dict}
    if not isinstance(found, dict) or "body" not in found:
        raise InvalidInput("a message came that is no object with a body.")
    for name, kind in expected.items():
        if not isinstance(found.get(name), kind):
            raise InvalidInput(f"a message came without a fitting {name!r}.")
    draft = Draft(found["topic"], found["body"], found["id"], found["headers"])
    return write(draft), float(found["time"])


def _no_number(name: str) -> None:
    raise ValueError(name)
