"""The audit log over HTTP, and what becomes a row of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from fraktal_kernel.agents import audit
from fraktal_kernel.agents.audit import AuditView
from fraktal_kernel.server.body import INT64, StrictRoute
from fraktal_kernel.server.callers import Caller, Limit, ServedWorkbench, allowed, errors, require

router = APIRouter(prefix="/api/audit", tags=["audit"], route_class=StrictRoute)
#: What only looks is not written down.
LOOKS = {"GET", "HEAD", "OPTIONS"}


class AuditPage(BaseModel):
    """Rows of the audit log, newest first."""

    entries: list[AuditView]


@router.get(
    "",
    summary="Read the audit log",
    responses=errors(422),
    dependencies=[Depends(allowed("read"))],
)
def read(
    who: Caller,
    workbench: ServedWorkbench,
    everybody: Annotated[
        bool, Query(alias="all", description="Of all users; for administrators.")
    ] = False,
    limit: Limit = 100,
    before: Annotated[
        int | None, Query(ge=1, le=INT64.stop - 1, description="Only rows older than this number.")
    ] = None,
) -> AuditPage:
    """Tell who asked for what, when, and what came of it; a row is there within a second."""
    if everybody:
        require(who, "admin")
    owner_id = None if everybody else who.user_id
    return AuditPage(entries=audit.read(workbench.engine.database, owner_id, limit, before))


def action_of(scope: Any) -> tuple[str, str] | None:
    """Name what a request to the API wants done, and to what; None where it only looks.

    A route may say more of the subject in ``request.state.subject``.
    """
    route = scope.get("route")
    if route is None or scope["method"] in LOOKS or not scope["path"].startswith("/api/"):
        return None
    domain = (getattr(route, "tags", None) or ["api"])[0]
    name = str(getattr(route, "name", "")).replace("_", " ")
    places = scope.get("path_params") or {}
    subject = scope["state"].get("subject") or " ".join(str(value) for value in places.values())
    return f"{domain}.{name}", subject[:200]
