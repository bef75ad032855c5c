"""Whether the workbench lives, and its numbers for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from fraktal_kernel.core.monitoring import metrics
from fraktal_kernel.core.monitoring.alerts import Alert
from fraktal_kernel.server.callers import Caller, ServedWorkbench, Visitor, allowed, errors

router = APIRouter(tags=["health"])


@router.get(
    "/api/health",
    summary="Does it live",
    responses={
        200: {
            "description": "Database, store and workers answer.",
            "content": {"application/json": {"example": {"ok": True}}},
        },
        503: {"description": "One of them does not; the body says which."},
    },
)
def health(who: Visitor, workbench: ServedWorkbench, response: Response) -> dict[str, Any]:
    """Tell whether database, store and workers answer; open to all."""
    found = workbench.health()
    response.status_code = 200 if found["ok"] else 503
    if who is not None:
        return found
    # The sentences name hosts and folders, which are nobody else's business.
    return {part: "does not answer" if _is_sentence(said) else said for part, said in found.items()}


def _is_sentence(said: object) -> bool:
    return isinstance(said, str) and said != "ok"


class Alerts(BaseModel):
    """What somebody should look at now, the most urgent first."""

    alerts: list[Alert]


@router.get(
    "/api/alerts",
    summary="What needs a look",
    responses=errors(),
    dependencies=[Depends(allowed("read"))],
)
def alerts(who: Caller, workbench: ServedWorkbench) -> Alerts:
    """Say which alerts hold: of the workbench as a whole, and of one's own agents and plans."""
    mine = (None, who.user_id)
    return Alerts(alerts=[each for each in workbench.engine.alerts() if each.owner_id in mine])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}},
        **errors(),
    },
    dependencies=[Depends(allowed("read"))],
)
def numbers() -> Response:
    """Return all metrics in Prometheus' text format."""
    text, media_type = metrics.render()
    return Response(text, media_type=media_type)
