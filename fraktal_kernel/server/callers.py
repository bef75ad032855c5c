"""What a route knows of its caller: the principal that the gate found, and their jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from fraktal_kernel.core.jobs.service import LocalJobs
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.security import Principal
from fraktal_kernel.core.values import LISTED_MAX
from fraktal_kernel.errors import NotAllowed
from fraktal_kernel.server.body import INT64


class ErrorBody(BaseModel):
    """What every error looks like."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"error": "width: given 0; input should be greater than or equal to 1."}]
        }
    }

    error: str


MEANING = {
    400: "The request cannot be understood.",
    401: "Nobody was recognised.",
    403: "Recognised, but not for this; or called from a foreign page.",
    404: "There is nothing of that name or number, or it is somebody else's.",
    409: "The state does not allow it.",
    413: "The request body is too large.",
    422: "What was given cannot be used; the sentence says what was expected.",
    429: "Too many failed sign-ins, or too many requests with one token.",
    503: "The database, the store or the workers do not answer now.",
}
Responses = dict[int | str, dict[str, object]]


def errors(*statuses: int) -> Responses:
    """Describe the errors of a route for OpenAPI; every route has 401, 403 and 503."""
    shown = sorted({400, 401, 403, 503, *statuses})
    return {status: {"model": ErrorBody, "description": MEANING[status]} for status in shown}


def workbench_of(connection: HTTPConnection) -> LocalWorkbench:
    """Return the workbench that this server serves."""
    workbench: LocalWorkbench = connection.app.state.workbench
    return workbench


def visitor(connection: HTTPConnection) -> Principal | None:
    """Return whom the gate recognised; None only at what is open to all."""
    principal: Principal | None = connection.state.principal
    return principal


def caller(principal: Annotated[Principal | None, Depends(visitor)]) -> Principal:
    """Return whom the gate recognised, at what is open to nobody else."""
    assert principal is not None, "the gate lets nobody through here unrecognised"
    return principal


def require(principal: Principal, scope: str) -> None:
    """Raise NotAllowed where the caller lacks a scope."""
    if not principal.allows(scope):
        held = ", ".join(sorted(principal.scopes)) or "none"
        raise NotAllowed(f"this needs the scope {scope!r}, and the token has: {held}.")


def allowed(scope: str) -> Callable[[Principal], Principal]:
    """Make the dependency that lets only callers with a scope through."""

    def check(principal: Annotated[Principal, Depends(caller)]) -> Principal:
        require(principal, scope)
        return principal

    return check


def own_jobs(
    principal: Annotated[Principal, Depends(caller)],
    workbench: Annotated[LocalWorkbench, Depends(workbench_of)],
) -> LocalJobs:
    """Return the caller's jobs; nobody sees those of others."""
    return workbench.as_user(principal.user_id).jobs


Visitor = Annotated[Principal | None, Depends(visitor)]
Caller = Annotated[Principal, Depends(caller)]
OwnJobs = Annotated[LocalJobs, Depends(own_jobs)]
ServedWorkbench = Annotated[LocalWorkbench, Depends(workbench_of)]
Number = Annotated[int, Path(ge=1, le=INT64.stop - 1, description="Its number.")]
Limit = Annotated[int, Query(ge=1, le=LISTED_MAX, description="At most so many.")]
