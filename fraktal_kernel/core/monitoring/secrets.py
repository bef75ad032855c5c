"""Keep secrets out of logs: what a token, password or key looks like, and its mask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MASK = "***"
LONGEST_TEXT = 8_192  # a log line is for reading; what is longer belongs into an artifact
DEEPEST = 8

_NAMES = (
    r"(?:[\w-]*(?:token|passw(?:or)?d|secret|api_?key|authorization|credentials?)"
    r"|fraktal_session(?:_\d+)?)"
)
_SECRET_NAME = re.compile(rf"(?i)^(?:{_NAMES}|(?:set-)?cookie)$")
_SECRET_TEXT = re.compile(
    rf"""(?ix)
      (?P<url> ://[^/\s:@]* : ) [^/\s@]+ (?= @)                 # scheme://user:password@host
    | (?P<bearer> \b(?:bearer|basic) \s+ ) [\w.~+/=-]{{6,}}     # an Authorization header
    | (?P<named> \b{_NAMES} ["']? \s* [=:] \s* ["']? ) (?!(?:bearer|basic)\s) [^\s"'&,;)}}\]#]+
    | (?P<ours> \bfk_ ) [\w-]{{8,}}                             # an API token of our own
    """
)


def masked(text: str) -> str:
    """Return ``text`` with every secret in it replaced.

    Examples
    --------
    >>> masked("GET /?token=0a1b2c HTTP/1.1")
    'GET /?token=*** HTTP/1.1'
    >>> masked("postgresql://me:hunter2@db/fraktal")
    'postgresql://me:***@db/fraktal'
    """
    if text.isalnum():  # most texts in a log are one word, and a search costs more than that
        return text
    return _SECRET_TEXT.sub(lambda found: (found[found.lastgroup or 0] or "") + MASK, text)


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Say whether a field called ``name`` holds a secret."""
    return _SECRET_NAME.match(name) is not None


def clean(value: Any, depth: int = 0) -> Any:
    """Make a value fit for one JSON line: plain, short enough, without secrets."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else repr(value)  # JSON has no nan and no infinity
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            value = f"{value[:LONGEST_TEXT]}... ({len(value) - LONGEST_TEXT} more characters)"
        return masked(value)
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            return {
                str(name): MASK
                if inner is not None and is_secret(str(name))
                else clean(inner, depth + 1)
                for name, inner in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [clean(inner, depth + 1) for inner in value]
    try:
        return clean(repr(value) if isinstance(value, (bytes, bytearray)) else str(value), depth)
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
