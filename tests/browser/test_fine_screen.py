"""The explorer in JupyterLab on a screen of many pixels, whose pictures are large messages."""

from __future__ import annotations

from typing import Any

from tests.browser.served_workbench import run_notebook

CELL = "from fraktal_widgets import FractalExplorer\nFractalExplorer()"


def test_a_picture_of_megabytes_arrives(
    jupyter: Any, open_page: Any, explorer_page: Any, keep_picture: Any
) -> None:
    """No limit of Jupyter's server drops the finest level of a picture for a fine screen."""
    jupyter.write("fine_screen.ipynb", CELL)
    page = open_page(
        jupyter.lab("fine_screen.ipynb"), width=1920, height=1200, device_scale_factor=2
    )
    run_notebook(page)
    explorer = explorer_page(page).sharp()
    assert explorer.canvas.evaluate("c => c.width * c.height") > 2e6
    keep_picture(page, "explorer-lab-fine")
