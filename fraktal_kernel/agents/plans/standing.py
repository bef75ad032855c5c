"""How a plan stands, worked out anew each time from nothing but its children.

The children are kept in the journal under the names of their steps, so this needs no record of
its own: whoever knows them (the running plan, a page that draws it) comes to the same states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fraktal_kernel.agents.plans import conditions
from fraktal_kernel.agents.plans.model import MAX_STEPS, OWN_WORDS, Plan, Step
from fraktal_kernel.agents.plans.paths import SKIPPED, fill, references
from fraktal_kernel.core.run import Child
from fraktal_kernel.errors import InvalidInput

State = Literal[
    "planned", "queued", "running", "waiting", "succeeded", "failed", "cancelled", "skipped"
]
Known = Callable[[str], Child | None]
#: How far a step with several calls has come is told by the one that comes first here.
_FOREMOST: tuple[State, ...] = ("failed", "cancelled", "running", "waiting", "queued", "planned")
ASK = "plan.ask"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A child that could be begun now."""

    step: str
    name: str
    capability: str
    params: dict[str, Any]
    agent: str
    avoid: tuple[str, ...]


@dataclass(slots=True)
class Part:
    """One call of a step: all its tries, and what is to be done next, if anything."""

    tries: list[Child] = field(default_factory=list)
    state: State = "planned"
    result: Any = None
    error: str = ""
    wanted: Wanted | None = None


@dataclass(slots=True)
class StepStanding:
    """How a step stands."""

    step: Step
    state: State = "planned"
    parts: list[Part] = field(default_factory=list)
    error: str = ""

    @property
    def children(self) -> list[Child]:
        """All tries of all its calls."""
        return [child for part in self.parts for child in part.tries]

    @property
    def finished(self) -> bool:
        """Whether those that wait for it may go on."""
        return self.state in ("succeeded", "skipped")

    @property
    def result(self) -> Any:
        """What it gave: of a step with a list, the results in the order of its items."""
        results = [part.result for part in self.parts]
        return results if self.step.each is not None else (results or [None])[0]

    @property
    def job(self) -> Any:
        """The number of its last job, or the numbers."""
        jobs = [part.tries[-1].id if part.tries else None for part in self.parts]
        return jobs if self.step.each is not None else (jobs or [None])[0]

    @property
    def seen(self) -> Any:
        """What other steps may refer to."""
        if self.state == "skipped":
            return {"result": SKIPPED, "state": "skipped", "job": None}
        return {"result": self.result, "state": self.state, "job": self.job}


@dataclass(slots=True)
class Standing:
    """How a plan stands."""

    steps: dict[str, StepStanding]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return all(step.finished for step in self.steps.values())

    @property
    def failed(self) -> list[StepStanding]:
        """The steps that went wrong for good."""
        return [step for step in self.steps.values() if step.state in ("failed", "cancelled")]

    @property
    def under_way(self) -> list[Child]:
        """The children that have not ended."""
        return [child for child in self.children if not child.ended]

    @property
    def children(self) -> list[Child]:
        """All tries of all steps."""
        return [child for step in self.steps.values() for child in step.children]

    @property
    def cost(self) -> float:
        """What all of them have cost."""
        return round(sum(child.cost for child in self.children), 9)  # ten times 0.1 is 1

    @property
    def wanted(self) -> list[Wanted]:
        """What could be begun now, in the order of the plan."""
        parts = (part for step in self.steps.values() for part in step.parts)
        return [part.wanted for part in parts if part.wanted is not None]

    @property
    def share(self) -> tuple[int, int]:
        """How many calls are done, and how many are known to be in it."""
        done = total = 0
        for step in self.steps.values():
            parts = len(step.parts) or 1
            total += parts
            ended = sum(part.state == "succeeded" for part in step.parts)
            done += parts if step.finished else ended
        return done, total


def look(plan: Plan, inputs: Mapping[str, Any], known: Known) -> Standing:
    """Work out how each step stands.

    Parameters
    ----------
    inputs : all inputs of the run
    known : gives the child that was begun under a name, None where there is none
    """
    standing = Standing({})
    for step in plan.order:
        found = StepStanding(step)
        standing.steps[step.id] = found
        if all(standing.steps[name].finished for name in step.needs):
            scope = {"inputs": inputs}
            scope |= {name: standing.steps[name].seen for name in step.needs}
            try:
                _stand(found, scope, known)
            except InvalidInput as error:
                found.state, found.error = "failed", str(error)
    return standing


def _stand(found: StepStanding, scope: Mapping[str, Any], known: Known) -> None:
    step = found.step
    if step.when and not conditions.read(step.when).holds(scope):
        found.state = "skipped"
        return
    if _starves(step, scope):
        found.state = "skipped"
        return
    items = [None] if step.each is None else fill(step.each, scope)
    if not isinstance(items, list):
        raise InvalidInput(f"each: found {items!r:.60}, expected a list.")
    if len(items) > MAX_STEPS:
        raise InvalidInput(f"each: found {len(items):,} items, expected at most {MAX_STEPS:,}.")
    for index, item in enumerate(items):
        inner = dict(scope)
        name = step.id
        if step.each is not None:
            inner |= {"item": item, "index": index}
            name = f"{step.id}[{index}]"
        found.parts.append(_part(step, name, inner, known))
    states = {part.state for part in found.parts}
    found.state = next((state for state in _FOREMOST if state in states), "succeeded")
    found.error = next((part.error for part in found.parts if part.error), "")


def _starves(step: Step, scope: Mapping[str, Any]) -> bool:
    """Tell whether a step works with what a skipped step would have given."""
    given = (*step.data, *references(step.each))
    used = {path.root for path in given if path.parts[:1] == ("result",)} - OWN_WORDS
    return any(scope[name]["state"] == "skipped" for name in used)


def _names(name: str, attempts: int) -> Iterator[str]:
    yield name
    for number in range(2, attempts + 1):
        yield f"{name}/{number}"


def _part(step: Step, name: str, scope: Mapping[str, Any], known: Known) -> Part:
    part = Part()
    free = ""
    for attempt in _names(name, step.attempts):
        child = known(attempt)
        if child is None:
            free = free or attempt
            continue
        part.tries.append(child)
        if child.state == "succeeded":
            part.state, part.result = "succeeded", child.result
            return part
    last = part.tries[-1] if part.tries else None
    if last is not None and not last.ended:
        part.state = last.state  # type: ignore[assignment]
    elif last is not None and (last.state == "cancelled" or not free):
        part.state = last.state  # type: ignore[assignment]
        part.error = last.error or f"it {last.state}"
    else:
        try:
            part.wanted = _wanted(step, free, scope, part.tries)
        except InvalidInput as error:
            part.state, part.error = "failed", str(error)
    return part


def _wanted(step: Step, name: str, scope: Mapping[str, Any], tries: list[Child]) -> Wanted:
    if step.ask:
        asked = {"question": fill(step.ask, scope), "choices": fill(step.choices, scope)}
        return Wanted(step.id, name, ASK, asked, "", ())
    avoid = tuple(dict.fromkeys(child.ran_on for child in tries))
    avoid = () if step.agent else avoid
    return Wanted(step.id, name, step.capability, fill(step.params, scope), step.agent, avoid)
