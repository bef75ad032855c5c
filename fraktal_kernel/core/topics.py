"""An event as everybody sees it, and the patterns that choose events by topic.

Nothing here knows of the database, so that programs which only speak to a server need none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from fraktal_kernel.errors import InvalidInput

#: So many topics one reader may name at once.
MOST_TOPICS = 20


class EventView(BaseModel):
    """Something that happened."""

    seq: int
    time: datetime
    topic: str
    subject: str
    payload: dict[str, Any]


def topic_condition(topics: str | Sequence[str]) -> tuple[str, dict[str, str]]:
    """Turn topics, or patterns such as ``jobs.*``, into an SQL condition and its values."""
    if isinstance(topics, str):
        return _condition(topics)
    if not 1 <= len(topics) <= MOST_TOPICS:
        raise InvalidInput(f"topic: given {len(topics)} topics, expected 1 to {MOST_TOPICS}.")
    conditions: list[str] = []
    values: dict[str, str] = {}
    for number, one in enumerate(topics):
        condition, words = _condition(one, str(number))
        conditions.append(condition)
        values |= words
    return f"({' OR '.join(conditions)})", values


def _condition(topics: str, mark: str = "") -> tuple[str, dict[str, str]]:
    if not re.fullmatch(r"\*|[a-z][a-z0-9_.]{0,60}(\.\*)?", topics):
        raise InvalidInput(
            f"topic: given {topics[:80]!r}, expected a name such as 'jobs.state' "
            "or a pattern such as 'jobs.*'."
        )
    if topics == "*":
        return "TRUE", {}
    if topics.endswith(".*"):
        # A range uses no LIKE, whose wildcards and case rules differ between databases.
        values = {f"low{mark}": topics[:-1], f"high{mark}": topics[:-2] + "/"}
        return f"topic > :low{mark} AND topic < :high{mark}", values
    return f"topic = :topic{mark}", {f"topic{mark}": topics}
