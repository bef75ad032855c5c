"""What happens, over HTTP and WebSocket; a client that comes back loses nothing.

Both read the table of events by sequence number. The WebSocket holds no queue for a client:
it reads the next page when the one before has gone out, so a slow client costs no memory.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from fraktal_kernel.core.events import EventView, topic_condition
from fraktal_kernel.core.security import Principal
from fraktal_kernel.core.values import LISTED_MAX
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_kernel.server.body import INT64
from fraktal_kernel.server.callers import (
    Caller,
    ServedWorkbench,
    allowed,
    caller,
    errors,
    visitor,
    workbench_of,
)

router = APIRouter(prefix="/api/events", tags=["events"])
REFUSED, GOING_AWAY = 1008, 1001
JOBS = ["jobs.*"]

Topics = Annotated[
    list[str],
    Query(description="A topic, or a pattern such as jobs.*; may be given several times."),
]
Subject = Annotated[
    str | None, Query(max_length=80, description="Only about this, such as a job's number.")
]
After = Annotated[
    int,
    Query(ge=0, le=INT64.stop - 1, description="Only what has a greater sequence number."),
]


class EventPage(BaseModel):
    """Events, oldest first."""

    events: list[EventView]
    last: int


@router.get(
    "",
    summary="Read a page of events",
    responses=errors(422),
    dependencies=[Depends(allowed("read"))],
)
def read(
    who: Caller,
    workbench: ServedWorkbench,
    topic: Topics = JOBS,
    after: After = 0,
    subject: Subject = None,
    limit: Annotated[
        int,
        Query(ge=0, le=LISTED_MAX, description="At most so many; 0: only the last one."),
    ] = 100,
) -> EventPage:
    """Read events, oldest first; ``last`` as ``after`` gives the next page."""
    log = workbench.engine.events
    if limit == 0:
        return EventPage(events=[], last=log.last())
    found = log.page(after, topic, who.user_id, subject, limit)
    return EventPage(events=found, last=found[-1].seq if found else after)


@router.websocket("")
async def follow(
    socket: WebSocket,
    topic: Topics = JOBS,
    after: str | None = None,
    subject: str | None = None,
) -> None:
    """Send every event behind ``after`` (by default: from now on), one JSON text each."""
    who = caller(visitor(socket))
    await socket.accept()
    try:
        if not who.allows("read"):
            raise InvalidInput("this needs the scope 'read'.")
        topic_condition(topic)
        begin = _sequence(after)
    except InvalidInput as error:
        await socket.close(REFUSED, str(error)[:120])
        return
    sending = asyncio.create_task(_send(socket, who, topic, begin, subject))
    listening = asyncio.create_task(_listen(socket))
    try:
        await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, listening):
            task.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)


def _sequence(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isdecimal() and after.isascii() and len(after) < 20):
        raise InvalidInput(f"after: given {after[:40]!r}, expected a sequence number.")
    return min(int(after), INT64.stop - 1)


async def _send(
    socket: WebSocket, who: Principal, topic: list[str], after: int | None, subject: str | None
) -> None:
    try:
        pages = workbench_of(socket).engine.events.pages(after, topic, who.user_id, subject)
        async for page in pages:
            for event in page:
                await socket.send_text(event.model_dump_json())
        await socket.close(GOING_AWAY, "the server stops")
    except FraktalError as error:
        await socket.close(1011, str(error)[:120])
    except (WebSocketDisconnect, RuntimeError):
        return  # the client left while something was on its way


async def _listen(socket: WebSocket) -> None:
    """Read what the client says, which means nothing here, until it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
