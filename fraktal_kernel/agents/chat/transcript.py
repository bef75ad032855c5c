"""What an answer consists of, put together from what its turn said while it went on.

A turn tells its watchers one small payload after the other (topic ``jobs.said``):

=============  ====================================================================================
``request``    a language model is asked, for the n-th time: what it said in that request is void
``text``       some more text
``note``       something that a person has to know, such as which model did not answer
``call``       a capability that was called, and how that stands; the same ``id`` again replaces it
=============  ====================================================================================

The same payloads make the parts that are kept, so that a page which listens and one that is opened
later show the same, and so that nothing is lost of a turn that was stopped or killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Part = dict[str, Any]


def add(parts: list[Part], payload: Mapping[str, Any]) -> None:
    """Bring the parts of an answer up to date with one payload.

    Examples
    --------
    >>> parts = []
    >>> add(parts, {"say": "text", "request": 1, "text": "Hel"})
    >>> add(parts, {"say": "text", "request": 1, "text": "lo"})
    >>> parts
    [{'say': 'text', 'request': 1, 'text': 'Hello'}]
    >>> add(parts, {"say": "request", "request": 1, "model": "offline"})
    >>> parts
    []
    """
    match payload.get("say"):
        case "request":
            parts[:] = [part for part in parts if part["request"] < payload["request"]]
        case "text":
            last = parts[-1] if parts else None
            if last and last["say"] == "text" and last["request"] == payload["request"]:
                last["text"] += payload["text"]
            else:
                parts.append(dict(payload))
        case "call":
            for place, part in enumerate(parts):
                if part["say"] == "call" and part["id"] == payload["id"]:
                    parts[place] = dict(payload)
                    return
            parts.append(dict(payload))
        case "note":
            parts.append(dict(payload))


def replay(payloads: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Put an answer together from all that was said."""
    parts: list[Part] = []
    for payload in payloads:
        add(parts, payload)
    return parts


def text_of(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return what was said in words, paragraphs apart."""
    return "\n\n".join(part["text"] for part in parts if part["say"] == "text")
