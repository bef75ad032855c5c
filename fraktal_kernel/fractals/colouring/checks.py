"""What a look is made of, checked once and refused with a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes.gradient import light_of_text
from fraktal_kernel.registry import unknown_name


def put(value: object, name: str, item: object) -> None:
    """Set an attribute of a frozen value while it is made."""
    object.__setattr__(value, name, item)


def number(name: str, value: object, low: float, high: float) -> float:
    """Take a finite number in a range; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidInput(f"{name} is {value!r:.60}; expected a number from {low:g} to {high:g}.")
    return float(value)


def choice(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse what is none of a few names."""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {value!r:.60}; expected one of {', '.join(known)}.")
    if value not in known:
        raise unknown_name(name, value, list(known))


def colour(name: str, value: object) -> None:
    """Refuse what is no colour."""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is {value!r:.60}; expected a colour such as #102030.")
    light_of_text(value)


def listed(name: str, value: object, most: int) -> list[Any]:
    """Take a list that is not too long."""
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or len(value) > most:
        raise InvalidInput(f"{name} are {value!r:.60}; expected a list of {most} at most.")
    return list(value)


def items(name: str, value: object, kind: type, least: int, most: int) -> tuple[Any, ...]:
    """Take some things of one kind."""
    given = tuple(listed(name, value, most))
    if len(given) < least:
        raise InvalidInput(f"{name} are empty; expected {least} at least.")
    for item in given:
        if not isinstance(item, kind):
            raise InvalidInput(f"one of the {name} is {item!r:.60}; expected a {kind.__name__}.")
    return given


def known_keys(kind: str, data: object, cls: type[Any]) -> dict[str, Any]:
    """Refuse what is no mapping or has keys that nobody knows."""
    names = [field.name for field in fields(cls)]
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{kind} is {data!r:.60}; expected an object with {', '.join(names)}.")
    for key in data:
        if key not in names:
            near = get_close_matches(str(key)[:60], names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(names)}."
            raise InvalidInput(f"{kind} has no {str(key)[:60]!r}; {hint}")
    return dict(data)
