"""The list of language models over HTTP. To try one, submit a job of ``chat.try_model``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from fraktal_kernel.agents.models.keeper import LocalModels, ModelList, NewList, subject_of
from fraktal_kernel.server.body import StrictRoute
from fraktal_kernel.server.callers import Caller, ServedWorkbench, allowed, errors

router = APIRouter(prefix="/api/models", tags=["models"], route_class=StrictRoute)
ADMIN = [Depends(allowed("admin"))]


def own_models(who: Caller, workbench: ServedWorkbench) -> LocalModels:
    """Return the list as the caller sees it; the gate writes the audit log."""
    return LocalModels(workbench.as_user(who.user_id), audited=True)


TheModels = Annotated[LocalModels, Depends(own_models)]


@router.get(
    "", summary="List models", responses=errors(422), dependencies=[Depends(allowed("read"))]
)
def list_models(models: TheModels) -> ModelList:
    """List the language models in the order in which they are asked, and how each fares."""
    return models.list()


@router.put("", summary="Change the models", responses=errors(409, 413, 422), dependencies=ADMIN)
def put(given: NewList, models: TheModels, request: Request) -> ModelList:
    """Make another list of it, from the next question on; the one before can be brought back."""
    request.state.subject = subject_of(given.models)
    return models.put(given.models, given.version)


@router.post("/undo", summary="Take a change back", responses=errors(409, 422), dependencies=ADMIN)
def undo(models: TheModels, request: Request) -> ModelList:
    """Take the last change of the list back; once more brings it again."""
    found = models.undo()
    request.state.subject = subject_of(found.models)
    return found
