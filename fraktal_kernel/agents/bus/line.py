"""What a consumer elsewhere says to the server that brings it messages, one at a time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LineAnswer(BaseModel):
    """What became of a message that came over the line.

    The server's first frame is ``{"subscribed": true}``; each one behind it is a message, and
    waits for its answer before the next comes.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(max_length=200)
    attempt: int
    #: why it could not be handled, None where it was
    error: str | None = Field(None, max_length=4000)
    #: whether another try can help
    again: bool = True
