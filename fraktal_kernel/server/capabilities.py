"""What the workbench can do, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.errors import NotFound, UnknownName
from fraktal_kernel.server.callers import allowed, errors

router = APIRouter(
    prefix="/api/capabilities", tags=["capabilities"], dependencies=[Depends(allowed("read"))]
)


class NeedsView(BaseModel):
    """What a capability takes from the machine that runs it."""

    cores: int
    memory_bytes: int
    gpu: bool


class CapabilityView(BaseModel):
    """Everything that is needed to call a capability."""

    name: str
    title: str
    description: str
    schema_: dict[str, Any] = Field(alias="schema", description="JSON schema of the parameters.")
    needs: NeedsView
    timeout_s: float | None
    max_attempts: int
    examples: list[dict[str, Any]] = Field(description="Parameters to begin with.")


class CapabilityList(BaseModel):
    """All capabilities, by name."""

    capabilities: list[CapabilityView]


@router.get("", summary="List the capabilities", responses=errors())
def list_capabilities() -> CapabilityList:
    """List every capability with the JSON schema of its parameters."""
    return CapabilityList(
        capabilities=[
            CapabilityView.model_validate(capabilities[name].describe())
            for name in sorted(capabilities)
        ]
    )


@router.get("/{name}", summary="Look at a capability", responses=errors(404, 422))
def get(
    name: Annotated[str, Path(max_length=200, description="Such as fractal.render.")],
) -> CapabilityView:
    """Return one capability with the JSON schema of its parameters."""
    try:
        return CapabilityView.model_validate(capabilities[name].describe())
    except UnknownName as error:
        raise NotFound(str(error)) from None
