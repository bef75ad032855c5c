"""The bus over HTTP, and the WebSocket over which a program elsewhere handles messages.

Whoever opens the line of a group is a consumer of it: each message waits for its answer, and one
without is given to the next.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fraktal_kernel.agents.bus.house import house_of
from fraktal_kernel.agents.bus.line import LineAnswer
from fraktal_kernel.agents.bus.message import GROUP, Message
from fraktal_kernel.agents.bus.protocol import GiveBack
from fraktal_kernel.agents.bus.user import (
    BusState,
    LetterView,
    LocalBus,
    MessageView,
    TopicView,
    seen,
)
from fraktal_kernel.agents.desk import Desk
from fraktal_kernel.errors import FraktalError, InvalidInput, Unavailable
from fraktal_kernel.server.body import INT64, StrictRoute
from fraktal_kernel.server.callers import (
    Caller,
    Limit,
    ServedWorkbench,
    allowed,
    caller,
    errors,
    require,
    visitor,
    workbench_of,
)
from fraktal_kernel.server.events import REFUSED

router = APIRouter(prefix="/api/bus", tags=["bus"], route_class=StrictRoute)
#: An answer is a number and a sentence.
ANSWER_BYTES = 16 * 1024
REASON_BYTES = 120
READ = [Depends(allowed("read"))]

Group = Annotated[
    str | None, Query(max_length=100, description="Only of this group.", pattern=GROUP.pattern)
]
Pattern = Annotated[
    str, Query(max_length=62, description="A topic, or a pattern such as orders.*.")
]


class PublishRequest(BaseModel):
    """A message to be published."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"topic": "orders.new", "body": {"item": "tea"}}]},
    )

    topic: str = Field(max_length=100, description="Such as orders.new.")
    body: Any = Field(description="Any JSON value.")
    id: str | None = Field(
        None, max_length=200, description="A second message of the same id is dropped."
    )
    headers: dict[str, str] | None = Field(None, description="Texts by name.")


class Published(BaseModel):
    """The message that is safe now."""

    id: str


class RestoreRequest(BaseModel):
    """Which letters are meant; all of one's own by default."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"group": "till"}]})

    group: str | None = Field(None, max_length=100, description="Only of this group.")
    ids: list[str] | None = Field(None, max_length=1000, description="Only these messages.")


class LettersRequest(RestoreRequest):
    """Which dead letters are meant; all of one's own by default."""

    topic: str | None = Field(
        None, max_length=62, description="Only of this topic, or of a pattern such as orders.*."
    )


class Count(BaseModel):
    """How many it were."""

    count: int


class TopicList(BaseModel):
    """Topics of the newest messages."""

    topics: list[TopicView]


class MessagePage(BaseModel):
    """Messages, oldest first, and the number to go on behind."""

    messages: list[MessageView]
    last: int


class LetterList(BaseModel):
    """What could not be handled, the oldest first."""

    letters: list[LetterView]


def own_bus(who: Caller, workbench: ServedWorkbench) -> LocalBus:
    """Return the bus as the caller sees it."""
    view = workbench.as_user(who.user_id)
    return LocalBus(house_of(view.engine), view.user)


OwnBus = Annotated[Any, Depends(own_bus)]


@router.get("", summary="Look at the bus", responses=errors(), dependencies=READ)
def state(bus: OwnBus) -> BusState:
    """Tell what carries messages, whether it does now, and how far one's groups are."""
    found: BusState = bus.state()
    return found


@router.get("/topics", summary="List topics", responses=errors(), dependencies=READ)
def topics(bus: OwnBus) -> TopicList:
    """List the topics of the newest messages."""
    return TopicList(topics=bus.topics())


@router.get("/messages", summary="Read messages", responses=errors(422))
def read(
    who: Caller,
    bus: OwnBus,
    topic: Pattern = "*",
    after: Annotated[
        int | None,
        Query(ge=0, le=INT64.stop - 1, description="Only behind this number; none: just learn it."),
    ] = None,
    limit: Limit = 100,
) -> MessagePage:
    """Read messages without being a group; ``last`` as ``after`` gives the next page."""
    require(who, f"bus:{topic}")
    messages, last = bus.page(topic, after, limit)
    return MessagePage(messages=messages, last=last)


@router.post("/messages", status_code=201, summary="Publish a message", responses=errors(413, 422))
def publish(given: PublishRequest, who: Caller, bus: OwnBus, request: Request) -> Published:
    """Publish one message; it is safe once this answers."""
    request.state.subject = given.topic
    require(who, f"bus:{given.topic}")
    return Published(
        id=bus.publish(given.topic, given.body, message_id=given.id, headers=given.headers)
    )


@router.get("/dead", summary="List dead letters", responses=errors(422), dependencies=READ)
def dead(
    bus: OwnBus,
    group: Group = None,
    topic: Pattern = "*",
    limit: Limit = 100,
) -> LetterList:
    """List messages that one's groups could not handle, and why."""
    return LetterList(letters=bus.dead_letters(group, limit, topic))


