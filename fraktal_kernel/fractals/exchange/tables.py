"""TOML: tables read with a sentence for what is wrong, and plain data written as TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from fraktal_kernel.errors import InvalidInput


def table_of(text: str, name: str) -> dict[str, Any]:
    """Read TOML; ``name`` says in errors where it came from."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InvalidInput(f"{name} is nested too deeply; no location is.") from None
    except ValueError as error:
        raise InvalidInput(f"{name} is no TOML: {error!s:.200}.") from None


def toml_of(data: Mapping[str, Any]) -> str:
    """Write plain data, such as that of a scene, as TOML.

    Examples
    --------
    >>> print(toml_of({"version": 2, "view": {"re": "0", "im": "0", "width": "4"}}), end="")
    version = 2
    view = {re = "0", im = "0", width = "4"}
    """
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in data.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_text(key)} = {_value(item)}" for key, item in value.items())
        return f"{{{inside}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise InvalidInput(f"{value!r:.60} cannot be written as TOML; expected text or a number.")


def _text(key: str) -> str:
    bare = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if bare else _quoted(key)


def _quoted(text: str) -> str:
    """Write as JSON does, which TOML reads, but for the one control character that it lacks."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
