"""Capabilities whose parameters use what pydantic can say, for forms to be made from."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fraktal_kernel.core.capability import Run, capability


class Shade(StrEnum):
    """A few choices."""

    LIGHT = "light"
    DARK = "dark"


class Box(BaseModel):
    """A nested object with required and optional parts."""

    width: int = Field(640, ge=1, le=4096, json_schema_extra={"unit": "px"})
    height: int = Field(ge=1, le=4096, json_schema_extra={"unit": "px"})
    label: str | None = None


class Circle(BaseModel):
    """One kind of a marked union."""

    kind: Literal["circle"] = "circle"
    radius: float = Field(gt=0)


class Square(BaseModel):
    """The other kind."""

    kind: Literal["square"] = "square"
    side: float = Field(gt=0)


class Tree(BaseModel):
    """Something that holds its own kind."""

    name: str = Field(min_length=1)
    children: list[Tree] = []
    best: Tree | None = None


class Simple(BaseModel):
    """Numbers, words and choices, all with defaults."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(
        3, ge=1, le=100, description="How many.", json_schema_extra={"unit": "pieces"}
    )
    rate: float = Field(0.5, gt=0, lt=1, description="How fast.")
    step: int = Field(10, multiple_of=5)
    timeout_s: float = Field(30, ge=0)
    shade: Shade = Shade.LIGHT
    mode: Literal["fast", "exact"] = "exact"
    smooth: bool = True
    title: str = Field("hello", max_length=20, examples=["hello", "good morning"])
    note: str | None = None
    limit: int | None = Field(None, ge=1)
    maybe: bool | None = None


class Rich(BaseModel):
    """Everything else."""

    name: str = Field(min_length=2, pattern=r"^[a-z_]+$", description="Small letters.")
    box: Box
    spare: Box | None = None
    shape: Annotated[Circle | Square, Field(discriminator="kind")] = Circle(radius=1)
    sizes: list[int] = Field([1, 2], min_length=1, max_length=4)
    names: list[str] = []
    shades: set[Shade] = {Shade.DARK}
    point: tuple[float, float] = (0.0, 1.0)
    weights: dict[str, float] = {"a": 1.0}
    price: Decimal = Field(Decimal("9.90"), ge=0)
    either: int | str = "seven"
    day: date | None = None
    at: datetime | None = None
    wake: clock_time = clock_time(7, 30)
    pause: timedelta = timedelta(seconds=90)
    key: UUID | None = None
    file: Path | None = None
    tree: Tree = Tree(name="root")
    anything: Any = None
    boxes: list[Box] = []
    huge: int = 9_007_199_254_740_993


class Ordered(BaseModel):
    """Two numbers that only the library can judge together."""

    low: int = 1
    high: int = 2

    @model_validator(mode="after")
    def _in_order(self) -> Ordered:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}; low must be less")
        return self


class Nothing(BaseModel):
    """No parameters at all."""


@capability(
    "form.simple",
    title="Fill in simple things",
    examples=[{"count": 7, "shade": "dark"}, {"title": "good morning", "note": "for the example"}],
)
def simple(params: Simple, run: Run) -> Simple:
    """Return what was filled in."""
    return params


@capability("form.rich", title="Fill in everything")
def rich(params: Rich, run: Run) -> Rich:
    """Return what was filled in, however it is built."""
    return params


@capability("form.ordered", title="Fill in two numbers")
def ordered(params: Ordered, run: Run) -> Ordered:
    """Return two numbers in order."""
    return params


@capability("form.nothing", title="Fill in nothing")
def nothing(params: Nothing, run: Run) -> str:
    """Need no parameters."""
    return "done"
