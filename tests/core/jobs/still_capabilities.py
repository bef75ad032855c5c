"""Capabilities that stand still: in a way that is no work, and in one that is."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

from pydantic import BaseModel

from fraktal_kernel.core.capability import Run, capability


class Tries(BaseModel):
    """A file with one line a try, and at which of them to go on without waiting."""

    file: Path
    enough: int = 2


@capability("still.wait", title="Wait to be frozen")
def wait(params: Tries, run: Run) -> list[int]:
    """Write the process's number; wait for ever, but at a later try return all numbers."""
    run.step("before", lambda: "ready")
    with params.file.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    pids = [int(line) for line in params.file.read_text().split()]
    while len(pids) < params.enough:
        time.sleep(0.05)
    return pids


class Nap(BaseModel):
    """How long."""

    seconds: int


@capability("still.busy", title="Let no Python run")
def busy(params: Nap, run: Run) -> int:
    """Stay in C code that holds the interpreter's lock, as a compiler does for seconds."""
    ctypes.PyDLL(None).sleep(params.seconds)
    return os.getpid()
