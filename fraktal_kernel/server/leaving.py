"""Pages whose browser has left are let go.

Bokeh's WebSocket for FastAPI does not tell its server when a browser leaves, so every visit,
its widgets and their threads would stay in memory until the server stops.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def let_visits_go() -> None:
    """Make Bokeh's WebSocket tell when its browser has left; doing it twice is doing it once."""
    from bokeh_fastapi.handler import WSHandler

    connect = WSHandler.ws_connect
    if getattr(connect, "lets_go", False):
        return

    # The class itself is changed, as Panel changes it, because Panel knows it by identity.
    @wraps(connect)
    async def connect_and_leave(self: Any, websocket: Any) -> None:
        try:
            await connect(self, websocket)
        finally:
            if self.connection is not None:
                self.application.client_lost(self.connection)

    connect_and_leave.lets_go = True  # type: ignore[attr-defined]
    WSHandler.ws_connect = connect_and_leave
