"""Notebooks as batch work: checked parameters, one process each, sweeps that resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fraktal_kernel.batch.notebook import Notebook
    from fraktal_kernel.batch.runner import Finished, NotebookFailed, Plan, run_notebook
    from fraktal_kernel.batch.sweep import Outcome, plan_sweep, run_sweep

_HOME = {
    "Notebook": "notebook",
    "Finished": "runner",
    "NotebookFailed": "runner",
    "Plan": "runner",
    "run_notebook": "runner",
    "Outcome": "sweep",
    "run_sweep": "sweep",
    "plan_sweep": "sweep",
}

__all__ = [
    "Finished",
    "Notebook",
    "NotebookFailed",
    "Outcome",
    "Plan",
    "plan_sweep",
    "run_notebook",
    "run_sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
