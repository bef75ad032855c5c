"""The door check of a plan: capabilities, inputs and every parameter that is known by now.

Nothing runs before all of it is found right, so that a plan of hours does not fail at its end
for a word that was mistyped at its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from fraktal_kernel.agents.plans.model import MAX_STEPS, Plan, Step, too_many
from fraktal_kernel.agents.plans.paths import UNKNOWN, NotYet, Path, fill, look_up
from fraktal_kernel.core.capability import Capability, capabilities
from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.core.jobs.model import AGENT_NAME
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_kernel.registry import unknown_name

#: the capability that runs a plan as a step of another
NESTED = "plan.run"


def check(plan: Plan, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Hold a plan to what its capabilities take; their parameters cannot name files.

    Parameters
    ----------
    inputs : given for this run, over those of the plan

    Returns
    -------
    all inputs of the run

    Raises
    ------
    InvalidInput
        with one sentence that names the step
    """
    given = _all_inputs(plan, inputs)
    _check_steps(plan, given)
    return given


def _all_inputs(plan: Plan, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Put the inputs of a run over those of the plan; none may be missing or unknown to it."""
    used = {
        str(path.parts[0])
        for step in plan.steps
        for path in step.paths
        if path.root == "inputs" and path.parts
    }
    for name in inputs:
        if name not in plan.inputs and name not in used:
            raise unknown_name("input of the plan", name, sorted(used | set(plan.inputs)))
    given = {**plan.inputs, **inputs}
    missing = sorted(used - set(given))
    if missing:
        raise InvalidInput(
            f"the plan needs the input{'s' * (len(missing) > 1)} {', '.join(missing)}; give "
            "each with -p NAME=VALUE, or write it into inputs."
        )
    return given


def _check_steps(plan: Plan, given: Any) -> int:
    """Check all steps with these inputs; returns how many calls are known to come of them."""
    scope = {"inputs": given, **dict.fromkeys(plan.by_id, UNKNOWN)}
    count = 0
    for step in plan.steps:
        try:
            count += _check_step(step, scope)
        except FraktalError as error:
            raise InvalidInput(f"step {step.id!r}: {error}") from None
    if count > MAX_STEPS:
        raise InvalidInput(f"{too_many(count)}.")
    return count


def _check_step(step: Step, scope: Mapping[str, Any]) -> int:
    """Check a step; returns how many calls are known to come of it."""
    for path in step.decided_by:
        _known(path, scope)
    if step.agent and not re.fullmatch(AGENT_NAME, step.agent):
        raise InvalidInput(f"agent: given {step.agent!r}, expected a name such as 'gpu-box'.")
    if step.ask:
        for path in step.data:
            if path.root not in ("item", "index"):
                _known(path, scope)
        return sum(1 for _ in _items(step, scope))
    wanted = capabilities[step.capability]
    if wanted.effect and step.attempts > 1:
        raise InvalidInput(
            f"attempts: {wanted.name} {wanted.effect}, which is tried once only; leave it out."
        )
    calls = inner = 0
    for item in _items(step, scope):
        here = {**scope, **item}
        _check_params(wanted, step.params, here)
        # Plans within plans multiply: what is left out here is checked before it begins.
        if wanted.name == NESTED and inner <= MAX_STEPS:
            inner += _check_nested(step.params, here)
        calls += 1
    return calls


def _check_nested(params: Mapping[str, Any], scope: Mapping[str, Any]) -> int:
    """Check the plan that a step runs, where it waits for no result; its inputs may."""
    try:
        plan = Plan.model_validate(fill(params["plan"], scope))
    except NotYet:
        return 0
    inputs = params.get("inputs", {})
    if isinstance(inputs, Mapping):
        given = {name: _filled(value, scope) for name, value in inputs.items()}
        return _check_steps(plan, _all_inputs(plan, given))
    given = _filled(inputs, scope)
    return _check_steps(plan, given if given is UNKNOWN else _all_inputs(plan, given))


def _filled(value: Any, scope: Mapping[str, Any]) -> Any:
    try:
        return fill(value, scope)
    except NotYet:
        return UNKNOWN


def _known(path: Path, scope: Mapping[str, Any]) -> None:
    try:
        look_up(path, scope)
    except NotYet:
        pass


def _items(step: Step, scope: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give what ``item`` and ``index`` are, one after the other, as far as that is known."""
    if step.each is None:
        yield {}
        return
    try:
        items = fill(step.each, scope)
    except NotYet:
        yield {"item": UNKNOWN, "index": UNKNOWN}
        return
    if not isinstance(items, list):
        raise InvalidInput(f"each: given {items!r:.60}, expected a list.")
    if len(items) > MAX_STEPS:
        raise InvalidInput(f"each: given {len(items):,} items, expected at most {MAX_STEPS:,}.")
    for index, item in enumerate(items):
        yield {"item": item, "index": index}


def _check_params(
    wanted: Capability,
    params: Mapping[str, Any],
    scope: Mapping[str, Any],
) -> None:
    known, later = {}, set()
    for name, value in params.items():
        try:
            known[name] = fill(value, scope)
        except NotYet:
            later.add(name)
    if not later:
        wanted.validate(known)
        return
    fields = wanted.params_type.model_fields
    for name in params:
        if name not in fields:
            raise unknown_name(f"parameter of {wanted.name}", name, list(fields))
    try:
        wanted.params_type.model_validate(known, context={"roots": ()})
    except ValidationError as error:
        # What waits for a result is missing now, and so may be what lies between several.
        faults = [
            fault
            for fault in error.errors(include_url=False)
            if fault["loc"] and fault["loc"][0] not in later
        ]
        if faults:
            raise InvalidInput(sentence_of(faults)) from None
