"""What an agent and its server say to one another over their one line, a WebSocket.

Text frames are the messages below, as JSON. A binary frame is one frame of the line between the
server's hub and one of the agent's worker processes (``core/jobs/channel.py``), behind the four
bytes of that worker's number: so one line carries all of them, and whatever a job may do on the
server's own workers it may do on an agent's.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.core.jobs.model import AGENT_NAME
from fraktal_kernel.errors import InvalidInput

#: Grows with each change that an older agent would not understand.
VERSION = 2
BEAT_S = 1.0
#: The largest frame that either end takes: a step's value with room to spare.
FRAME_BYTES = 4 * 1024**2
MOST_SLOTS = 256
NUMBER = struct.Struct(">I")
#: Why the server ends a line, as WebSocket close codes: no agent comes back after these.
BAD_MESSAGE, NOT_ALLOWED, NAME_TAKEN = 4400, 4403, 4409
#: ...and comes back after these.
SILENT, REPLACED = 4408, 4410

Pattern = Annotated[str, Field(pattern=r"^[a-z0-9_.*?]{1,100}$")]
CapabilityName = Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,100}$")]
Plain = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
WorkerNumber = Annotated[int, Field(ge=1, lt=2**32)]


class Strict(BaseModel):
    """Words that are taken as they are, or not at all."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True, frozen=True)


class Card(Strict):
    """One graphics card."""

    name: Plain
    memory_bytes: int = Field(ge=0, lt=2**63)


class Machine(Strict):
    """Where an agent runs."""

    host: Plain
    system: Plain
    python: Plain
    cores: int = Field(ge=1, le=100_000)
    memory_bytes: int = Field(ge=0, lt=2**63)
    cards: list[Card] = Field(default_factory=list, max_length=64)


class Register(Strict):
    """An agent's first words: who it is, what it offers, how much of it at once."""

    op: Literal["register"] = "register"
    version: int
    name: str = Field(pattern=f"^{AGENT_NAME}$")
    #: of this very process, so that it is known again when its line broke
    instance: str = Field(pattern=r"^[0-9a-f]{32}$")
    offers: list[Pattern] = Field(min_length=1, max_length=50)
    capabilities: list[CapabilityName] = Field(min_length=1, max_length=1000)
    slots: int = Field(ge=1, le=MOST_SLOTS)
    machine: Machine
    data: str = Field(max_length=1000, pattern=r"^[^\x00]*$")
    modules: list[Plain] = Field(default_factory=list, max_length=100)


class Beat(Strict):
    """That an agent lives, and how its machine fares."""

    op: Literal["beat"] = "beat"
    cpu_share: float = Field(ge=0, le=1)
    memory_bytes: int = Field(ge=0, lt=2**63)
    gpu_share: float | None = Field(None, ge=0, le=1)
    #: workers that the system holds still, by number
    stopped: list[WorkerNumber] = Field(default_factory=list, max_length=MOST_SLOTS)


class Open(Strict):
    """A worker process is ready; its frames follow."""

    op: Literal["open"] = "open"
    worker: WorkerNumber
    pid: int = Field(ge=0, lt=2**63)


class Gone(Strict):
    """A worker process has ended."""

    op: Literal["gone"] = "gone"
    worker: WorkerNumber


class Leave(Strict):
    """The agent ends, in good order; the server says the same when one may end."""

    op: Literal["leave"] = "leave"


class Welcome(Strict):
    """The server's answer to a registration."""

    op: Literal["welcome"] = "welcome"
    epoch: int


class Refused(Strict):
    """Why the server is about to hang up, in whole."""

    op: Literal["refused"] = "refused"
    error: str


class Kill(Strict):
    """End a worker process at once."""

    op: Literal["kill"] = "kill"
    worker: WorkerNumber


class Drain(Strict):
    """No more jobs will come."""

    op: Literal["drain"] = "drain"


class Resume(Strict):
    """Jobs will come again: it is not drained any more."""

    op: Literal["resume"] = "resume"


FromAgent = Register | Beat | Open | Gone | Leave
FromServer = Welcome | Refused | Kill | Drain | Resume | Leave
_from_agent: TypeAdapter[FromAgent] = TypeAdapter(Annotated[FromAgent, Field(discriminator="op")])
_from_server: TypeAdapter[FromServer] = TypeAdapter(
    Annotated[FromServer, Field(discriminator="op")]
)


def _read(words: TypeAdapter[Any], text: str) -> Any:
    try:
        return words.validate_json(text)
    except ValidationError as error:
        raise InvalidInput(
            f"a message that cannot be understood: {sentence_of(error.errors(include_url=False))}"
        ) from None


def from_agent(text: str) -> FromAgent:
    """Read what an agent says; raises InvalidInput.

    Examples
    --------
    >>> from_agent('{"op": "gone", "worker": 3}')
    Gone(op='gone', worker=3)
    >>> from_agent('{"op": "beat", "cpu_share": NaN, "memory_bytes": 0}')
    Traceback (most recent call last):
    fraktal_kernel.errors.InvalidInput: a message that cannot be understood: beat.cpu_share: \
given nan; input should be a finite number.
    """
    message: FromAgent = _read(_from_agent, text)
    return message


def from_server(text: str) -> FromServer:
    """Read what the server says; raises InvalidInput."""
    message: FromServer = _read(_from_server, text)
    return message


def framed(number: int, data: bytes) -> bytes:
    """Put the number of its worker before a frame."""
    return NUMBER.pack(number) + data


def unframed(frame: bytes) -> tuple[int, bytes]:
    """Take a frame apart again; raises InvalidInput where it has no number."""
    if len(frame) < NUMBER.size:
        raise InvalidInput(f"a frame of {len(frame)} bytes, expected at least {NUMBER.size}.")
    return NUMBER.unpack_from(frame)[0], frame[NUMBER.size :]


def check_size(size: int) -> None:
    """Refuse a frame that is too large."""
    if size > FRAME_BYTES + NUMBER.size:
        raise InvalidInput(
            f"a message of {size:,} bytes, expected at most {FRAME_BYTES:,}; save large results "
            "as artifacts."
        )
