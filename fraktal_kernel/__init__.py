"""The library of the Fraktal workbench; the screens are in ``fraktal_widgets``.

Names are loaded when they are used, so that importing the package costs nothing and
``fraktal_kernel.fractals`` works with numpy and numba alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fraktal_kernel.core.capability import (
        Artifact,
        Capability,
        Needs,
        Run,
        capabilities,
        capability,
    )
    from fraktal_kernel.core.jobs.handle import JobHandle
    from fraktal_kernel.core.jobs.model import JobOptions
    from fraktal_kernel.core.settings import Settings, load_settings
    from fraktal_kernel.core.workbench import Workbench

_HOMES = {
    "Artifact": "core.capability",
    "Capability": "core.capability",
    "JobHandle": "core.jobs.handle",
    "JobOptions": "core.jobs.model",
    "Needs": "core.capability",
    "Run": "core.capability",
    "Settings": "core.settings",
    "Workbench": "core.workbench",
    "capabilities": "core.capability",
    "capability": "core.capability",
    "load_settings": "core.settings",
}

__all__ = [
    "Artifact",
    "Capability",
    "JobHandle",
    "JobOptions",
    "Needs",
    "Run",
    "Settings",
    "Workbench",
    "capabilities",
    "capability",
    "load_settings",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fraktal_kernel' has no attribute {name!r}")
    return getattr(import_module(f"fraktal_kernel.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
