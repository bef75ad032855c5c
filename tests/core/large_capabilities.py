"""A capability that returns as much as it is told to, from where it is told to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from fraktal_kernel.core.capability import Run, capability


class Size(BaseModel):
    """How many characters, and by which way they come."""

    where: Literal["step", "result", "child"] = "result"
    size: int


@capability("large.give", title="Return much", max_attempts=3)
def give(params: Size, run: Run) -> str:
    """Return a long text, from a step, a child or at once."""
    if params.where == "step":
        return str(len(run.step("large", lambda: "x" * params.size)))
    if params.where == "child":
        return str(len(run.call("large.give", where="result", size=params.size)))
    return "x" * params.size
