"""Agents over HTTP, and the WebSocket that an agent keeps open to its server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, WebSocket
from pydantic import BaseModel, ConfigDict
from starlette.requests import HTTPConnection

from fraktal_kernel.agents.desk import AgentLine, Desk, refusal
from fraktal_kernel.agents.line import BAD_MESSAGE, check_size
from fraktal_kernel.agents.registry import MOST_POINTS, AgentView, TaskView, agents_of
from fraktal_kernel.agents.samples import Sample
from fraktal_kernel.core.jobs.model import AGENT_NAME
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.security import Principal
from fraktal_kernel.errors import FraktalError, InvalidInput
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
)
from fraktal_kernel.server.limits import Bucket

log = get_logger("agents")
router = APIRouter(prefix="/api", tags=["agents"], route_class=StrictRoute)
#: Frames a second that one agent may send in the long run, and at once: whoever floods waits.
FRAMES_PER_S, FRAMES_AT_ONCE = 1000, 2000
#: How long one that has called may take to say who it is.
REGISTER_S = 10.0
#: What may wait on its way to an agent before it is given up as one that does not listen.
MOST_UNSENT_BYTES = 64 * 1024**2
FULL_S = 0.005
REASON_BYTES = 120

AgentName = Annotated[
    str, Path(pattern=f"^{AGENT_NAME}$", description="The agent's name, such as gpu-box.")
]
Capability = Annotated[str | None, Query(max_length=100, description="Only of this capability.")]
TaskState = Annotated[
    str | None,
    Query(
        pattern="^(running|succeeded|failed|cancelled|suspended|lost)$",
        description="Only tasks in this state.",
    ),
]
Since = Annotated[
    float | None,
    Query(ge=0, allow_inf_nan=False, description="Only what is newer, in seconds since 1970."),
]
Until = Annotated[
    float | None,
    Query(ge=0, allow_inf_nan=False, description="Only what is older, in seconds since 1970."),
]
Before = Annotated[
    int | None, Query(ge=1, le=INT64.stop - 1, description="Only what is older than this number.")
]


class AgentList(BaseModel):
    """One's agents, by name."""

    agents: list[AgentView]


class SampleList(BaseModel):
    """How an agent fared, oldest first."""

    samples: list[Sample]


class TaskList(BaseModel):
    """What agents did, newest first."""

    tasks: list[TaskView]


class DrainRequest(BaseModel):
    """How an agent is to end."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"now": False}]})

    now: bool = False


def own_agents(who: Caller, workbench: ServedWorkbench) -> Any:
    """Return the caller's agents; nobody sees those of others."""
    return agents_of(workbench.as_user(who.user_id))


OwnAgents = Annotated[Any, Depends(own_agents)]
READ = [Depends(allowed("read"))]


@router.get("/agents", summary="List one's agents", responses=errors(), dependencies=READ)
def list_agents(agents: OwnAgents) -> AgentList:
    """List the agents by name, those too that are offline."""
    return AgentList(agents=agents.list())


@router.get(
    "/agent-tasks", summary="List what agents did", responses=errors(422), dependencies=READ
)
def all_tasks(
    agents: OwnAgents,
    state: TaskState = None,
    capability: Capability = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    before: Before = None,
) -> TaskList:
    """List the tasks of all agents, newest first."""
    wanted = {"state": state, "capability": capability, "since": since, "until": until}
    return TaskList(tasks=agents.tasks(**wanted, limit=limit, before=before))


@router.get(
    "/agents/{name}", summary="Look at an agent", responses=errors(404, 422), dependencies=READ
)
def get_agent(name: AgentName, agents: OwnAgents) -> AgentView:
    """Tell how an agent stands, what it offers and what it does now."""
    view: AgentView = agents.get(name)
    return view


@router.get(
    "/agents/{name}/samples",
    summary="Read how an agent fared",
    responses=errors(404, 422),
    dependencies=READ,
)
def agent_samples(
    name: AgentName,
    agents: OwnAgents,
    since: Since = None,
    points: Annotated[int, Query(ge=1, le=MOST_POINTS, description="At most so many.")] = 600,
) -> SampleList:
    """Return load and work over time: a sample a second for 15 minutes, then one a minute."""
    return SampleList(samples=agents.history(name, since, points))


@router.get(
    "/agents/{name}/tasks",
    summary="List what an agent did",
    responses=errors(404, 422),
    dependencies=READ,
)
def agent_tasks(
    name: AgentName,
    agents: OwnAgents,
    state: TaskState = None,
    capability: Capability = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    before: Before = None,
) -> TaskList:
    """List an agent's tasks, newest first; the last number as ``before`` gives the next page."""
    wanted = {"state": state, "capability": capability, "since": since, "until": until}
    return TaskList(tasks=agents.tasks(name, **wanted, limit=limit, before=before))


