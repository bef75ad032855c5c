"""The agent itself: a process that keeps one line to its server and does jobs with its own workers.

It calls the server and nobody calls it, so it may stand behind a firewall. When the line breaks,
its workers end (the server has taken their jobs back by then) and it calls again, more and more
slowly; it ends when it is drained, stopped or refused.
"""

from __future__ import annotations

import itertools
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from fraktal_kernel.agents import line as said
from fraktal_kernel.agents.crew import Crew
from fraktal_kernel.agents.line import BEAT_S, VERSION, Register
from fraktal_kernel.agents.machine import Cards, describe, measure
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.jobs.scratch import sweep_scratch
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.core.workspace import ServerAddress
from fraktal_kernel.errors import Conflict, InvalidInput, NotAllowed

if TYPE_CHECKING:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import ClientConnection

log = get_logger("agents")
PATH = "/api/agents/line"
CONNECT_S = 10.0
LISTEN_S = 0.2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
#: How long one calls again whose name is taken: its predecessor may have died a moment ago.
NAME_S = 3.0
#: A server that has just started anew may not know its own address file yet.
REFUSALS = 5
_FINAL = {
    said.BAD_MESSAGE: InvalidInput,
    said.NOT_ALLOWED: NotAllowed,
    said.NAME_TAKEN: Conflict,
    1008: NotAllowed,
}


def offered(patterns: list[str]) -> list[str]:
    """Name the capabilities here that patterns match.

    Raises
    ------
    InvalidInput
        a pattern that is none, or none that matches anything
    """
    known = sorted(capabilities)
    found = [name for name in known if any(fnmatchcase(name, each) for each in patterns)]
    if not found:
        raise InvalidInput(
            f"offers: given {', '.join(patterns)!r}, which matches no capability here; there are: "
            f"{', '.join(known)}."
        )
    return found


def pauses() -> Iterator[float]:
    """Give seconds to wait between two calls: longer each time, and no two agents in step."""
    for number in itertools.count():
        longest = min(FIRST_PAUSE_S * 2**number, LONGEST_PAUSE_S)
        yield longest * random.uniform(0.5, 1)
        if longest == LONGEST_PAUSE_S:
            break
    while True:
        yield LONGEST_PAUSE_S * random.uniform(0.5, 1)


