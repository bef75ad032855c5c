"""A plan as a drawing: where each step stands, what leads to it, how it goes; plain data.

Steps stand from left to right, each one layer behind the last that it waits for (the longest
path), and within a layer near those that lead to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel

from fraktal_kernel.agents.plans.model import Plan
from fraktal_kernel.agents.plans.standing import State, StepStanding, look
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.jobs.model import JobView
from fraktal_kernel.core.run import Child
from fraktal_kernel.errors import FraktalError, InvalidInput


class Node(BaseModel):
    """One step: what it is, where it stands in the drawing, how it goes.

    ``done`` of ``calls`` are succeeded; ``waits_for`` says what a waiting one waits for.
    """

    id: str
    capability: str
    ask: str
    effect: str
    layer: int
    row: int
    state: State
    error: str
    jobs: list[int]
    attempts: int
    calls: int
    done: int
    progress: float
    waits_for: Literal["", "approval", "question", "jobs"]
    cost: float
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None


class Edge(BaseModel):
    """One step leads to another: by its ``data``, or by ``order`` alone."""

    start: str
    end: str
    kind: Literal["data", "order"]


class Graph(BaseModel):
    """A plan's job as a drawing."""

    job: int
    name: str
    state: str
    error: str | None
    progress: float
    cost: float
    cost_limit: float | None
    time_limit_s: float | None
    layers: int
    nodes: list[Node]
    edges: list[Edge]


def graph(view: JobView, children: Mapping[str, JobView]) -> Graph:
    """Draw a plan's job.

    Parameters
    ----------
    children : the jobs that it has begun, by name

    Raises
    ------
    InvalidInput
        the job is no plan
    """
    if view.capability != "plan.run":
        raise InvalidInput(f"job {view.id} is a {view.capability}, expected a plan's job.")
    plan = Plan.model_validate(view.params["plan"])
    inputs = {**plan.inputs, **view.params["inputs"]}

    def known(name: str) -> Child | None:
        child = children.get(name)
        if child is None:
            return None
        return Child(child.id, child.state, child.result, child.error, child.cost, child.ran_on)

    standing = look(plan, inputs, known)
    layer, row = _places(plan)
    jobs = {child.id: child for child in children.values()}
    nodes = [
        _node(standing.steps[step.id], layer[step.id], row[step.id], jobs) for step in plan.steps
    ]
    return Graph(
        job=view.id,
        name=plan.name,
        state=view.state,
        error=view.error,
        progress=view.progress,
        cost=view.cost,
        cost_limit=plan.cost_limit,
        time_limit_s=plan.time_limit_s,
        layers=max(layer.values()) + 1,
        nodes=nodes,
        edges=_edges(plan),
    )


def _places(plan: Plan) -> tuple[dict[str, int], dict[str, int]]:
    """Give each step its layer and its row there."""
    layer: dict[str, int] = {}
    for step in plan.order:
        layer[step.id] = 1 + max((layer[name] for name in step.needs), default=-1)
    row: dict[str, int] = {}
    inside: dict[int, list[str]] = {}
    for step in plan.steps:
        inside.setdefault(layer[step.id], []).append(step.id)
    for number in sorted(inside):

        def middle(name: str) -> float:
            above = [row[need] for need in plan.by_id[name].needs]
            return sum(above) / len(above) if above else 0.0

        for place, name in enumerate(sorted(inside[number], key=middle)):
            row[name] = place
    return layer, row


def _edges(plan: Plan) -> list[Edge]:
    edges = []
    for step in plan.steps:
        used = {path.root for path in step.paths}
        for name in step.needs:
            kind: Literal["data", "order"] = "data" if name in used else "order"
            edges.append(Edge(start=name, end=step.id, kind=kind))
    return edges


def _node(found: StepStanding, layer: int, row: int, jobs: Mapping[int, JobView]) -> Node:
    step = found.step
    views = [jobs[child.id] for child in found.children]
    started = min((v.started_at for v in views if v.started_at), default=None)
    ends = [view.ended_at for view in views]
    ended = max((e for e in ends if e), default=None) if ends and all(ends) else None
    until = ended or datetime.now(UTC)
    calls = len(found.parts) or (len(step.each) if isinstance(step.each, list) else 1)
    done = sum(part.state == "succeeded" for part in found.parts)
    latest = [jobs[part.tries[-1].id].progress for part in found.parts if part.tries]
    return Node(
        id=step.id,
        capability=step.capability,
        ask=step.ask,
        effect=_effect(step.capability),
        layer=layer,
        row=row,
        state=found.state,
        error=found.error,
        jobs=[view.id for view in views],
        attempts=max((len(part.tries) for part in found.parts), default=0),
        calls=calls,
        done=done,
        progress=min(1.0, sum(latest) / calls) if calls else 1.0,
        waits_for=_waits_for(views),
        cost=sum(view.cost for view in views),
        started_at=started,
        ended_at=ended,
        duration_s=(until - started).total_seconds() if started else None,
    )


def _waits_for(views: list[JobView]) -> Literal["", "approval", "question", "jobs"]:
    waiting = [view for view in views if view.state == "waiting"]
    if not waiting:
        return ""
    if any(view.question for view in waiting):
        return "question"
    return "approval" if any(view.effect and not view.started_at for view in waiting) else "jobs"


def _effect(capability: str) -> str:
    try:
        return capabilities[capability].effect if capability else ""
    except FraktalError:
        return ""


def as_rows(drawn: Graph) -> list[tuple[Any, ...]]:
    """Lay a drawing out as rows of a table, each step moved in by its layer."""
    rows = []
    for node in sorted(drawn.nodes, key=lambda node: (node.layer, node.row)):
        what = node.capability or f"asks: {node.ask}"
        state = f"{node.state} ({node.waits_for})" if node.waits_for else node.state
        if node.calls != 1:
            state += f", {node.done} of {node.calls}"
        before = [edge.start for edge in drawn.edges if edge.end == node.id]
        jobs = ", ".join(map(str, node.jobs[:5])) + (" ..." if len(node.jobs) > 5 else "")
        rows.append(("  " * node.layer + node.id, what, state, node.duration_s, jobs, before))
    return rows
