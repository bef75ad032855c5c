"""Where agents report to their server: registration, their lines, and what comes over these.

One :class:`AgentLine` is the server's end of one agent's WebSocket. It knows nothing of the web:
``server/agents.py`` hands it what comes in and takes from it what goes out. The lines of its
worker processes end at the hub, like those of the server's own (:class:`Part`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase

from fraktal_kernel.agents import line as said
from fraktal_kernel.agents.line import (
    BAD_MESSAGE,
    NAME_TAKEN,
    NOT_ALLOWED,
    REPLACED,
    SILENT,
    Beat,
    FromServer,
    Register,
)
from fraktal_kernel.agents.metrics import Numbers
from fraktal_kernel.agents.placing import AgentExecutor
from fraktal_kernel.agents.scribe import Scribe
from fraktal_kernel.agents.watch import Watch
from fraktal_kernel.agents.words import check_word
from fraktal_kernel.core.jobs.channel import Channel
from fraktal_kernel.core.jobs.hub import Hub
from fraktal_kernel.core.jobs.lines import Place, WorkerLine
from fraktal_kernel.core.local import Engine
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.security import Principal
from fraktal_kernel.errors import Conflict, FraktalError, InvalidInput, NotAllowed, NotFound

log = get_logger("agents")
#: Frames of one worker that wait for the hub, and then the whole line waits with them.
MOST_WAITING = 32
MOST_AGENTS = 1000
Key = tuple[int, str]


class Part:
    """The part of an agent's line that is one worker's; to the hub it is that worker's line."""

    def __init__(self, number: int, send: Callable[[bytes], None]) -> None:
        self._number = number
        self._send = send
        self._frames: deque[bytes] = deque()
        self._news = threading.Condition()
        self._closed = False

    def put(self, frame: bytes) -> bool:
        """Hand in a frame that came; False where so many wait that it has to come again."""
        with self._news:
            if len(self._frames) >= MOST_WAITING and not self._closed:
                return False
            self._frames.append(frame)
            self._news.notify_all()
        return True

    def send_bytes(self, data: bytes, /) -> None:
        """Send a frame to the worker."""
        if self._closed:
            raise OSError("this worker is gone")
        self._send(said.framed(self._number, data))

    def recv_bytes(self, most_bytes: int | None = None, /) -> bytes:
        """Wait for a frame; what came before the end is still given out."""
        with self._news:
            self._news.wait_for(lambda: self._frames or self._closed)
            if not self._frames:
                raise EOFError("this worker is gone")
            frame = self._frames.popleft()
        if most_bytes is not None and len(frame) > most_bytes:
            raise OSError(f"a frame of {len(frame):,} bytes")
        return frame

    def poll(self, timeout_s: float, /) -> bool:
        """Wait for a frame, or the end."""
        with self._news:
            return bool(self._news.wait_for(lambda: self._frames or self._closed, timeout_s))

    def close(self) -> None:
        """End it from any thread."""
        with self._news:
            self._closed = True
            self._news.notify_all()


