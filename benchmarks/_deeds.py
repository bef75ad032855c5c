"""What the plans of the benchmarks call: worker processes import it by this name."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from pydantic import BaseModel

from fraktal_kernel.core.capability import Run, capability
from fraktal_kernel.errors import InvalidInput


class Nothing(BaseModel):
    """No parameters."""


@capability("benchmark.note", title="Do nothing")
def note(params: Nothing, run: Run) -> int:
    """Succeed at once."""
    return 1


@capability("benchmark.two_steps", title="Take two steps")
def two_steps(params: Nothing, run: Run) -> int:
    """Take two steps that succeed at once, each in the journal."""
    return run.step("first", lambda: 1) + run.step("second", lambda: 1)


@capability("benchmark.refuse", title="Fail")
def refuse(params: Nothing, run: Run) -> None:
    """Fail at once, for good."""
    raise InvalidInput("it was meant to fail.")


class Deed(BaseModel):
    """What to write, and where."""

    folder: Path
    token: str


@capability("benchmark.deed", title="Do what stays", effect="writes a line for ever")
def deed(params: Deed, run: Run) -> str:
    """Write that it begins, and then do it, each on the disk before it goes on."""
    append(params.folder / "begun", params.token)
    time.sleep(random.uniform(0, 0.05))
    append(params.folder / "done", params.token)
    time.sleep(random.uniform(0, 0.05))
    return params.token


def append(file: Path, line: str) -> None:
    """Add a line in one piece and wait until the disk has it."""
    number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(number, f"{line}\n".encode())
    os.fsync(number)
    os.close(number)
