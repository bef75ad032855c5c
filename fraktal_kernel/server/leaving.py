"""Notice pages that were left, so that their sessions and widgets end.

The bridge from Bokeh to FastAPI (bokeh_fastapi 0.1.8) forgets a connection only when writing to it
fails: a page that leaves in silence would keep its session until the server ends.
"""

from __future__ import annotations

from typing import Any


def forget_connections_that_ended() -> None:
    """Let every page connection that ends be taken off its session; needed once in a process."""
    from bokeh_fastapi.handler import WSHandler

    connect = WSHandler.ws_connect
    if getattr(connect, "forgets", False):
        return

    async def ws_connect(handler: Any, websocket: Any) -> None:
        try:
            await connect(handler, websocket)
        finally:
            if handler.connection is not None:
                handler.application.client_lost(handler.connection)

    ws_connect.forgets = True  # type: ignore[attr-defined]
    WSHandler.ws_connect = ws_connect
