"""An event as everybody sees it, and the patterns that choose events by topic.

Nothing here knows of the database, so that programs which only speak to a server need none.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from fraktal_kernel.errors import InvalidInput


class EventView(BaseModel):
    """Something that happened."""

    seq: int
    time: datetime
    topic: str
    subject: str
    payload: dict[str, Any]


def topic_condition(topics: str) -> tuple[str, dict[str, str]]:
    """Turn a topic, or a pattern such as ``jobs.*``, into an SQL condition and its values."""
    if not re.fullmatch(r"\*|[a-z][a-z0-9_.]{0,60}(\.\*)?", topics):
        raise InvalidInput(
            f"topic: given {topics[:80]!r}, expected a name such as 'jobs.state' "
            "or a pattern such as 'jobs.*'."
        )
    if topics == "*":
        return "TRUE", {}
    if topics.endswith(".*"):
        # A range uses no LIKE, whose wildcards and case rules differ between databases.
        return "topic > :low AND topic < :high", {"low": topics[:-1], "high": topics[:-2] + "/"}
    return "topic = :topic", {"topic": topics}