@router.post(
    "/agents/{name}/drain",
    status_code=202,
    summary="Drain an agent",
    responses=errors(404, 409, 413, 422),
)
def drain(
    name: AgentName, who: Caller, agents: OwnAgents, given: DrainRequest | None = None
) -> AgentView:
    """Give an agent no more jobs; its process ends when it has finished those that it has."""
    _may_change(who, agents.get(name))
    agents.drain(name, given is not None and given.now)
    view: AgentView = agents.get(name)
    return view


@router.post(
    "/agents/{name}/resume",
    summary="Take a drain back",
    responses=errors(404, 409, 413, 422),
)
def resume(name: AgentName, who: Caller, agents: OwnAgents) -> AgentView:
    """Give an agent jobs again that is drained and has not ended."""
    _may_change(who, agents.get(name))
    agents.resume(name)
    view: AgentView = agents.get(name)
    return view


def _may_change(who: Principal, view: AgentView) -> None:
    """Let people do with their own agents what they like, and programs what their tokens say."""
    if who.token_id is not None:
        for pattern in view.offers:
            require(who, f"agent:{pattern}")


# -- the line ------------------------------------------------------------------------------------


def desk_of(connection: HTTPConnection) -> Desk:
    """Return where agents report to this server."""
    desk: Desk = connection.app.state.desk
    return desk


class Outgoing:
    """What goes out to one agent; anybody may add to it, one task sends it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[str | bytes | tuple[int, str]] = asyncio.Queue()
        self._unsent = 0

    def send(self, frame: str | bytes) -> None:
        """Add a frame, from any thread and without waiting."""
        self._add(frame, len(frame))

    def hang_up(self, code: int, sentence: str) -> None:
        """End the line behind what was sent, from any thread."""
        self._add((code, sentence), 0)

    def _add(self, what: str | bytes | tuple[int, str], size: int) -> None:
        try:
            self._loop.call_soon_threadsafe(self._put, what, size)
        except RuntimeError:
            raise OSError("the server stops") from None

    def _put(self, what: str | bytes | tuple[int, str], size: int) -> None:
        self._unsent += size
        if self._unsent > MOST_UNSENT_BYTES:
            self._frames = asyncio.Queue()  # nobody listens: what waits is worth nothing
            what = (BAD_MESSAGE, "the agent does not listen.")
        self._frames.put_nowait(what)

    async def run(self) -> None:
        """Send what was added until somebody hangs up."""
        while True:
            frame = await self._frames.get()
            if isinstance(frame, tuple):
                code, sentence = frame
                reason = sentence.encode()[:REASON_BYTES].decode(errors="ignore")
                await self._socket.close(code, reason)
                return
            self._unsent -= len(frame)
            if isinstance(frame, str):
                await self._socket.send_text(frame)
            else:
                await self._socket.send_bytes(frame)


@router.websocket("/agents/line")
async def keep_line(socket: WebSocket) -> None:
    """Register an agent and carry the lines of its workers; see ``agents/line.py``."""
    who = caller(visitor(socket))
    await socket.accept()
    outgoing = Outgoing(socket)
    line = desk_of(socket).line(who, outgoing.send, outgoing.hang_up)
    sending = asyncio.create_task(outgoing.run())
    listening = asyncio.create_task(_listen(socket, line, outgoing.hang_up))
    try:
        await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
        if listening.done():  # a farewell may still be on its way
            await asyncio.wait({sending}, timeout=1)
    finally:
        for task in (sending, listening):
            task.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)
        await asyncio.to_thread(desk_of(socket).leave, line, "its line was lost")


async def _listen(socket: WebSocket, line: AgentLine, hang_up: Callable[[int, str], None]) -> None:
    """Hand in what the agent says; slowly, where it says too much."""
    bucket = Bucket(FRAMES_PER_S, FRAMES_AT_ONCE)
    try:
        try:
            first = await asyncio.wait_for(_frame(socket), REGISTER_S)
        except TimeoutError:
            raise InvalidInput(f"nothing was said for {REGISTER_S:g} s.") from None
        if first is None:
            return
        check_size(len(first))
        if isinstance(first, bytes):
            raise InvalidInput(
                f"the first message is {len(first):,} bytes that are no text, expected 'register' "
                "as JSON text; agents are started with: fraktal agent start."
            )
        await asyncio.to_thread(line.register, first)
        while (frame := await _frame(socket)) is not None:
            wait_s = bucket.take()
            if wait_s:
                await asyncio.sleep(wait_s)
            while not line.hear(frame):
                await asyncio.sleep(FULL_S)
    except FraktalError as error:
        log.warning("an agent was refused", agent=line.name, reason=str(error))
        await asyncio.to_thread(line.end, refusal(error), str(error))


async def _frame(socket: WebSocket) -> str | bytes | None:
    """Receive one frame; None at the end."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    text, data = message.get("text"), message.get("bytes")
    return str(text) if text is not None else bytes(data or b"")
