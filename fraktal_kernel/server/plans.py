"""Plans over HTTP: how each step stands, ready to be drawn. To run one, submit ``plan.run``."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from fraktal_kernel.agents.plans.picture import Graph, graph
from fraktal_kernel.server.body import StrictRoute
from fraktal_kernel.server.callers import Number, OwnJobs, allowed, errors

router = APIRouter(prefix="/api/plans", tags=["plans"], route_class=StrictRoute)


@router.get(
    "/{job_id}",
    summary="Draw a plan",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("read"))],
)
def get(job_id: Number, jobs: OwnJobs) -> Graph:
    """Tell where each step of a plan stands in the drawing, how it goes, what leads to it."""
    return graph(jobs.get(job_id), jobs.children(job_id))