class Agent:
    """One agent of this machine.

    Parameters
    ----------
    settings : where its workspace is, and which modules have capabilities
    find : tells where the server is now; None while there is none
    patient : whether the server is this workspace's own, which is found again under a new address
    say : told what a person may want to know
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        offers: list[str],
        slots: int,
        find: Callable[[], ServerAddress | None],
        *,
        patient: bool,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        capabilities.use_modules(settings.capability_modules)
        self._settings = settings
        self._find, self._patient, self._say = find, patient, say
        self._cards = Cards()
        self._stop = threading.Event()
        self._drained = False
        try:
            self._words = Register(
                version=VERSION,
                name=name,
                instance=secrets.token_hex(16),
                offers=offers,
                capabilities=offered(offers),
                slots=slots,
                machine=describe(self._cards),
                data=str(settings.data),
                modules=list(settings.capability_modules),
            )
        except ValueError as error:
            from pydantic import ValidationError

            from fraktal_kernel.core.faults import sentence_of

            if not isinstance(error, ValidationError):
                raise
            raise InvalidInput(sentence_of(error.errors(include_url=False))) from None
        self._pause: Iterator[float] = pauses()
        self._refusals = 0
        self._refused = ""
        self._name_taken_since: float | None = None
        self._missed = False

    def stop(self) -> None:
        """Let it end, from any thread or a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until it is drained or stopped.

        Raises
        ------
        NotAllowed, Conflict, InvalidInput
            the server does not want it
        """
        self._settings.data.mkdir(parents=True, exist_ok=True)
        sweep_scratch(self._settings.data)
        while not (self._stop.is_set() or self._drained):
            address = self._find()
            if address is not None:
                self._call(address)
            else:
                self._miss("no server serves this workspace")
            if not self._drained:
                self._stop.wait(next(self._pause))

    def _call(self, address: ServerAddress) -> None:
        """Call the server once, and stay on the line for as long as it holds."""
        from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        url = address.url.rstrip("/").replace("http", "ws", 1) + PATH
        headers = {"Authorization": f"Bearer {address.token}"}
        try:
            with connect(
                url,
                additional_headers=headers,
                proxy=None,
                compression=None,
                max_size=None,
                open_timeout=CONNECT_S,
                close_timeout=1,
            ) as line:
                try:
                    self._work(line, address.url)
                except ConnectionClosed as error:
                    self._consider(error)
        except InvalidStatus as error:
            status = error.response.status_code
            self._refusals += 1
            if status < 500 and (not self._patient or self._refusals >= REFUSALS):
                raise NotAllowed(
                    f"the server at {address.url} refused the line (HTTP {status}); check the "
                    "token, and that allowed_hosts of the server names its address."
                ) from None
        except (OSError, WebSocketException, ValueError) as error:
            log.info("no line to the server", url=address.url, reason=str(error))
            self._refusals = 0
            self._miss(f"the server at {address.url} does not answer ({_reason(error)})")

    def _miss(self, what: str) -> None:
        """Say once why there is no line; whoever mistyped the address would wait for ever."""
        if not self._missed:
            self._say(f"{what}; calling again until one does.")
        self._missed = True

    def _consider(self, error: ConnectionClosed) -> None:
        """Raise where a closed line means that we may not come back."""
        code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
        if code == said.NAME_TAKEN:
            now = time.monotonic()
            self._name_taken_since = self._name_taken_since or now
            if now - self._name_taken_since < NAME_S:
                return
        if code in _FINAL and not (code == 1008 and self._patient):
            raise _FINAL[code](self._refused or reason)
        self._say(f"the line to the server is lost ({reason or 'no answer'}); calling again.")
        self._missed = True

    def _work(self, line: ClientConnection, url: str) -> None:
        """Register, then do what the server says until the line ends."""
        from websockets.exceptions import ConnectionClosed

        def send(frame: str | bytes) -> None:
            try:
                line.send(frame)
            except ConnectionClosed as error:
                raise OSError(str(error)) from None

        line.send(self._words.model_dump_json())
        crew: Crew | None = None
        ended = threading.Event()
        try:
            while True:
                if self._stop.is_set():
                    line.send(said.Leave().model_dump_json())
                    return
                if crew is not None:
                    crew.tick()
                frame = _receive(line)
                if frame is None:
                    continue
                if isinstance(frame, bytes):
                    if crew is not None:
                        crew.deliver(*said.unframed(frame))
                    continue
                match said.from_server(frame):
                    case said.Welcome():
                        self._pause, self._refusals, self._refused = pauses(), 0, ""
                        self._name_taken_since = None
                        self._missed = False
                        words = self._words
                        crew = Crew(send, f"agent-{words.name}", words.slots, self._settings.data)
                        beat = threading.Thread(target=self._beat, args=(send, crew, ended))
                        beat.daemon = True
                        beat.start()
                        count = len(words.capabilities)
                        self._say(
                            f"agent {words.name} is online at {url}: {count} "
                            f"{'capability' if count == 1 else 'capabilities'}, "
                            f"{words.slots} at once."
                        )
                    case said.Kill(worker=number) if crew is not None:
                        crew.kill(number)
                    case said.Drain():
                        self._say(f"agent {self._words.name} takes no more jobs.")
                    case said.Resume():
                        self._say(f"agent {self._words.name} takes jobs again.")
                    case said.Leave():
                        self._drained = True
                        return
                    case said.Refused(error=sentence):
                        self._refused = sentence  # the close that follows has room for less
        finally:
            ended.set()
            if crew is not None:
                crew.close()

    def _beat(
        self, send: Callable[[str | bytes], None], crew: Crew, ended: threading.Event
    ) -> None:
        """Tell once a second that we live, and how the machine fares."""
        due = time.monotonic()
        with suppress(OSError):
            while not ended.is_set():
                send(measure(self._cards, crew.stopped()).model_dump_json())
                due = max(due + BEAT_S, time.monotonic())
                ended.wait(due - time.monotonic())


def _reason(error: Exception) -> str:
    """Say in a few words why a call did not come through."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".") or "no reason given"


def _receive(line: ClientConnection) -> str | bytes | None:
    """Receive one frame; None where none came for a moment."""
    try:
        return line.recv(timeout=LISTEN_S)
    except TimeoutError:
        return None
