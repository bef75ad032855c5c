"""What pydantic found wrong with an input, as one sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 5
_SPECIAL = {"missing": "missing, and needed", "extra_forbidden": "there is no such field"}


def sentence_of(faults: Sequence[Mapping[str, Any]], outer: int = 0) -> str:
    """Name each value at fault, what was given, and what was expected.

    Parameters
    ----------
    faults : as ``ValidationError.errors()`` gives them
    outer : how many parts of each place not to show, such as FastAPI's ``body``
    """
    said = []
    for fault in faults[:MOST]:
        place = ".".join(str(part) for part in fault["loc"][outer:] or fault["loc"])
        place = place if len(place) <= 80 else place[:77] + "..."
        place = f"{place}: " if place else ""  # what is wrong between several values has no place
        message = fault["msg"].removeprefix("Value error, ").rstrip(".")
        if fault["type"] in _SPECIAL:
            said.append(f"{place}{_SPECIAL[fault['type']]}")
        elif fault["type"] == "value_error":
            said.append(f"{place}{message}")
        else:
            given = _shown(fault["input"])
            said.append(f"{place}given {given}; {message[:1].lower()}{message[1:]}")
    sentence = " ".join("; ".join(said).split())
    return sentence if sentence.endswith("?") else sentence + "."


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # a number of many thousand digits is not written out
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
