"""Approvals over HTTP: what waits for a person, and the answers.

To look needs ``read``, to answer needs ``approve``: a program that may submit jobs does not
say yes to its own requests.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from fraktal_kernel.core.jobs.approvals import NOTE_CHARS, LocalApprovals
from fraktal_kernel.core.jobs.model import ApprovalView
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.server.body import StrictRoute
from fraktal_kernel.server.callers import Caller, Limit, Number, ServedWorkbench, allowed, errors

router = APIRouter(prefix="/api/approvals", tags=["approvals"], route_class=StrictRoute)


def own_approvals(who: Caller, workbench: ServedWorkbench) -> LocalApprovals:
    """Return what waits for the caller; nobody sees what waits for others."""
    return workbench.as_user(who.user_id).approvals


OwnApprovals = Annotated[LocalApprovals, Depends(own_approvals)]


class ApprovalList(BaseModel):
    """What waits for a person, or waited."""

    approvals: list[ApprovalView]


class Yes(BaseModel):
    """A person's yes."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [{"digest": "9f86d0...", "note": "only this once"}],
            "required": ["digest"],
        },
    )

    digest: str | None = Field(
        None, max_length=64, description="Of the arguments that were seen; others are refused."
    )
    params: dict[str, Any] | None = Field(
        None, description="All arguments of the job, where they are to be others than asked for."
    )
    note: str = Field("", max_length=NOTE_CHARS, description="Words to go with it.")


class No(BaseModel):
    """A person's no."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"note": "not on a Friday"}]}
    )

    note: str = Field("", max_length=NOTE_CHARS, description="Why; whoever asked is told.")


@router.get(
    "",
    summary="List what waits for a person",
    responses=errors(422),
    dependencies=[Depends(allowed("read"))],
)
def list_approvals(
    approvals: OwnApprovals,
    every: Annotated[bool, Query(description="Also what was answered, newest first.")] = False,
    limit: Limit = 100,
) -> ApprovalList:
    """List approvals and questions that are open, oldest first."""
    return ApprovalList(approvals=approvals.list(every, limit))


@router.get(
    "/{approval_id}",
    summary="Look at an approval",
    responses=errors(404, 422),
    dependencies=[Depends(allowed("read"))],
)
def get(approval_id: Number, approvals: OwnApprovals) -> ApprovalView:
    """Tell what would be done, to what, and who asks for it."""
    return approvals.get(approval_id)


@router.post(
    "/{approval_id}/approve",
    summary="Approve",
    responses=errors(404, 409, 413, 422),
    dependencies=[Depends(allowed("approve"))],
    openapi_extra={"requestBody": {"required": True}},
)
def approve(approval_id: Number, approvals: OwnApprovals, given: Yes | None = None) -> ApprovalView:
    """Say yes to exactly these arguments, once; the job is queued."""
    asked = approvals.get(approval_id)
    if given is None or given.digest is None:
        raise InvalidInput(
            f"digest: missing, and needed; send the 'digest' that GET /api/approvals/{asked.id} "
            "shows, for a yes is bound to the arguments that were seen."
        )
    return approvals.approve(approval_id, given.params, given.note, digest=given.digest)


@router.post(
    "/{approval_id}/deny",
    summary="Deny",
    responses=errors(404, 409, 413, 422),
    dependencies=[Depends(allowed("approve"))],
)
def deny(approval_id: Number, approvals: OwnApprovals, given: No | None = None) -> ApprovalView:
    """Say no; the job is cancelled."""
    return approvals.deny(approval_id, (given or No()).note)
