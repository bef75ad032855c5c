"""A plan as a capability, so that it is a job like any other; and the question that it may ask."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from fraktal_kernel.agents.plans.check import check
from fraktal_kernel.agents.plans.model import Plan
from fraktal_kernel.agents.plans.orchestrator import PlanResult, carry_out
from fraktal_kernel.core.capability import Run, capability
from fraktal_kernel.errors import FraktalError

_EXAMPLE: dict[str, Any] = {
    "plan": {
        "name": "two views",
        "inputs": {"scenes": ["seahorse", "julia_dragon"]},
        "steps": [
            {
                "id": "draw",
                "capability": "fractal.render",
                "each": "${inputs.scenes}",
                "params": {"scene": "${item}", "width": 320, "height": 240},
            },
            {"id": "good", "ask": "Are they good?", "choices": ["yes", "no"], "after": ["draw"]},
        ],
    }
}


class PlanParams(BaseModel):
    """Which plan to run, and with what."""

    model_config = ConfigDict(extra="forbid")

    plan: Plan = Field(title="Plan", description="Its steps and bounds.")
    inputs: dict[str, Any] = Field(
        default_factory=dict, title="Inputs", description="Values in place of the plan's own."
    )

    @model_validator(mode="after")
    def _fit(self, info: ValidationInfo) -> PlanParams:
        # A job's own process looks once only, as a step, before anything is begun.
        if (info.context or {}).get("roots", ()) != ():
            try:
                check(self.plan, self.inputs)
            except FraktalError as error:
                raise ValueError(str(error)) from None
        return self


@capability("plan.run", title="Run a plan", examples=[_EXAMPLE])
def run_plan(params: PlanParams, run: Run) -> PlanResult:
    """Call capabilities as a graph says, side by side, with inputs from one another.

    What has succeeded is kept: a plan that failed goes on from there when it is retried.
    """
    inputs = run.step("checked", lambda: check(params.plan, params.inputs))
    return carry_out(params.plan, inputs, run)


class Question(BaseModel):
    """What to ask a person, and what may be answered."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(title="Question", min_length=1, max_length=1000)
    choices: list[str] = Field(["yes", "no"], title="Choices", min_length=1, max_length=20)


@capability("plan.ask", title="Ask a person", examples=[{"question": "Publish it?"}])
def ask_person(params: Question, run: Run) -> str:
    """Wait for a person's answer without holding a worker, and return it."""
    return run.ask(params.question, params.choices)