class AgentLine:
    """The server's end of one agent's line.

    Parameters
    ----------
    who : whose token opened it
    send : sends a frame, from any thread and without waiting
    hang_up : ends the WebSocket with a code and a sentence, from any thread
    """

    def __init__(
        self,
        desk: Desk,
        who: Principal,
        send: Callable[[str | bytes], None],
        hang_up: Callable[[int, str], None],
    ) -> None:
        self._desk = desk
        self.who = who
        self._send = send
        self._hang_up = hang_up
        self._lock = threading.Lock()
        self.words: Register | None = None
        self.agent_id = self.epoch = 0
        self.capabilities: frozenset[str] = frozenset()
        self.draining = False
        self.ended = False
        #: why it goes, where it said so itself
        self.farewell = ""
        self.heard = time.monotonic()
        self.stopped: frozenset[int] = frozenset()
        #: its last heartbeat that was written
        self.fares: Beat | None = None
        self._parts: dict[int, Part] = {}
        self.workers: dict[int, WorkerLine] = {}

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.words.name if self.words else ""

    @property
    def key(self) -> Key:
        """Whose agent it is, and its name: two may not be online under one key."""
        return self.who.user_id, self.name

    def idle(self) -> list[WorkerLine]:
        """List the workers that could take a job."""
        if self.draining or self.ended:
            return []
        return [worker for worker in list(self.workers.values()) if worker.running is None]

    def busy(self) -> list[WorkerLine]:
        """List the workers that do a job."""
        return [worker for worker in list(self.workers.values()) if worker.running is not None]

    def tell(self, message: FromServer) -> None:
        """Send the agent a message."""
        self._send(message.model_dump_json())

    def register(self, text: str) -> None:
        """Take an agent's first message: it registers, or is refused."""
        words = said.from_agent(text)
        if not isinstance(words, Register):
            raise InvalidInput(f"the first message is {words.op!r}, expected 'register'.")
        if words.version != said.VERSION:
            raise InvalidInput(
                f"this agent speaks version {words.version}, expected {said.VERSION}; install the "
                "same Fraktal as on the server."
            )
        self.words = words
        self.capabilities = frozenset(words.capabilities)
        self._desk.register(self, words)

    def hear(self, frame: str | bytes) -> bool:
        """Take what the agent said; False where it has to be handed in again, a moment later.

        Raises
        ------
        InvalidInput
            what it said cannot be understood
        """
        said.check_size(len(frame))
        self.heard = time.monotonic()
        if isinstance(frame, bytes):
            number, data = said.unframed(frame)
            part = self._parts.get(number)  # one that has just been given up may still speak
            return part.put(data) if part is not None else True
        match said.from_agent(frame):
            case Beat() as beat:
                self.stopped = frozenset(beat.stopped)
                self._desk.scribe.beat(self, beat)
            case said.Open(worker=number, pid=pid):
                self._open(number, pid)
            case said.Gone(worker=number):
                self._close(number)
            case said.Leave():
                self.farewell = "it was stopped"
                self._hang_up(1000, self.farewell)
            case other:
                raise InvalidInput(f"the message {other.op!r} comes once, and first.")
        return True

    def _open(self, number: int, pid: int) -> None:
        assert self.words is not None
        with self._lock:
            if self.ended:
                return
            if number in self._parts or len(self._parts) >= self.words.slots:
                raise InvalidInput(
                    f"worker {number} is opened beside {len(self._parts)} of {self.words.slots}."
                )
            part = self._parts[number] = Part(number, self._send)
        place = Place(
            f"agent {self.name}",
            self.words.data,
            list(self.words.modules),
            check_word,
            self._check_child,
        )
        name = f"agent-{self.agent_id}-{self.epoch}-{number}"
        worker = self.workers[number] = WorkerLine(name, pid, Channel(part), place=place)
        threading.Thread(target=self._serve, args=(number, worker), daemon=True).start()

    def _check_child(self, capability: str) -> None:
        if not self.who.allows(f"jobs:{capability}"):
            raise InvalidInput(
                f"the token of agent {self.name!r} may not begin jobs of {capability!r}; make one "
                f"with the scope 'jobs:{capability}'."
            )

    def _serve(self, number: int, worker: WorkerLine) -> None:
        """Let the hub serve one worker; one that lies ends the whole line."""
        try:
            self._desk.hub.serve_worker(worker)
        except InvalidInput as error:
            self.end(BAD_MESSAGE, str(error))
        except Exception as error:
            log.warning("an agent's worker was given up", agent=self.name, error=repr(error))
            self.end(BAD_MESSAGE, f"a worker says what it cannot: {error!r:.200}.")
        finally:
            self._close(number)
            self.workers.pop(number, None)

    def _close(self, number: int) -> None:
        part = self._parts.pop(number, None)
        if part is not None:
            part.close()

    def kill(self, worker: WorkerLine) -> None:
        """Give up a worker: the agent ends its process, whatever that does."""
        for number, each in list(self.workers.items()):
            if each is worker:
                self.tell(said.Kill(worker=number))
                self._close(number)

    def end(self, code: int, sentence: str) -> None:
        """Hang up on the agent, and say why."""
        if not self.ended and not self.farewell:
            self.tell(said.Refused(error=sentence))
        self._hang_up(code, sentence)
        self._desk.leave(self, sentence)

    def give_up(self) -> None:
        """End the lines of all its workers; their jobs are taken back."""
        for number in list(self._parts):
            self._close(number)


