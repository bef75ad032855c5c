"""Capabilities for the fault tests: they save files slowly, or several, or wait half-way."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import time
from pathlib import Path

from pydantic import BaseModel, Field
from typing_extensions import override

from fraktal_kernel.core.capability import Run, capability


class Files(BaseModel):
    """How many files, how large each, and where to write a line for each."""

    count: int = Field(3, ge=0)
    size_bytes: int = Field(200_000, ge=0)
    file: Path
    pause_s: float = 0.0


@capability("fault.files", title="Save a file a step")
def files(params: Files, run: Run) -> dict[str, str]:
    """Save files of random bytes, each in a journaled step; return their hashes."""

    def make(number: int) -> str:
        time.sleep(params.pause_s / 2)
        data = os.urandom(params.size_bytes)
        run.save(f"file-{number}.bin", data)
        with params.file.open("a") as stream:
            stream.write(f"{run.job_id} {number} {time.time()!r}\n")
        time.sleep(params.pause_s / 2)  # begun, and not finished: a good moment to be killed
        return hashlib.sha256(data).hexdigest()

    found = {}
    for number in range(params.count):
        found[f"file-{number}.bin"] = run.step("make", lambda number=number: make(number))
        run.log(f"file {number} is there")
        run.progress((number + 1) / params.count)
    return found


class Stream(BaseModel):
    """How large a file, where to tell that it is half written, and what happens then.

    It breaks off, or goes on when a gate, which is a file, is there.
    """

    size_bytes: int = 48 * 1024**2
    told: Path
    gate: Path | None = None
    breaks: bool = False


class Slow(io.RawIOBase):
    """A file that tells when half of it has come, and lets one wait for the rest."""

    def __init__(self, params: Stream) -> None:
        self._left = params.size_bytes
        self._params = params

    @override
    def read(self, size: int = -1) -> bytes:
        if self._left <= self._params.size_bytes // 2:
            if self._params.breaks:
                raise OSError("the tape is torn")
            self._params.told.touch()
            while self._params.gate and not self._params.gate.exists():
                time.sleep(0.02)
        count = min(self._left, size)
        self._left -= count
        return b"x" * count


@capability("fault.stream", title="Save one large file slowly")
def stream(params: Stream, run: Run) -> str:
    """Save a file that takes its time, after a finished step."""
    run.step("before", lambda: "ready")
    return run.save("large.bin", Slow(params)).sha256  # type: ignore[arg-type]


class Line(BaseModel):
    """Where to write a line for what is done."""

    file: Path


@capability("fault.approved", title="Work, ask, work on")
def approved(params: Line, run: Run) -> str:
    """Take a step, wait for a person, take another."""

    def line(text: str) -> str:
        with params.file.open("a") as stream:
            stream.write(text + "\n")
        return text

    run.step("before", lambda: line("before"))
    choice = run.ask("Go on?", ["yes", "no"])
    run.step("after", lambda: line("after"))
    return choice


@capability("fault.frozen", title="Freeze")
def frozen(params: Line, run: Run) -> None:
    """Write down which process does this, and stand still."""
    params.file.write_text(f"{os.getpid()}\n")
    os.kill(os.getpid(), signal.SIGSTOP)
