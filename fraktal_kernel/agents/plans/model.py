"""What a plan is: steps with their inputs, their order and their bounds, checked as a whole.

Whether its capabilities exist and take what they are given is :mod:`~.check`'s to say.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from fraktal_kernel.agents.plans import conditions
from fraktal_kernel.agents.plans.paths import Path, references
from fraktal_kernel.errors import InvalidInput

#: Steps of a plan, and children after each fan-out.
MAX_STEPS = 2000
MAX_ATTEMPTS = 10
MAX_SECONDS = 366 * 86400.0
OWN_WORDS = frozenset({"inputs", "item", "index", "true", "false", "null"})
#: What may be said of a step: ``${fit.result}``.
OF_A_STEP = frozenset({"result", "state", "job"})


def too_many(count: int) -> str:
    """Say that a plan has too many steps, each item of a list being one."""
    return f"given {count:,} steps with all items of each, expected at most {MAX_STEPS:,}"


def _few(value: Any) -> Any:
    """Refuse far too many steps before each of them is looked at."""
    if isinstance(value, list) and len(value) > MAX_STEPS:
        raise ValueError(f"given {len(value):,} steps, expected at most {MAX_STEPS:,}")
    return value


def _word(value: Any) -> Any:
    """Take YAML's yes and no for what was written."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


class Step(BaseModel):
    """One call of a capability, or one for each item of a list, or a question to a person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", description="Its name within the plan.")
    capability: str = Field("", max_length=100, description="Which capability to call.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="Its parameters; ${...} stands for what others gave."
    )
    ask: str = Field("", max_length=1000, description="A question to a person, instead of a call.")
    choices: list[Annotated[str, BeforeValidator(_word)]] = Field(
        ["yes", "no"], min_length=1, max_length=20, description="What may be answered to it."
    )
    after: list[str] = Field(
        default_factory=list, max_length=MAX_STEPS, description="Steps to wait for."
    )
    each: list[Any] | str | None = Field(
        None, description="A list, or a reference to one: a call for each ${item} of it."
    )
    when: str = Field("", description="A condition; where it does not hold the step is skipped.")
    attempts: int = Field(
        1, ge=1, le=MAX_ATTEMPTS, description="Tries, each on another agent where there is one."
    )
    agent: str = Field("", max_length=60, description="The agent that has to do it.")

    @field_validator("id")
    @classmethod
    def _free(cls, name: str) -> str:
        if keyword.iskeyword(name) or name in OWN_WORDS:
            raise ValueError(f"given {name!r}, which means something else in plans; rename it")
        return name

    @model_validator(mode="after")
    def _one_thing(self) -> Step:
        if bool(self.capability) == bool(self.ask):
            raise ValueError(f"step {self.id!r} needs a capability or a question to ask")
        if isinstance(self.each, str) and not self.each.startswith("${"):
            raise ValueError(
                f"step {self.id!r}: each: given {self.each!r:.60}, expected a list or a reference "
                "such as ${inputs.sizes}"
            )
        try:
            self.paths  # noqa: B018  what cannot be read is refused now
        except InvalidInput as error:
            raise ValueError(f"step {self.id!r}: {error}") from None
        return self

    @cached_property
    def decided_by(self) -> tuple[Path, ...]:
        """What says whether, and how often, the step is done."""
        found = tuple(references(self.each))
        return found + (conditions.read(self.when).paths if self.when else ())

    @cached_property
    def data(self) -> tuple[Path, ...]:
        """Where what the step works with comes from."""
        return tuple(references([self.params, self.ask, self.choices]))

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """All references of the step."""
        return self.decided_by + self.data

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """The steps that it waits for, each once."""
        used = (path.root for path in self.paths if path.root not in OWN_WORDS)
        return tuple(dict.fromkeys([*self.after, *used]))


class Plan(BaseModel):
    """Steps that are done as soon as what they wait for is there, side by side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("plan", min_length=1, max_length=100, description="What it is called.")
    inputs: dict[str, Any] = Field(
        default_factory=dict, description="Values that steps use as ${inputs.NAME}."
    )
    steps: Annotated[list[Step], BeforeValidator(_few)] = Field(
        min_length=1, description="The steps; each may use what those before it gave."
    )
    at_once: int = Field(8, ge=1, le=64, description="Calls under way at the same time.")
    time_limit_s: float | None = Field(
        None, gt=0, le=MAX_SECONDS, description="Seconds that the whole may take."
    )
    cost_limit: float | None = Field(
        None, ge=0, description="What all steps together may cost before no more are begun."
    )

    @cached_property
    def by_id(self) -> dict[str, Step]:
        """The steps by their names."""
        return {step.id: step for step in self.steps}

    @cached_property
    def order(self) -> list[Step]:
        """The steps, each behind all that it waits for."""
        sorter = TopologicalSorter({step.id: step.needs for step in self.steps})
        return [self.by_id[name] for name in sorter.static_order()]

    @model_validator(mode="after")
    def _sound(self) -> Plan:
        for sentence in _faults(self):
            raise ValueError(sentence)
        return self


def _faults(plan: Plan) -> Iterator[str]:
    """Say what is wrong between the steps of a plan."""
    seen: set[str] = set()
    for step in plan.steps:
        if step.id in seen:
            yield f"two steps are called {step.id!r}; rename one"
        seen.add(step.id)
    place = {step.id: number for number, step in enumerate(plan.steps)}
    for number, step in enumerate(plan.steps):
        for name in step.needs:
            if name not in place:
                yield f"step {step.id!r} waits for {name!r}, and there is no such step"
        for path in step.paths:
            if path.root in place and path.parts and path.parts[0] not in OF_A_STEP:
                known = ", ".join(sorted(OF_A_STEP))
                yield f"step {step.id!r}: ${{{path}}}: of a step there is {known}"
            if path.root in ("item", "index") and step.each is None:
                yield f"step {step.id!r}: ${{{path}}} needs a list to go through: each"
        for path in step.decided_by:
            if path.root in ("item", "index"):
                yield f"step {step.id!r}: each and when are decided before there is an item"
            if place.get(path.root, -1) >= number:
                yield (
                    f"step {step.id!r}: each and when may look at steps before it only; move "
                    f"{path.root!r} up"
                )
    try:
        plan.order  # noqa: B018  what goes in a circle is refused now
    except CycleError as error:
        circle = error.args[1]
        shown = circle if len(circle) <= 8 else [*circle[:6], "...", circle[-1]]
        yield f"steps wait for one another in a circle: {' -> '.join(shown)}; cut it"
    count = sum(len(step.each) if isinstance(step.each, list) else 1 for step in plan.steps)
    if count > MAX_STEPS:
        yield too_many(count)