class Desk:
    """All agents of a serving workbench."""

    def __init__(self, engine: Engine) -> None:
        assert engine.dispatcher is not None, "only a workbench with workers of its own serves"
        self._engine = engine
        self.hub: Hub = engine.dispatcher.hub
        self.settings = engine.settings
        self.numbers = Numbers(self)
        self.scribe = Scribe(engine, self.numbers)
        self.lines: dict[Key, AgentLine] = {}
        self._lock = threading.RLock()
        self._stopping = False
        self.executor = AgentExecutor(self, engine)
        engine.dispatcher.executors.append(self.executor)
        engine.dispatcher.left = self.executor.left
        engine.parts["agents"] = self
        self.watch = Watch(engine)
        self.scribe.start()

    def line(
        self,
        who: Principal,
        send: Callable[[str | bytes], None],
        hang_up: Callable[[int, str], None],
    ) -> AgentLine:
        """Begin the line of an agent that has called."""
        return AgentLine(self, who, send, hang_up)

    def online(self) -> list[AgentLine]:
        """List the lines that stand."""
        return list(self.lines.values())

    def register(self, line: AgentLine, words: Register) -> None:
        """Let an agent in under its name.

        Raises
        ------
        NotAllowed
            its token does not let it offer that
        Conflict
            somebody of that name is online
        """
        try:
            self._check_offers(line.who, words)
            with self._lock:
                before = self.lines.get(line.key)
                self._check_name(line, words, before)
                if before is not None:
                    before.end(REPLACED, "the agent has come back on another line.")
                    if before.words and before.words.instance == words.instance:
                        line.draining = before.draining
                self.scribe.register(line, words)
                self.lines[line.key] = line
        except (NotAllowed, Conflict) as error:
            self.scribe.refused(line, words, str(error))
            raise
        line.tell(said.Welcome(epoch=line.epoch))
        if line.draining:
            line.tell(said.Drain())
        log.info("agent online", agent=line.name, owner=line.who.user_id, epoch=line.epoch)

    @staticmethod
    def _check_offers(who: Principal, words: Register) -> None:
        for name in words.capabilities:
            if not any(fnmatchcase(name, pattern) for pattern in words.offers):
                raise NotAllowed(
                    f"the agent {words.name!r} names {name!r}, which none of its offers covers: "
                    f"{', '.join(words.offers)}."
                )
        for name in (*words.offers, *words.capabilities):
            if not who.allows(f"agent:{name}"):
                held = ", ".join(sorted(who.scopes)) or "none"
                raise NotAllowed(
                    f"to offer {name!r} an agent needs the scope 'agent:{name}', and its token "
                    f"has: {held}."
                )

    def _check_name(self, line: AgentLine, words: Register, before: AgentLine | None) -> None:
        if before is None:
            mine = sum(1 for owner_id, _ in self.lines if owner_id == line.who.user_id)
            if mine >= MOST_AGENTS:
                raise Conflict(f"{mine} agents are online already; stop some of them first.")
            return
        assert before.words is not None
        same_process = before.words.instance == words.instance
        if not same_process or before.who.token_id != line.who.token_id:
            raise Conflict(
                f"an agent named {words.name!r} is online already, on "
                f"{before.words.machine.host}; stop it, or choose another name with --name."
            )

    def leave(self, line: AgentLine, why: str) -> None:
        """Take note that a line has ended; the jobs of its workers are taken back."""
        if line.ended:
            return
        line.ended = True
        with self._lock:
            known = self.lines.get(line.key) is line
            if known:
                del self.lines[line.key]
        if not self._stopping:  # else the hub ends them, and puts their jobs back without blame
            line.give_up()
        if known:
            missed = not (line.farewell or line.draining)
            self.scribe.left(line, line.farewell or why, missed)
            log.info("agent offline", agent=line.name, owner=line.who.user_id, reason=why)

    def drain(self, owner_id: int, name: str, now: bool = False) -> None:
        """Give an agent no more jobs; it ends when it has finished those that it has.

        Parameters
        ----------
        now : take those back as well

        One that went without a word is not missed any more, and no alert speaks of it.
        """
        line = self.lines.get((owner_id, name))
        if line is None:
            if not self.scribe.known(owner_id, name):
                raise NotFound(f"there is no agent {name!r}.")
            if self.scribe.give_up_on(owner_id, name):
                return
            raise Conflict(f"agent {name!r} is offline; there is nothing to drain.")
        line.draining = True
        self.scribe.state(line, "draining", "somebody drains it")
        line.tell(said.Drain())
        if now:
            line.give_up()
        self._engine.wake()

    def resume(self, owner_id: int, name: str) -> None:
        """Take a drain back, as long as the agent has not ended: it is given jobs again."""
        with self._lock:
            line = self.lines.get((owner_id, name))
            if line is None and not self.scribe.known(owner_id, name):
                raise NotFound(f"there is no agent {name!r}.")
            if line is None or line.farewell or line.ended:
                raise Conflict(
                    f"agent {name!r} is offline; start it again with: fraktal agent start --name "
                    f"{name}."
                )
            if not line.draining:
                raise Conflict(f"agent {name!r} is not drained; it takes jobs.")
            line.draining = False
        self.scribe.state(line, "online", "somebody takes the drain back")
        line.tell(said.Resume())
        self._engine.wake()

    def look_after(self) -> None:
        """Hang up on agents that are silent; let go of those that are drained."""
        now = time.monotonic()
        for line in self.online():
            if now - line.heard > self.settings.lease_s:
                line.end(SILENT, f"nothing was heard for {self.settings.lease_s:g} s.")
            elif self._may_end(line):
                line.tell(said.Leave())
                line.end(1000, line.farewell)

    def _may_end(self, line: AgentLine) -> bool:
        """Decide that a drained agent ends; from then on nobody takes that back."""
        with self._lock:
            if not line.draining or line.busy():
                return False
            line.farewell = "it was drained"
            return True

    def stop(self) -> None:
        """Let the agents' jobs be put back without blame: the server is about to stop."""
        self._stopping = True

    def close(self) -> None:
        """Write what is unwritten and forget the agents; they come back to the next server."""
        self.stop()
        for line in self.online():
            self.leave(line, "the server stops")
        self.watch.close()
        self.scribe.close()
        self.numbers.close()


def refusal(error: FraktalError) -> int:
    """Say with which code a line ends that was refused for a reason."""
    if isinstance(error, NotAllowed):
        return NOT_ALLOWED
    return NAME_TAKEN if isinstance(error, Conflict) else BAD_MESSAGE


__all__ = ["AgentLine", "Desk", "refusal"]
