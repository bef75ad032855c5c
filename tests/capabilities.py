"""Capabilities that tests submit as jobs: they count, fail, wait, ask and call on demand."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pydantic import BaseModel, Field

from fraktal_kernel.core.capability import Run, capability
from fraktal_kernel.core.services import Asked, service
from fraktal_kernel.errors import InvalidInput


class Text(BaseModel):
    """One text."""

    text: str = "hello"


@capability("test.echo", title="Say it again", examples=[{"text": "hello"}])
def echo(params: Text, run: Run) -> Text:
    """Return what was given, with progress, a log line and an artifact on the way."""
    run.progress(0.5, "half way")
    run.log(f"heard {params.text}")
    print("printed", params.text)
    run.save("echo.txt", params.text.encode())
    return params


@capability("test.name", title="Name a file")
def name(params: Text, run: Run) -> None:
    """Keep a file that is called as the text says."""
    run.save(params.text, params.text.encode())


class Steps(BaseModel):
    """How many steps, where to write a line for each, and how long each takes.

    Where a gate is given, the first two steps are free and the others wait until that file exists.
    """

    count: int = Field(3, ge=0)
    file: Path
    pause_s: float = 0.0
    gate: Path | None = None


@capability("test.steps", title="Take steps")
def steps(params: Steps, run: Run) -> int:
    """Write one line a step into a file, with the time; each step journaled."""

    def take(number: int) -> int:
        while params.gate and number >= 2 and not params.gate.exists():
            time.sleep(0.02)
        time.sleep(params.pause_s)
        with params.file.open("a") as stream:
            stream.write(f"{run.job_id} {number} {time.time()!r}\n")
        return number

    total = 0
    for number in range(params.count):
        total += run.step("take", lambda number=number: take(number))
        run.progress((number + 1) / params.count, f"step {number + 1} of {params.count}")
    return total


class Nap(BaseModel):
    """How long to sleep, and whether to listen while asleep."""

    seconds: float = 600.0
    listens: bool = True


@capability("test.sleep", title="Sleep")
def sleep(params: Nap, run: Run) -> float:
    """Sleep; a deaf one hears no cancellation."""
    began = time.monotonic()
    run.progress(0.01, "asleep")
    run.log("asleep")
    while time.monotonic() - began < params.seconds:
        if params.listens:
            run.check_cancelled()
        time.sleep(0.02)
    return time.monotonic() - began


class Gate(BaseModel):
    """A file that says, in percent, how far the work may go."""

    file: Path


@capability("test.gate", title="Wait at a gate")
def gate(params: Gate, run: Run) -> int:
    """Work as far as the file says, and end where it says 100: held by a test, not by a clock."""
    allowed = done = 0
    run.log("waiting at the gate")
    while done < 100:
        run.check_cancelled()
        if params.file.exists():
            allowed = int(params.file.read_text() or allowed)
        if allowed > done:
            done = allowed
            run.progress(done / 100, f"{done} of 100")
        time.sleep(0.02)
    return done


class Failure(BaseModel):
    """How often to fail, and how."""

    times: int = 1
    kind: str = "error"
    file: Path


@capability("test.fail", title="Fail", max_attempts=3)
def fail(params: Failure, run: Run) -> int:
    """Fail the first times and then succeed; or die, or find the input bad."""
    with params.file.open("a") as stream:
        stream.write(f"{run.attempt}\n")
    tries = len(params.file.read_text().splitlines())
    if tries <= params.times:
        if params.kind == "die":
            os._exit(9)
        if params.kind == "input":
            raise InvalidInput("given nonsense, expected sense.")
        raise RuntimeError(f"try {tries} goes wrong")
    return tries


class Order(BaseModel):
    """What to ask about."""

    what: str = "Deploy?"


@capability("test.ask", title="Ask a person")
def ask(params: Order, run: Run) -> dict[str, str]:
    """Ask two questions between two steps."""
    before = run.step("before", lambda: "ready")
    first = run.ask(params.what, ["yes", "no"])
    second = run.ask("Sure?", ["yes", "no"])
    return {"before": before, "first": first, "second": second}


@capability("test.parent", title="Call others")
def parent(params: Text, run: Run) -> list[str]:
    """Call two children one after the other."""
    first = run.call("test.echo", text=params.text)
    second = run.call("test.echo", text=first["text"] + "!")
    return [first["text"], second["text"]]


@capability("test.big", title="Save a large file")
def big(params: Nap, run: Run) -> int:
    """Save a file of 8 MiB and one of none."""
    run.save("zeros.bin", bytes(8 * 1024**2))
    run.save("empty.bin", b"")
    return 8 * 1024**2


@capability("test.clock", title="Tell the time")
def clock(params: Text, run: Run) -> float:
    """Return when the work began."""
    return time.time()


class Family(BaseModel):
    """How many children to begin at once, and which of them fails."""

    count: int = 3
    fails: int | None = None


@capability("test.family", title="Begin children")
def family(params: Family, run: Run) -> dict[str, object]:
    """Begin children side by side, wait for them all, and tell how each ended."""
    children = [
        run.begin("test.talk", {"text": "refuse"}, name=str(number))
        if number == params.fails
        else run.begin("test.echo", {"text": str(number)}, name=str(number), asked_by="father")
        for number in range(params.count)
    ]
    while not all(child.ended for child in children):
        run.pause()
    return {"states": [child.state for child in children], "ids": [c.id for c in children]}


class Moment(BaseModel):
    """How long to wait without a worker."""

    seconds: float = 0.6


@capability("test.alarm", title="Wait for a time")
def alarm(params: Moment, run: Run) -> float:
    """Wait without a worker until a time, and tell how late it is then."""
    until = run.step("until", lambda: time.time() + params.seconds)
    if time.time() < until:
        run.pause(until)
    return time.time() - until


@capability("test.talk", title="Talk to the server")
def talk(params: Text, run: Run) -> object:
    """Say something, spend something, and ask the server whose job this is."""
    run.say({"text": params.text})
    run.spend(0.25)
    run.spend(0.5)
    return run.request("test.whose", text=params.text)


@service("test.whose")
def whose(asked: Asked, text: str) -> dict[str, object]:
    """Tell whose job asks; what is called an error is one."""
    if text == "refuse":
        raise InvalidInput("text: given 'refuse', expected another.")
    if text == "stumble":
        raise RuntimeError("a service with a fault")
    return {"owner": asked.owner_id, "job": asked.job_id, "text": text}


class Deed(BaseModel):
    """What to write into which file, and the gates to wait at, before it and after it."""

    file: Path
    text: str = Field("done", max_length=100)
    before: Path | None = None
    after: Path | None = None


@capability("test.deed", title="Do what stays", effect="writes a line for ever", max_attempts=3)
def deed(params: Deed, run: Run) -> str:
    """Write a line so that it is on the disk, as something that nobody takes back."""

    def wait(gate: Path | None) -> None:
        if gate is not None:
            gate.with_suffix(".reached").touch()
        while gate is not None and not gate.exists():
            run.check_cancelled()
            time.sleep(0.01)

    wait(params.before)
    line = os.open(params.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(line, f"{run.job_id} {params.text}\n".encode())
    os.fsync(line)
    os.close(line)
    wait(params.after)
    if params.text == "fail":
        raise RuntimeError("the ink has run out")
    run.spend(0.5)
    return params.text


class Errand(BaseModel):
    """Deeds that a program wants."""

    deeds: list[Deed]


@capability("test.errand", title="Want deeds")
def errand(params: Errand, run: Run) -> list[str]:
    """Begin deeds side by side and tell how each ended."""
    children = [
        run.begin("test.deed", one.model_dump(mode="json"), name=str(number), asked_by="a butler")
        for number, one in enumerate(params.deeds)
    ]
    while not all(child.ended for child in children):
        run.pause()
    return [f"{child.state} {child.error or child.result}" for child in children]
