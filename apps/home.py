"""The page at ``/``: the explorer, what can be done, what runs, and the way to JupyterLab."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_widgets import CapabilityForm, FractalExplorer
from fraktal_widgets.page import framed


def page(workbench: Any) -> pn.template.Template:
    """Build a fresh home page on one user's workbench."""
    return framed(
        workbench,
        title="Workbench",
        here="/",
        sentence="Look around in a fractal, or run anything the workbench can do as a job.",
        explorer=FractalExplorer(workbench=workbench, api="/api"),
        form=CapabilityForm(workbench=workbench, api="/api"),
    )
