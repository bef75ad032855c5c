"""Widgets for notebooks and pages: state and pictures only, the work is done in `fraktal_kernel`.

Every name is loaded when it is first used, so that importing this package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "FractalExplorer": "explorer",
    "JobsPanel": "jobs_panel",
    "ChatPanel": "chat_panel",
    "CapabilityForm": "capability_form",
    "CommandPalette": "command_palette",
    "AgentMonitor": "agent_monitor",
    "ApprovalsPanel": "approvals_panel",
    "PlanView": "plan_view",
    "ModelsPanel": "models_panel",
    "Timeline": "timeline",
    "DeadLetters": "dead_letters",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
