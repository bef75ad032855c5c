"""What the worker processes of an agent may say, checked before the server's hub believes it.

The hub's own workers run the server's own code. Behind an agent's line may be anybody who holds
its token: so each message has to have the form that ``core/jobs/worker.py`` gives it, with numbers
that are numbers, JSON that is JSON, names that climb nowhere, and children of its own job only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from fraktal_kernel.agents.line import Plain, Strict
from fraktal_kernel.core.artifact import artifact_name
from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.core.jobs.channel import Message
from fraktal_kernel.core.jobs.ledger import Claimed
from fraktal_kernel.core.jobs.model import AGENT_NAME, CHILD_KEY
from fraktal_kernel.core.values import JSON_MAX_BYTES, SAID_MAX_BYTES, to_json
from fraktal_kernel.errors import InvalidInput

SPAN = "^[0-9a-f]{16}$"
#: So many spans an agent's worker tells at once, and no time is later than this: the year 2255.
MOST_SPANS, LAST_S = 100, 9e9


def _is_json(text: str) -> str:
    if len(text) > JSON_MAX_BYTES:
        raise ValueError(f"{len(text):,} bytes of JSON, expected at most {JSON_MAX_BYTES:,}")
    from_json(text, allow_inf_nan=False)
    return text


def _is_small(most_bytes: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        try:
            size = len(json.dumps(to_json(value)))
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        if size > most_bytes:
            raise ValueError(f"{size:,} bytes at once, expected at most {most_bytes:,}")
        return value

    return check


def _is_artifact(name: str) -> str:
    try:
        return artifact_name(name)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _text(most: int) -> Any:
    return Field(max_length=most, pattern=r"^[^\x00]*$")


Json = Annotated[str, AfterValidator(_is_json)]
Said = Annotated[dict[str, Any], AfterValidator(_is_small(SAID_MAX_BYTES))]
Asked = Annotated[dict[str, Any], AfterValidator(_is_small(4 * JSON_MAX_BYTES))]
Level = Annotated[str, Field(max_length=40, pattern=r"^[^\x00]*$")]
Name = Annotated[str, _text(10_000)]
Key = Annotated[str, _text(1000)]


class Record(Strict):
    """A line that one of its libraries logged."""

    op: Literal["record"]
    record: Said


class Progress(Strict):
    """How far the work is."""

    op: Literal["progress"]
    progress: float = Field(ge=0, le=1)
    message: str = _text(500)


class Log(Strict):
    """A line of the job's log."""

    op: Literal["log"]
    level: Level
    text: str = _text(4000)


class Step(Strict):
    """A step that is finished, with its value as JSON."""

    op: Literal["step"]
    name: Name
    value: Json
    seconds: float = Field(ge=0)
    cost: float = Field(ge=0)


class Stepping(Strict):
    """A step that has begun and lasts, by the agent's own clock."""

    op: Literal["stepping"]
    now: float = Field(ge=0, lt=LAST_S)
    name: str = _text(200)
    span: str = Field(pattern=SPAN)
    attempt: str = Field(pattern=SPAN)
    began: float = Field(ge=0, lt=LAST_S)


class Span(Strict):
    """Something that took time, by the agent's own clock."""

    id: str = Field(pattern=SPAN)
    parent: str = Field(pattern=f"^({SPAN[1:-1]})?$")
    kind: Literal["step", "model", "tool", "work"]
    name: str = _text(200)
    began: float = Field(ge=0, lt=LAST_S)
    ended: float = Field(ge=0, lt=LAST_S)
    error: str = _text(2000)
    attributes: Annotated[
        dict[str, str | bool | float | int], AfterValidator(_is_small(SAID_MAX_BYTES))
    ]


class Spans(Strict):
    """What was measured inside the job, and what that clock says now."""

    op: Literal["spans"]
    now: float = Field(ge=0, lt=LAST_S)
    spans: list[Span] = Field(max_length=MOST_SPANS)


class Ask(Strict):
    """A question to a person."""

    op: Literal["ask"]
    name: Name
    text: str = _text(10_000)
    choices: list[Annotated[str, _text(1000)]] = Field(min_length=1, max_length=100)


class Call(Strict):
    """A child to wait for."""

    op: Literal["call"]
    key: Key
    capability: Plain
    params: Json


class Begin(Strict):
    """A child to go on beside."""

    op: Literal["begin"]
    key: Key
    capability: Plain
    params: Json
    agent: str = Field("", pattern=f"^({AGENT_NAME})?$")
    avoid: list[Annotated[str, Field(pattern=f"^({AGENT_NAME})?$")]] = Field(
        default_factory=list, max_length=1000
    )
    asked_by: str = _text(200)


class Pause(Strict):
    """A wait for children, or for a time."""

    op: Literal["pause"]
    children: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(max_length=100_000)
    wake_at: float | None


class Speak(Strict):
    """Something to tell those who watch."""

    op: Literal["said"]
    payload: Said


class Spend(Strict):
    """What something cost."""

    op: Literal["spend"]
    cost: float = Field(ge=0)


class Request(Strict):
    """A question to the server."""

    op: Literal["service"]
    name: Plain
    arguments: Asked


class Yield(Strict):
    """That the job waits for a cluster."""

    op: Literal["yield"]


class Save(Strict):
    """A file, whose bytes follow."""

    op: Literal["save"]
    name: Annotated[str, AfterValidator(_is_artifact)]
    media_type: str = Field(max_length=200, pattern=r"^[\x20-\x7e]*$")


class Succeeded(Strict):
    """A result, as JSON."""

    op: Literal["succeeded"]
    result: Json


class Failed(Strict):
    """What went wrong, and whether to try again."""

    op: Literal["failed"]
    error: str = _text(100_000)
    again: bool


class Ended(Strict):
    """An end with nothing to add."""

    op: Literal["cancelled", "suspended"]


Word = (
    Record
    | Progress
    | Log
    | Step
    | Stepping
    | Spans
    | Ask
    | Call
    | Begin
    | Pause
    | Speak
    | Spend
    | Request
) | (Yield | Save | Succeeded | Failed | Ended)
_words: TypeAdapter[Word] = TypeAdapter(Annotated[Word, Field(discriminator="op")])


def check_word(job: Claimed | None, message: Message) -> None:
    """Look at one message of a worker that does ``job``.

    Raises
    ------
    InvalidInput
        it has not the form that it should have, or speaks of somebody else's child

    Examples
    --------
    >>> check_word(None, {"op": "progress", "progress": 0.5, "message": "half"})
    >>> check_word(None, {"op": "progress", "progress": float("nan"), "message": ""})
    Traceback (most recent call last):
    fraktal_kernel.errors.InvalidInput: a worker says what it cannot: progress.progress: given \
nan; input should be a finite number.
    """
    try:
        word = _words.validate_python(message)
    except ValidationError as error:
        why = sentence_of(error.errors(include_url=False))
        raise InvalidInput(f"a worker says what it cannot: {why}") from None
    if isinstance(word, Call | Begin):
        ours = f"{CHILD_KEY}{job.id}/" if job else None
        if ours is None or not word.key.startswith(ours):
            raise InvalidInput(
                f"a worker says what it cannot: a child under the key {word.key[:80]!r}, expected "
                f"one that begins with {ours!r}."
            )
    if isinstance(word, Record) and not {"level", "logger", "event"} <= set(word.record):
        raise InvalidInput("a worker says what it cannot: a record without level, logger, event.")
