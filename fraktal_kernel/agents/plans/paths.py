"""References within a plan, such as ``${fit.result.loss}``: found, looked up, filled in.

A text that is one reference becomes the value that it names, whatever its type; within a longer
text the value is written out. ``$${`` is a plain ``${``. Nothing is computed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fraktal_kernel.errors import InvalidInput

_REFERENCE = re.compile(r"(\$?)\$\{([^{}]*)\}")
_PATH = re.compile(r"([^\W\d]\w*)((?:\.\w+|\[[0-9]{1,6}\])*)")
_PART = re.compile(r"\.(\w+)|\[([0-9]+)\]")
MAX_DEPTH = 50


class NotYet(Exception):
    """A value that is not known before the plan runs."""


class _Unknown:
    """Stands for what a step will have given; nothing of it can be looked up yet."""


class _Skipped:
    """Stands for what a step that was skipped would have given: null, and so is all below."""


UNKNOWN: Final = _Unknown()
SKIPPED: Final = _Skipped()


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value is found: the name of an input or step, and the way down from there."""

    root: str
    parts: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        below = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.parts)
        return self.root + below


def parse(text: str) -> Path:
    """Read a path.

    Examples
    --------
    >>> parse("fit.result.losses[0]").parts
    ('result', 'losses', 0)
    """
    found = _PATH.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(
            f"the reference ${{{text:.80}}} is not understood; expected one such as "
            "${inputs.scene}, ${item} or ${fit.result.losses[0]}."
        )
    parts = (int(n) if n else name for name, n in _PART.findall(found[2]))
    return Path(found[1], tuple(parts))


def references(value: Any, depth: int = 0) -> Iterator[Path]:
    """Find all references in a JSON value."""
    if depth > MAX_DEPTH:
        raise InvalidInput(f"the plan is nested deeper than {MAX_DEPTH} levels; flatten it.")
    if isinstance(value, str):
        if "${" in value:
            for escape, text in _REFERENCE.findall(value):
                if not escape:
                    yield parse(text)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from references(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from references(inner, depth + 1)


def look_up(path: Path, scope: Mapping[str, Any]) -> Any:
    """Return what a path names.

    Raises
    ------
    InvalidInput
        there is nothing of that name; the text says what there is
    NotYet
        it will be known only when the plan runs
    """
    if path.root not in scope:
        raise InvalidInput(f"${{{path}}}: there is no {path.root!r} here.")
    value, at = scope[path.root], path.root
    for part in path.parts:
        if value is UNKNOWN:
            raise NotYet
        if value is SKIPPED:
            return None
        value, at = _below(value, part, at, path)
    if value is UNKNOWN:
        raise NotYet
    return None if value is SKIPPED else value


def _below(value: Any, part: str | int, at: str, path: Path) -> tuple[Any, str]:
    if isinstance(part, int):
        if not isinstance(value, list):
            raise InvalidInput(f"${{{path}}}: {at} is no list.")
        if part >= len(value):
            raise InvalidInput(f"${{{path}}}: {at} has {len(value)} items, counted from 0.")
        return value[part], f"{at}[{part}]"
    if not isinstance(value, Mapping) or part not in value:
        there = ", ".join(map(str, list(value)[:10])) if isinstance(value, Mapping) else "nothing"
        raise InvalidInput(f"${{{path}}}: there is no {part!r} in {at}; there is: {there:.200}.")
    return value[part], f"{at}.{part}"


def fill(value: Any, scope: Mapping[str, Any]) -> Any:
    """Put what the references in a JSON value name into their places.

    Examples
    --------
    >>> fill({"a": "${item}", "b": "no. ${item}!"}, {"item": 7})
    {'a': 7, 'b': 'no. 7!'}
    """
    if isinstance(value, str):
        return _fill_text(value, scope) if "${" in value else value
    if isinstance(value, Mapping):
        return {name: fill(inner, scope) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [fill(inner, scope) for inner in value]
    return value


def _fill_text(text: str, scope: Mapping[str, Any]) -> Any:
    whole = _REFERENCE.fullmatch(text)
    if whole and not whole[1]:
        return look_up(parse(whole[2]), scope)

    def written(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        value = look_up(parse(found[2]), scope)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return _REFERENCE.sub(written, text)
