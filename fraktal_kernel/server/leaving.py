"""Pages whose browser has left are let go.

Bokeh's WebSocket for FastAPI does not tell its server when a browser leaves, so every visit,
its widgets and their threads would stay in memory until the server stops. A browser that was here
and is gone may come back within seconds; one that still loads the page's programs over a slow line
has longer than that, and without its session it would be left with an empty page.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.server.session import ServerSession

#: For so long a page waits for a browser that was connected to it.
BACK_S = 15.0


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
                _leave(self.application, self.connection)

    connect_and_leave.lets_go = True  # type: ignore[attr-defined]
    WSHandler.ws_connect = connect_and_leave


def _leave(application: Any, connection: Any) -> None:
    try:
        session = connection.session
    except AssertionError:  # the line broke, and its handler has told by itself
        return
    application.client_lost(connection)
    asyncio.get_running_loop().call_later(BACK_S, _forget, session)


def _forget(session: ServerSession) -> None:
    """Let a page go at the next look, unless somebody is there, or was just now."""
    away_ms = session.milliseconds_since_last_unsubscribe
    if not session.destroyed and session.connection_count == 0 and away_ms >= BACK_S * 990:
        session.request_expiration()
