"""Pictures that are saved from the explorer of a real workbench, in pages and notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fraktal_kernel.fractals import read_scene, scenes
from tests.browser.served_workbench import ServedWorkbench, run_notebook, served, visit  # noqa: F401

SIZE = (4096, 3072)
CELL = """\
from fraktal_kernel import Workbench
from fraktal_widgets import FractalExplorer

FractalExplorer("seahorse", workbench=Workbench.open())
"""


def save(explorer: Any) -> Any:
    """Choose the size and press Save; gives the card of the job, once it has succeeded."""
    keep = explorer.root.locator("details", has=explorer.page.get_by_text("Keep", exact=True))
    keep.locator("summary").click()
    keep.get_by_label("Size of the saved picture").select_option("4096 × 3072")
    keep.get_by_role("button", name="Save").click()
    card = keep.locator(".fk-job")
    card.wait_for()
    keep.locator('.fk-job[data-state="succeeded"]').wait_for(timeout=180_000)
    explorer.page.get_by_text("is ready").wait_for()
    card.locator(".fk-picture").wait_for()
    card.locator(".fk-files").scroll_into_view_if_needed()
    assert card.bounding_box()["width"] > 200
    return card


def check(path: Path, scene: Any) -> None:
    """See that a file is the picture, in its size, and holds the scene."""
    with Image.open(path) as picture:
        picture.load()
        assert picture.size == SIZE
    assert (read_scene(path).view.re, read_scene(path).formula) == (scene.view.re, scene.formula)


@pytest.mark.parametrize("address", ["/", "/explorer"])
def test_a_poster_is_a_job_whose_file_the_page_links(
    served: ServedWorkbench,  # noqa: F811
    visit: Any,  # noqa: F811
    explorer_page: Any,
    keep_picture: Any,
    tmp_path: Path,
    address: str,
) -> None:
    """On a page of the workbench the card ends with a link to the artifact on the server."""
    explorer = explorer_page(visit(address)).sharp()
    title = explorer.page.locator("h1").bounding_box()
    assert explorer.canvas.bounding_box()["x"] == title["x"]
    card = save(explorer)
    keep_picture(explorer.page, f"poster-panel{address.replace('/', '-').rstrip('-')}")
    link = card.locator(".fk-files a")
    number = card.get_attribute("data-job")
    assert link.get_attribute("href") == f"/api/jobs/{number}/artifacts/picture.png"
    answer = explorer.page.request.get(f"{served.url}{link.get_attribute('href')}")
    assert answer.ok
    (tmp_path / "poster.png").write_bytes(answer.body())
    check(tmp_path / "poster.png", scenes["full_set"])


def test_what_is_shown_becomes_a_poster(
    served: ServedWorkbench,  # noqa: F811
    visit: Any,  # noqa: F811
    explorer_page: Any,
    keep_picture: Any,
    tmp_path: Path,
) -> None:
    """A width and a kind of file are asked for; the card ends with the poster, in that shape."""
    explorer = explorer_page(visit("/")).sharp()
    keep = explorer.root.locator("details", has=explorer.page.get_by_text("Keep", exact=True))
    keep.locator("summary").click()
    width = keep.get_by_label("Width of the poster in pixels")
    width.fill("0")
    keep.get_by_role("button", name="Poster").click()
    assert not keep.locator(".fk-job").count()
    width.fill("900")
    keep.get_by_label("File of the poster").select_option("TIFF")
    keep_picture(explorer.page, "poster-form")
    keep.get_by_role("button", name="Poster").click()
    keep.locator('.fk-job[data-state="succeeded"]').wait_for(timeout=180_000)
    link = keep.locator(".fk-files a", has_text="poster.tif")
    link.wait_for()
    link.scroll_into_view_if_needed()
    keep_picture(explorer.page, "poster-asked")
    answer = explorer.page.request.get(f"{served.url}{link.get_attribute('href')}")
    (tmp_path / "poster.tif").write_bytes(answer.body())
    box = explorer.canvas.bounding_box()
    with Image.open(tmp_path / "poster.tif") as picture:
        assert picture.width == 900
        assert abs(picture.height - 900 * box["height"] / box["width"]) <= 2


def test_a_poster_comes_through_the_notebook_in_pieces(
    served: ServedWorkbench,  # noqa: F811
    jupyter: Any,
    open_page: Any,
    explorer_page: Any,
    keep_picture: Any,
    tmp_path: Path,
) -> None:
    """In JupyterLab, where no page of ours is open, the card's file button downloads it whole."""
    data = str(served.settings.data)
    jupyter.write("poster.ipynb", f"import os\nos.environ['FRAKTAL_DATA'] = {data!r}\n{CELL}")
    page = open_page(jupyter.lab("poster.ipynb"))
    run_notebook(page)
    explorer = explorer_page(page).sharp()
    card = save(explorer)
    keep_picture(page, "poster-lab")
    with page.expect_download() as download:
        card.locator(".fk-files button").click()
    download.value.save_as(tmp_path / "poster.png")
    assert download.value.suggested_filename == "picture.png"
    check(tmp_path / "poster.png", scenes["seahorse"])
    assert served.workbench.jobs.get(int(card.get_attribute("data-job"))).state == "succeeded"
