"""Jobs over HTTP: submit, list, look at, cancel, retry, answer, read the log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fraktal_kernel.core.jobs.model import JobOptions, JobView, LogLine, State
from fraktal_kernel.core.jobs.service import MAX_ATTEMPTS, MAX_PRIORITY, MAX_SECONDS
from fraktal_kernel.core.tracing.model import Timeline
from fraktal_kernel.server.body import INT64, StrictRoute
from fraktal_kernel.server.callers import Caller, Limit, Number, OwnJobs, allowed, errors, require

router = APIRouter(prefix="/api/jobs", tags=["jobs"], route_class=StrictRoute)


class JobRequest(BaseModel):
    """A job to be done."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "capability": "fractal.render",
                    "params": {"scene": "seahorse", "width": 1920, "height": 1080},
                    "key": "seahorse-for-the-hall",
                }
            ]
        },
    )

    capability: str = Field(min_length=1, max_length=200, description="The capability's name.")
    params: dict[str, Any] = Field(
        default_factory=dict, description="Its parameters; GET /api/capabilities/NAME has them."
    )
    key: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Submitting the same key again gives the job that is there already.",
    )
    priority: int = Field(
        0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="The highest goes first."
    )
    delay_s: float = Field(
        0, ge=0, le=MAX_SECONDS, description="Seconds to wait before the first try."
    )
    timeout_s: float | None = Field(
        None,
        ge=0.001,
        le=MAX_SECONDS,
        description="Seconds a try may take; by default the capability's.",
    )
    max_attempts: int | None = Field(
        None,
        ge=1,
        le=MAX_ATTEMPTS,
        description="Tries before it has failed; by default the capability's.",
    )
    agent: str = Field(
        "", max_length=60, description="Name of the agent that has to do it; empty for anybody."
    )


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobView]


class Answer(BaseModel):
    """A person's answer to what a job asked."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"choice": "yes"}]})

    choice: str = Field(max_length=1000, description="One of the question's choices.")


class Children(BaseModel):
    """The jobs that a job has begun, by the names that it gave them."""

    children: dict[str, JobView]


class Log(BaseModel):
    """A job's log, oldest line first."""

    log: list[LogLine]


@router.post(
    "",
    status_code=201,
    summary="Submit a job",
    responses={
        200: {"model": JobView, "description": "The key was known: this is its job."},
        **errors(409, 413, 422),
    },
)
def submit(
    request: JobRequest, who: Caller, jobs: OwnJobs, http: Request, response: Response
) -> JobView:
    """Queue a job of one capability with the parameters given.

    A ``traceparent`` header makes it a part of the caller's trace.
    """
    http.state.subject = request.capability
    require(who, f"jobs:{request.capability}")
    options = JobOptions(
        key=request.key,
        priority=request.priority,
        delay_s=request.delay_s,
        timeout_s=request.timeout_s,
        max_attempts=request.max_attempts,
        agent=request.agent,
        traceparent=http.headers.get("traceparent", ""),
    )
    job, new = jobs.submit_new(request.capability, request.params, options)
    http.state.subject = f"{job.id} {job.capability}"
    if not new:
        response.status_code = 200
    return job


@router.get(
    "",
    summary="List one's jobs",
    responses=errors(422),
    dependencies=[Depends(allowed("read"))],
)
def list_jobs(
    jobs: OwnJobs,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    limit: Limit = 50,
    before: Annotated[
        int | None,
        Query(ge=1, le=INT64.stop - 1, description="Only jobs older than this number."),
    ] = None,
) -> JobList:
    """List jobs, newest first; the last number of a page as ``before`` gives the next one."""
    return JobList(jobs=jobs.list(state, limit, before))


@router.get(
    "/{job_id}",
    summary="Look at a job",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("read"))],
)
def get(job_id: Number, jobs: OwnJobs) -> JobView:
    """Tell how a job stands, with its result or its error."""
    return jobs.get(job_id)


@router.delete("/{job_id}", summary="Cancel a job", responses=errors(404, 409, 422))
def cancel(job_id: Number, who: Caller, jobs: OwnJobs) -> JobView:
    """Stop a job that has not ended; its log and artifacts stay."""
    require(who, f"jobs:{jobs.get(job_id).capability}")
    return jobs.cancel(job_id)


@router.post("/{job_id}/retry", summary="Retry a job", responses=errors(404, 409, 422))
def retry(job_id: Number, who: Caller, jobs: OwnJobs) -> JobView:
    """Queue a failed or cancelled job again; its finished steps are not done twice."""
    require(who, f"jobs:{jobs.get(job_id).capability}")
    return jobs.retry(job_id)


@router.post("/{job_id}/discard", summary="Discard a failed job", responses=errors(404, 409, 422))
def discard(job_id: Number, who: Caller, jobs: OwnJobs) -> JobView:
    """Put a failed job away: it stays as it is, and is no longer among the dead letters."""
    require(who, f"jobs:{jobs.get(job_id).capability}")
    return jobs.discard(job_id)


@router.post("/{job_id}/restore", summary="Take a discard back", responses=errors(404, 409, 422))
def restore(job_id: Number, who: Caller, jobs: OwnJobs) -> JobView:
    """Put a discarded job among the dead letters again."""
    require(who, f"jobs:{jobs.get(job_id).capability}")
    return jobs.restore(job_id)


@router.post("/{job_id}/answer", summary="Answer a job", responses=errors(404, 409, 413, 422))
def answer(job_id: Number, given: Answer, who: Caller, jobs: OwnJobs) -> JobView:
    """Answer the question of a waiting job, which then goes on.

    Whether something happened that cannot be taken back is for those to say who may approve.
    """
    job = jobs.get(job_id)
    require(who, f"jobs:{job.capability}")
    if job.question is not None and job.question.effect:
        require(who, "approve")
    return jobs.answer(job_id, given.choice)


@router.get(
    "/{job_id}/children",
    summary="List what a job has begun",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("read"))],
)
def children(job_id: Number, jobs: OwnJobs) -> Children:
    """Return the jobs that a job has begun, by the names that it gave them."""
    return Children(children=jobs.children(job_id))


@router.get(
    "/{job_id}/spans",
    summary="See what took a job's time",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("read"))],
)
def spans(job_id: Number, jobs: OwnJobs) -> Timeline:
    """Return waits, attempts, steps, questions to models and people, and the same of its jobs."""
    return jobs.spans(job_id)


@router.get(
    "/{job_id}/log",
    summary="Read a job's log",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("read"))],
)
def log(job_id: Number, jobs: OwnJobs) -> Log:
    """Return all lines, oldest first; live ones come over the events."""
    return Log(log=jobs.log(job_id))
