"""Capabilities whose timelines the tests look at."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pydantic import BaseModel

from fraktal_kernel.core.capability import Run, capability


class Nothing(BaseModel):
    """No parameters."""


class Gate(BaseModel):
    """A file that is waited for."""

    gate: str


@capability("traced.waits", title="Wait in a step")
def waits(params: Gate, run: Run) -> int:
    """Do a short step, and one that lasts until a file is there."""

    def long() -> int:
        while not Path(params.gate).exists():
            run.check_cancelled()
            time.sleep(0.01)
        return 2

    return run.step("short", lambda: 1) + run.step("long", long)


class Mark(BaseModel):
    """A file that tells a second try from the first."""

    mark: str


@capability("traced.asks", title="Ask in between", max_attempts=1)
def asks(params: Nothing, run: Run) -> str:
    """Do a step that costs something, ask, begin another job, and do a second step."""

    def first() -> int:
        run.spend(0.25)
        time.sleep(0.02)
        return 1

    run.step("before", first)
    said = run.ask("Go on?", ["yes", "no"])
    run.call("traced.steps")
    run.step("after", lambda: 2)
    return said


@capability("traced.steps", title="Two steps")
def steps(params: Nothing, run: Run) -> int:
    """Do two steps."""
    return run.step("one", lambda: 1) + run.step("one", lambda: 2)


@capability("traced.dies", title="Die once between two steps")
def dies(params: Mark, run: Run) -> int:
    """Lose the process behind the first step, the first time."""
    one = run.step("one", lambda: 1)
    mark = Path(params.mark)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return one + run.step("two", lambda: 2)


@capability("traced.breaks", title="Break in a step", max_attempts=2)
def breaks(params: Nothing, run: Run) -> int:
    """Raise inside a step, the first time."""

    def once() -> int:
        if run.attempt == 1:
            raise RuntimeError("the ladle is broken")
        return 1

    return run.step("stir", once)


@capability("traced.records", title="Record spans of its own")
def records(params: Nothing, run: Run) -> int:
    """Open spans as a library does, inside a step and beside one, one of them with a fault."""
    from opentelemetry import trace

    tracer = trace.get_tracer("kitchen")

    def cook() -> int:
        with tracer.start_as_current_span("boil") as span:
            span.set_attribute("litres", 2.5)
            span.set_attribute("recipe", "stir " * 1000)
            with tracer.start_as_current_span("salt"):
                pass
        try:
            with tracer.start_as_current_span("taste"):
                raise ValueError("too hot")
        except ValueError:
            return 1
        return 0

    return run.step("cook", cook)
