"""Capabilities of the chat's tests: they give back whatever was said, wherever one can put it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from fraktal_kernel.core.capability import Run, capability

Where = Literal["result", "name", "log", "error", "nested"]


class Hostile(BaseModel):
    """What to give back, and where."""

    text: str = Field("hello", max_length=10_000)
    where: Where = "result"


@capability("hostile.give", title="Give back a text")
def give(params: Hostile, run: Run) -> Any:
    """Give a text back as a result, as a file's name, in the log, in an error, or deep within."""
    match params.where:
        case "name":
            run.save(params.text.replace("/", "-").replace("\n", " ")[:180] + ".txt", b"words")
        case "log":
            run.log(params.text)
            print(params.text)
        case "error":
            raise RuntimeError(params.text)
        case "nested":
            return {"rows": [{"comment": params.text, params.text[:50]: 1}]}
        case "result":
            return params.text
    return None


class Size(BaseModel):
    """How much."""

    count: int = Field(1, ge=0)


@capability("hostile.much", title="Give back much")
def much(params: Size, run: Run) -> str:
    """Give back so many letters."""
    return "x" * params.count


@capability("hostile.nan", title="Give back no number")
def no_number(params: Size, run: Run) -> float:
    """Give back what is no number."""
    return float("nan")
