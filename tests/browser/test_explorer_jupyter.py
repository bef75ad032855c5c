"""The explorer in JupyterLab and in Voila, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import wait_for

CELL = "from fraktal_widgets import FractalExplorer\nexplorer = FractalExplorer()\nexplorer"


@pytest.fixture
def lab(jupyter: Any, open_page: Any, explorer_page: Any, request: pytest.FixtureRequest) -> Any:
    """Open a notebook in JupyterLab, run its first cell, wait for the sharp picture."""

    def open_it(*more_cells: str, **options: Any) -> Any:
        name = re.sub(r"\W+", "_", request.node.name) + ".ipynb"
        jupyter.write(name, CELL, *more_cells)
        page = open_page(jupyter.lab(name), **options)
        idle(page)
        run_cell(page)
        return explorer_page(page).sharp()

    return open_it


def idle(page: Any) -> None:
    """Wait until the notebook is there and its kernel has nothing to do."""
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.wait_for_function(
        """() => {
          const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
          return context?.isReady && context.session?.kernel?.status === 'idle';
        }"""
    )


def run_cell(page: Any, index: int = 0) -> None:
    """Run one cell by JupyterLab's own command."""
    page.evaluate(
        """index => {
          window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
          window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        index,
    )


def test_zooms_and_repaints_in_jupyterlab(lab: Any, keep_picture: Any) -> None:
    """The cell shows the picture, the wheel brings a deeper one, and nothing asks for news."""
    explorer = lab()
    explorer.zoomed_and_repainted()
    keep_picture(explorer.page, "explorer-lab")
    assert explorer.page.locator(".jp-toast-button, .Toastify__toast").count() == 0


def test_follows_the_dark_theme_of_jupyterlab(lab: Any, keep_picture: Any) -> None:
    """A dark system gets JupyterLab's dark theme, and the explorer with it."""
    explorer = lab(dark=True)
    keep_picture(explorer.page, "explorer-lab-dark")
    colour = explorer.root.evaluate("root => getComputedStyle(root).color")
    assert all(int(word) > 128 for word in re.findall(r"\d+", colour)[:3])


def test_keys_typed_on_the_picture_are_not_the_notebook_s(lab: Any) -> None:
    """Letters that are commands of the notebook do not reach it from the picture."""
    explorer = lab()
    cells = explorer.page.locator(".jp-Cell").count()
    explorer.canvas.focus()
    for key in ("a", "b", "d", "d", "x", "z", "m", "h", "h", "p"):
        explorer.page.keyboard.press(key)
    explorer.sharp()
    expect(explorer.page.locator(".jp-Cell")).to_have_count(cells)
    expect(explorer.page.locator(".jp-MarkdownCell")).to_have_count(0)


def test_comes_back_after_scrolling_away(lab: Any) -> None:
    """A notebook that takes cells off the page while they are out of sight brings it back."""
    explorer = lab(*["\n".join(f"# line {k}" for k in range(30))] * 40)
    page = explorer.page
    explorer.zoomed_and_repainted()
    page.mouse.move(10, 10)
    before, facts = explorer.pixels(), explorer.facts()
    scroller = page.locator(".jp-WindowedPanel-outer").first
    scroller.evaluate("panel => { panel.scrollTop = panel.scrollHeight }")
    expect(explorer.root).not_to_be_in_viewport()
    scroller.evaluate("panel => { panel.scrollTop = 0 }")
    explorer.sharp()
    assert explorer.facts() == facts
    assert (explorer.pixels() == before).all()
    explorer.zoomed_and_repainted()


def reload(page: Any) -> None:
    """Load the page again until it shows its widget, as a person would.

    JupyterLab's widget manager looks for a widget for two seconds of the clock; on a busy
    machine its page may do nothing for longer, and it gives up beside a widget that is there.
    """
    for _ in range(4):
        page.reload(wait_until="domcontentloaded")
        gave_up = page.get_by_text("Error displaying widget: model not found")
        page.locator(".fk-explorer").or_(gave_up).first.wait_for(timeout=180_000)
        if not gave_up.count():
            return
    raise AssertionError("four times in turn, the page that was loaded again found no widget")


def test_view_survives_a_reload_of_the_page(lab: Any, watch: Any) -> None:
    """The state is the kernel's: a page that is loaded again shows the same view."""
    watch.expected = re.compile("widget model not found")
    explorer = lab()
    explorer.zoomed_and_repainted()
    facts = explorer.facts()
    page = explorer.page
    page.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
    reload(page)
    explorer.sharp()
    assert explorer.facts() == facts
    explorer.zoomed_and_repainted()


def test_two_views_of_one_explorer_show_the_same(lab: Any) -> None:
    """Zooming in one output moves the other output of the same explorer along."""
    explorer = lab("explorer")
    page = explorer.page
    run_cell(page, 1)
    views = page.locator(".fk-explorer")
    first, second = views.nth(0), views.nth(1)
    expect(second).to_have_attribute("data-state", "sharp")

    def facts(view: Any) -> list[str]:
        return view.locator(".fk-explorer-facts span span").all_inner_texts()[:3]

    before = facts(first)
    second.locator(".fk-explorer-canvas").focus()
    page.keyboard.press("+")
    wait_for(lambda: before != facts(first) == facts(second))
    assert facts(first)[2] != before[2]


def test_says_when_the_kernel_is_gone_and_comes_back(
    lab: Any, watch: Any, keep_picture: Any
) -> None:
    """After a restart the picture stays with a word; running the cell again brings it to life."""
    watch.expected = re.compile("kernel|Kernel|WebSocket|comm")
    explorer = lab()
    page = explorer.page
    before = explorer.pixels()
    page.locator(
        '[data-command="kernelmenu:restart"], [data-jp-item-name="restart"] *'
    ).first.click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.get_by_text("Not connected").wait_for()
    keep_picture(page, "explorer-lab-disconnected")
    assert (explorer.pixels() == before).all()
    idle(page)
    run_cell(page)
    page.get_by_text("Not connected").wait_for(state="hidden")
    explorer.sharp()
    explorer.zoomed_and_repainted()


def test_zooms_and_repaints_in_voila(
    jupyter: Any, open_page: Any, explorer_page: Any, keep_picture: Any
) -> None:
    """The notebook that we ship runs in Voila, and nothing is fetched from elsewhere."""
    jupyter.copy("apps/explorer.ipynb")
    explorer = explorer_page(open_page(jupyter.voila("explorer.ipynb"))).sharp()
    explorer.zoomed_and_repainted()
    keep_picture(explorer.page, "explorer-voila")


def test_a_notebook_that_is_not_there_asks_nobody_for_a_font(
    jupyter: Any, open_page: Any, watch: Any, keep_picture: Any
) -> None:
    """Voila's error page says what is wrong, and fetches nothing from elsewhere."""
    watch.expected = re.compile("404")
    page = open_page(jupyter.voila("nowhere.ipynb"))
    page.get_by_text("There is no notebook at this address").wait_for()
    keep_picture(page, "voila-404")


def test_zooms_far_below_float64_in_voila(
    jupyter: Any, open_page: Any, explorer_page: Any, keep_picture: Any
) -> None:
    """A scene 1.7e-157 wide opens sharp, and a turn of the wheel goes on from there."""
    cell = "from fraktal_widgets import FractalExplorer\nFractalExplorer('deep_flake')"
    jupyter.write("deep.ipynb", cell)
    explorer = explorer_page(open_page(jupyter.voila("deep.ipynb"))).sharp()
    width = explorer.facts()["width"]
    assert width.endswith("e-157")
    explorer.wheel(-300, 0.4, 0.45)
    explorer.sharp()
    assert float(explorer.facts()["width"]) < 0.6 * float(width)
    keep_picture(explorer.page, "explorer-voila-deep")


def test_a_formula_is_typed_in_jupyterlab(lab: Any) -> None:
    """Keys in the field are not the notebook's; a wrong formula says why, a right one is drawn."""
    explorer = lab()
    page = explorer.page
    before = explorer.pixels()
    page.locator("summary", has_text="Formula").click()
    field = page.get_by_label("Formula as text")
    field.fill("z**3 + c*")
    field.press("Enter")
    expect(page.locator(".fk-explorer-refusal")).to_contain_text("expected")
    expect(field).to_have_value("z**3 + c*")
    assert (explorer.pixels() == before).all()
    field.press("End")
    field.press("z")
    field.press("Enter")
    explorer.sharp()
    expect(page.locator(".fk-explorer-refusal")).to_be_hidden()
    assert (explorer.pixels() != before).mean() > 0.05
