"""Runs a plan: begins what can be begun, and lets go of the worker until something has ended.

It keeps nothing but its children. Taken up again, after a child's end or a crash, it works out
how the plan stands and goes on from there; what has succeeded is never asked for again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from fraktal_kernel.agents.plans.model import Plan
from fraktal_kernel.agents.plans.standing import ASK, Standing, StepStanding, Wanted, look
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.run import Child, Run
from fraktal_kernel.errors import InvalidInput, JobFailed

#: How much JSON the results of all steps may be within the plan's own; its jobs have the rest.
RESULT_BYTES = 900_000


class StepResult(BaseModel):
    """How a step ended.

    ``result`` is null, and ``left_out`` true, where it is too large to stand here; its job has it.
    """

    state: str
    result: Any
    job: int | list[int | None] | None
    attempts: int
    cost: float
    left_out: bool = False


class PlanResult(BaseModel):
    """How each step of a plan ended."""

    steps: dict[str, StepResult]


def carry_out(plan: Plan, inputs: Mapping[str, Any], run: Run) -> PlanResult:
    """Do all steps of a plan.

    When a step has failed for good, when the time is over or the cost too high, no more is
    begun: what runs comes to its end (but for a time that is over), what only waits is cancelled.

    Raises
    ------
    JobFailed
        which step, and why
    """
    deadline = None if plan.time_limit_s is None else run.began + plan.time_limit_s
    refused: dict[str, str] = {}
    while True:
        standing = look(plan, inputs, run.known)
        for name, why in refused.items():
            standing.steps[name].state, standing.steps[name].error = "failed", why
        if standing.finished:
            return _result(standing)
        done, total = standing.share
        run.progress(done / total, f"{done} of {total} steps")
        trouble = _trouble(plan, standing, deadline)
        if trouble:
            # What is stopped now will look as if it had gone wrong too; the first word holds.
            first = run.step(f"trouble since {run.began!r}", partial(str, trouble))
            _wind_up(standing, run, deadline)
            raise JobFailed(first)
        begun = _begin(plan, standing, run, refused)
        if not refused and not any(child.ended for child in begun):
            run.pause(deadline)


def _begin(plan: Plan, standing: Standing, run: Run, refused: dict[str, str]) -> list[Child]:
    """Begin what there is room for; those that wait for a person take none."""
    room = plan.at_once - sum(child.state != "waiting" for child in standing.under_way)
    begun = []
    for wanted in standing.wanted:
        if not _waits_at_once(wanted):
            if room <= 0:
                continue
            room -= 1
        try:
            begun.append(_begin_one(plan, wanted, run))
        except InvalidInput as error:  # what another step gave does not fit
            refused.setdefault(wanted.step, str(error))
    return begun


def _waits_at_once(wanted: Wanted) -> bool:
    return wanted.capability == ASK or bool(capabilities[wanted.capability].effect)


def _begin_one(plan: Plan, wanted: Wanted, run: Run) -> Child:
    return run.begin(
        wanted.capability,
        wanted.params,
        name=wanted.name,
        agent=wanted.agent,
        avoid=wanted.avoid,
        asked_by=f"plan {plan.name!r}, step {wanted.step!r}",
    )


def _trouble(plan: Plan, standing: Standing, deadline: float | None) -> str:
    """Say why nothing more may be begun, empty where it may."""
    if standing.failed:
        first, *others = standing.failed
        return _why(first) + (f" {len(others)} others failed too." if others else "")
    left = f"not finished: {_some([n for n, step in standing.steps.items() if not step.finished])}"
    if deadline is not None and time.time() >= deadline:
        return f"the plan took longer than its limit of {plan.time_limit_s:g} s; {left}."
    if plan.cost_limit is not None and standing.cost > plan.cost_limit:
        return (
            f"the plan has cost {standing.cost:g}, more than its limit of {plan.cost_limit:g}; "
            f"{left}."
        )
    return ""


def _why(step: StepStanding) -> str:
    bad = [part for part in step.parts if part.state in ("failed", "cancelled")]
    error = step.error.rstrip(".")
    if not bad or not bad[0].tries:
        return f"step {step.step.id!r} failed: {error}."
    job, times = bad[0].tries[-1].id, len(bad[0].tries)
    tried = f", tried {times} times" if times > 1 else ""
    more = f"; {len(bad) - 1} more of its calls failed" if len(bad) > 1 else ""
    state = bad[0].tries[-1].state
    verb = "was cancelled" if state == "cancelled" else "failed"
    return f"step {step.step.id!r} {verb} (job {job}{tried}): {error}{more}."


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _wind_up(standing: Standing, run: Run, deadline: float | None) -> None:
    """Stop what waits, and wait for what runs; where the time is over, stop that too."""
    over = deadline is not None and time.time() >= deadline
    idle = [child for child in standing.under_way if over or child.state != "running"]
    if idle:
        run.stop(idle)
    if len(idle) < len(standing.under_way):
        run.pause(deadline)


def _result(standing: Standing) -> PlanResult:
    results = {
        name: StepResult(
            state=step.state,
            result=step.result,
            job=step.job,
            attempts=len(step.children),
            cost=sum(child.cost for child in step.children),
        )
        for name, step in standing.steps.items()
    }
    sizes = {name: len(json.dumps(result.result)) for name, result in results.items()}
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if total <= RESULT_BYTES:
            break
        results[name].result, results[name].left_out = None, True
        total -= sizes[name]
    return PlanResult(steps=results)