@router.post(
    "/redrive",
    summary="Deliver dead letters again",
    responses=errors(413, 422),
    dependencies=[Depends(allowed("bus"))],
)
def redrive(given: LettersRequest, bus: OwnBus, request: Request) -> Count:
    """Deliver dead letters again, with all their tries."""
    request.state.subject = given.group or "all"
    return Count(count=bus.redrive(given.group, given.ids, given.topic))


@router.post(
    "/discard",
    summary="Put dead letters away",
    responses=errors(413, 422),
    dependencies=[Depends(allowed("bus"))],
)
def discard(given: LettersRequest, bus: OwnBus, request: Request) -> Count:
    """Put dead letters away; as long as their messages are kept, they can be restored."""
    request.state.subject = given.group or "all"
    return Count(count=bus.discard(given.group, given.ids, given.topic))


@router.post(
    "/restore",
    summary="Take a discard back",
    responses=errors(413, 422),
    dependencies=[Depends(allowed("bus"))],
)
def restore(given: RestoreRequest, bus: OwnBus, request: Request) -> Count:
    """Make dead letters again of what was put away."""
    request.state.subject = given.group or "all"
    return Count(count=bus.restore(given.group, given.ids))


@router.delete(
    "/groups/{group}",
    summary="Forget a group",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("bus"))],
)
def forget(
    group: Annotated[str, Path(pattern=f"^{GROUP.pattern}$", description="Its name.")], bus: OwnBus
) -> Count:
    """Drop a group that nobody reads any more, with its dead letters."""
    bus.forget(group)
    return Count(count=1)


# -- the line ------------------------------------------------------------------------------------


class Line:
    """The server's end of one subscriber's WebSocket."""

    def __init__(self, socket: WebSocket, lease_s: float) -> None:
        self._socket = socket
        self._lease_s = lease_s
        self._loop = asyncio.get_running_loop()
        self._asked: tuple[str, int] | None = None
        self._answer: Future[LineAnswer] = Future()
        self._left = False
        self._welcomed = threading.Event()

    async def welcome(self) -> None:
        """Tell the subscriber that it is one; messages come after that."""
        await self._socket.send_text('{"subscribed":true}')
        self._welcomed.set()

    def handle(self, message: Message) -> None:
        """Send a message and wait for what became of it; called by the consumer's thread."""
        self._welcomed.wait()
        answer: Future[LineAnswer] = Future()
        self._answer, self._asked = answer, (message.id, message.attempt)
        if self._left:
            raise GiveBack
        sending = self._socket.send_text(seen(message).model_dump_json())
        try:
            asyncio.run_coroutine_threadsafe(sending, self._loop).result(self._lease_s)
        except Exception:  # it has gone, or the server stops
            sending.close()
            raise GiveBack from None
        try:
            said = answer.result(self._lease_s)
        except CancelledError:
            raise GiveBack from None
        except TimeoutError:
            raise Unavailable(f"its consumer said nothing for {self._lease_s:g} s.") from None
        if said.error is not None:
            raise (FraktalError if said.again else InvalidInput)(said.error)

    async def listen(self) -> None:
        """Take answers until the subscriber leaves."""
        while (frame := await self._socket.receive())["type"] != "websocket.disconnect":
            text = frame.get("text")
            if text is None or len(text) > ANSWER_BYTES:
                raise InvalidInput(f"an answer is a JSON text of at most {ANSWER_BYTES:,} bytes.")
            try:
                said = LineAnswer.model_validate_json(text)
            except ValidationError:
                raise InvalidInput('an answer has the form {"id": ..., "attempt": 1}.') from None
            if (said.id, said.attempt) == self._asked and not self._answer.done():
                self._answer.set_result(said)

    def leave(self) -> None:
        """Wait for no answer any more."""
        self._left = True
        self._welcomed.set()
        self._answer.cancel()


@router.websocket("/line")
async def keep_line(socket: WebSocket, topic: str = "*", group: str = "") -> None:
    """Let a program elsewhere be a consumer of a group."""
    who = caller(visitor(socket))
    await socket.accept()
    workbench = workbench_of(socket)
    line = Line(socket, workbench.settings.lease_s)
    desk: Desk = socket.app.state.desk
    asked = f"{group[:100]} {topic[:62]}"
    try:
        require(who, f"bus:{topic}")
        subscription = await asyncio.to_thread(
            own_bus(who, workbench).subscribe, topic, group, line.handle
        )
    except FraktalError as error:
        desk.scribe.audit(who, "bus.subscribe", asked, str(error)[:500])
        await _refuse(socket, error)
        return
    desk.scribe.audit(who, "bus.subscribe", asked, "ok")
    try:
        await line.welcome()
        await line.listen()
    except FraktalError as error:
        await _refuse(socket, error)
    finally:
        line.leave()
        await asyncio.to_thread(subscription.close)


async def _refuse(socket: WebSocket, error: FraktalError) -> None:
    reason = str(error).encode()[:REASON_BYTES].decode(errors="ignore")
    await socket.close(REFUSED, reason)
