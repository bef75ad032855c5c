"""Capabilities that do what workers must bear: print, warn, log, break off, return oddities."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from pathlib import Path

from pydantic import BaseModel

from fraktal_kernel.core.capability import Run, capability


class Nothing(BaseModel):
    """Nothing to say."""


class Where(BaseModel):
    """A file to leave traces in."""

    file: Path


class Which(BaseModel):
    """Which oddity."""

    kind: str


@capability("odd.speak", title="Speak in every way")
def speak(params: Nothing, run: Run) -> None:
    """Print whole lines, half lines, to both streams; log and warn as libraries do."""
    print("first\nsecond")
    print("third ", end="")
    print("goes on")
    print("an error", file=sys.stderr)
    logging.getLogger("some.library").warning("paper is low")
    logging.getLogger("some.library").info("paper is there")
    warnings.warn("old ways", UserWarning, stacklevel=1)
    run.log("written", "error")
    print("no line break", end="")


@capability("odd.replay", title="Be killed once")
def replay(params: Where, run: Run) -> list[object]:
    """Do two steps of one name, die, and go on."""

    def trace(word: str) -> dict[str, int | str]:
        with params.file.open("a") as stream:
            stream.write(word + "\n")
        return {"word": word, "pid": os.getpid()}

    first = run.step("do", lambda: trace("one"))
    second = run.step("do", lambda: trace("two"))
    if len(params.file.read_text().splitlines()) == 2:
        trace("dying")
        os._exit(9)
    return [first, second, {"word": "end", "pid": os.getpid()}]


class Torn(io.BytesIO):
    """A source that breaks off."""

    def read(self, size: int | None = -1) -> bytes:
        """Read once, then break."""
        if self.tell():
            raise OSError("the tape tore")
        return super().read(10)


@capability("odd.save", title="Save what breaks off", max_attempts=1)
def save(params: Nothing, run: Run) -> list[str]:
    """Save a file that breaks off, then go on with the same line."""
    run.save("whole.txt", b"before")
    try:
        run.save("whole.txt", Torn(b"x" * 100))
    except OSError as error:
        run.log(str(error))
    run.step("after", lambda: 1)
    return [run.save("other.txt", io.BytesIO(b"other")).name]


@capability("odd.return", title="Return oddities", max_attempts=1)
def give(params: Which, run: Run) -> object:
    """Return, say or raise something that can hardly be kept."""
    match params.kind:
        case "nan":
            return float("nan")
        case "half":
            return "half \ud800 a character"
        case "object":
            return object()
        case "big step":
            return run.step("big", lambda: "x" * 2_000_000)
        case "name":
            return run.save("../up.txt", b"").name
        case "exit":
            sys.exit("goodbye")
        case "message":
            raise ValueError("NUL \0 and half \ud800 a character")
        case "progress":
            run.progress(float("nan"), "half \ud800 and NUL \0")
            run.progress(7, "far")
            run.log("half \ud800 and NUL \0")
            return "said"
    return None
