"""What pydantic found wrong with an input, as one sentence for a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 5
#: How pydantic names one of the types that a value may have, behind the value's place.
_TYPE = re.compile(r"(?:str|int|float|bool|none|(?:list|dict|set|tuple)\[.*\])")
_SPECIAL = {"missing": "missing, and needed", "extra_forbidden": "there is no such field"}

#: Of a value that says by one of its fields of which kind it is.
_TAGGED = {
    "union_tag_not_found": "missing, and needed",
    "union_tag_invalid": "given {tag!r}, expected one of {expected_tags}",
}


def sentence_of(faults: Sequence[Mapping[str, Any]], outer: int = 0) -> str:
    """Name each value at fault, what was given, and what was expected.

    Parameters
    ----------
    faults : as ``ValidationError.errors()`` gives them
    outer : how many parts of each place not to show, such as FastAPI's ``body``
    """
    said = []
    for fault in _together(faults)[:MOST]:
        place = ".".join(str(part) for part in fault["loc"][outer:] or fault["loc"])
        place = place if len(place) <= 80 else place[:77] + "..."
        place = f"{place}: " if place else ""  # what is wrong between several values has no place
        message = fault["msg"].removeprefix("Value error, ").rstrip(".")
        if fault["type"] in _SPECIAL:
            said.append(f"{place}{_SPECIAL[fault['type']]}")
        elif fault["type"] in _TAGGED:
            tagged = {name: str(word) for name, word in fault["ctx"].items()}
            place += f"{tagged['discriminator'].strip(chr(39))}: "
            said.append(place + _TAGGED[fault["type"]].format(**tagged))
        elif fault["type"] == "value_error":
            said.append(f"{place}{message}")
        else:
            given = _shown(fault["input"])
            said.append(f"{place}given {given}; {message[:1].lower()}{message[1:]}")
    sentence = " ".join("; ".join(said).split())
    return sentence if sentence.endswith("?") else sentence + "."


def _together(faults: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Make one fault of those that one value has for each of the types that it might have had."""
    found: list[Mapping[str, Any]] = []
    before: tuple[Any, ...] | None = None  # where the fault before was, if it was one of a type
    for fault in faults:
        *place, last = fault["loc"] or ("",)
        typed = bool(place) and isinstance(last, str) and _TYPE.fullmatch(last) is not None
        if typed and before == tuple(place):
            also = fault["msg"].removeprefix("Input should be ")
            found[-1] = {**found[-1], "loc": before, "msg": f"{found[-1]['msg']} or {also}"}
        else:
            found.append(fault)
        before = tuple(place) if typed else None
    return found


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # a number of many thousand digits is not written out
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
