"""Messages to a page arrive whole, one after the other.

Bokeh's WebSocket for FastAPI sends a message in parts and lets another one in between: a large
picture on its way, and the page closes the connection because it cannot tell them apart.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import Any


def send_messages_whole() -> None:
    """Make Bokeh's WebSocket finish a message before the next; doing it twice is doing it once."""
    from bokeh_fastapi.handler import WSHandler

    send = WSHandler.send_message
    if getattr(send, "whole", False):
        return

    @wraps(send)
    async def send_whole(self: Any, message: Any) -> int:
        lock = self.__dict__.setdefault("_whole_messages", asyncio.Lock())
        async with lock:
            return int(await send(self, message))

    send_whole.whole = True  # type: ignore[attr-defined]
    WSHandler.send_message = send_whole
