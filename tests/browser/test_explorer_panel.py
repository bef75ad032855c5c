"""The explorer in the Panel page, in a real browser."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import pytest
from playwright.sync_api import expect

from fraktal_kernel.fractals import Scene, render, scenes
from fraktal_widgets import FractalExplorer, frames
from fraktal_widgets.explorer import FINEST
from tests.browser.conftest import wait_for


class Served:
    """The page's address and the explorers that its sessions were given."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.address = ""
        self.explorers: list[FractalExplorer] = []

    def build(self) -> pn.viewable.Viewable:
        """Build what apps/explorer.py builds, and keep hold of the widget."""

        def keep(**options: Any) -> FractalExplorer:
            self.explorers.append(FractalExplorer(**options))
            return self.explorers[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.app, "FractalExplorer", keep)
            return self.app.page()


@pytest.fixture(scope="module")
def served(panel_server: Callable[[Any], str], app_file: Callable[[str], Any]) -> Served:
    """Serve the page once for all tests; each test opens sessions of its own."""
    served = Served(app_file("explorer"))
    served.address = panel_server(served.build)
    return served


@pytest.fixture
def opened(served: Served, open_page: Any, explorer_page: Any) -> Callable[..., Any]:
    """Open the page and wait for the first sharp picture."""

    def open_it(**options: Any) -> Any:
        return explorer_page(open_page(served.address, **options)).sharp()

    return open_it


def test_zooms_and_repaints(opened: Any, keep_picture: Any) -> None:
    """The first picture comes by itself, and the wheel brings a deeper one."""
    explorer = opened()
    keep_picture(explorer.page, "explorer-panel")
    explorer.zoomed_and_repainted()
    keep_picture(explorer.page, "explorer-panel-zoomed")


def test_canvas_shows_exactly_what_the_library_renders(opened: Any, served: Served) -> None:
    """After wheel and drag the pixels on the canvas are those of the library, bit for bit."""
    explorer = opened()
    explorer.wheel(-500, 0.28, 0.5)
    explorer.sharp()
    box = explorer.canvas.bounding_box()
    mouse = explorer.page.mouse
    mouse.move(box["x"] + 200, box["y"] + 200)
    mouse.down()
    mouse.move(box["x"] + 263, box["y"] + 171, steps=7)
    mouse.up()
    explorer.sharp()
    shown = explorer.pixels()
    height, width, _ = shown.shape
    assert (shown == render(served.explorers[-1].scene, width, height).pixels).all()


def test_newest_view_wins_and_two_frames_at_most_are_under_way(
    opened: Any, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a storm of wheel events no third frame is sent, and the last view is the one drawn."""
    # Nothing is lost here: what comes late on a busy machine is still under way.
    monkeypatch.setattr(frames, "LOST_AFTER_S", math.inf)
    explorer = opened()
    widget = served.explorers[-1]
    lock = threading.Lock()  # frames are sent by the thread that draws and by the one that asks
    under_way: list[tuple[int, int]] = []
    counts, drawn = [], []

    def on_frame(change: dict[str, Any]) -> None:
        sequence, level = (int(word) for word in np.frombuffer(change["new"][:8], "<u4"))
        with lock:
            # A quick browser has drawn it before whoever sent it comes by here.
            if not drawn or (sequence, -level) > drawn[-1]:
                under_way.append((sequence, -level))
            counts.append(len(under_way))

    def on_asked(change: dict[str, Any]) -> None:
        if change["new"].get("drawn"):
            sequence, level = change["new"]["drawn"]
            with lock:
                drawn.append((sequence, -level))
                under_way[:] = [mark for mark in under_way if mark > drawn[-1]]

    # Python's own observer confirms and sends at once, so ours must have counted before.
    widget.unobserve(widget._on_asked, "asked")
    widget.observe(on_asked, "asked")
    widget.observe(widget._on_asked, "asked")
    widget.observe(on_frame, "frame")
    for turn in range(60):
        explorer.wheel(-40, 0.3 + 0.002 * turn, 0.5)
    explorer.sharp()
    shown = explorer.pixels()
    wait_for(lambda: drawn and drawn[-1] == (widget.answer["serial"], -FINEST))
    assert 1 <= max(counts) <= frames.IN_FLIGHT
    assert (shown == render(widget.scene, shown.shape[1], shown.shape[0]).pixels).all()


def test_every_key_does_what_the_help_says(opened: Any) -> None:
    """Plus, arrows, Home, P, H, brackets and J work without a mouse."""
    explorer = opened()
    explorer.canvas.focus()
    press = explorer.page.keyboard.press
    home = explorer.facts()

    press("+")
    assert float(explorer.sharp().facts()["width"]) == pytest.approx(float(home["width"]) / 2, 1e-3)
    explorer.rested()
    press("ArrowRight")
    press("ArrowUp")
    moved = explorer.sharp().facts()
    assert float(moved["re"]) > float(home["re"])
    assert float(moved["im"]) > float(home["im"])
    explorer.rested()
    press("[")
    assert explorer.sharp().facts()["im"] == home["im"]
    press("]")
    assert explorer.sharp().facts() == moved
    press("Home")
    assert explorer.sharp().facts() == home

    before = explorer.pixels()
    press("p")
    assert (explorer.sharp().pixels() != before).mean() > 0.3
    press("Shift+P")
    assert (explorer.sharp().pixels() == before).all()

    side = explorer.page.locator(".fk-explorer-side")
    press("h")
    expect(side).to_be_hidden()
    press("h")
    expect(side).to_be_visible()
    press("?")
    expect(explorer.page.get_by_role("dialog", name="Keys")).to_be_visible()
    press("Escape")
    expect(explorer.page.get_by_role("dialog", name="Keys")).to_be_hidden()

    press("j")
    expect(explorer.sharp().page.get_by_text("Back to the Mandelbrot set")).to_have_count(1)
    assert (explorer.pixels() != before).mean() > 0.3
    press("j")
    assert explorer.sharp().facts() == home


def test_a_point_is_picked_for_its_julia_set(
    opened: Any, served: Served, keep_picture: Any
) -> None:
    """Picking shows a small preview, a click makes the point under the pointer the seed."""
    explorer = opened()
    page = explorer.page
    page.get_by_text("Julia set", exact=True).click()
    page.get_by_role("button", name="Pick a point").click()
    box = explorer.canvas.bounding_box()
    x, y = box["x"] + 0.31 * box["width"], box["y"] + 0.42 * box["height"]
    page.mouse.move(x, y)
    page.mouse.move(x + 1, y)
    page.locator(".fk-explorer-peek").wait_for(state="visible")
    keep_picture(page, "explorer-julia-pick")
    page.mouse.click(x, y)
    explorer.sharp()
    keep_picture(page, "explorer-julia")
    scene = served.explorers[-1].scene
    start = scenes["full_set"].view
    width = float(start.width) * (3 * box["width"]) / (4 * box["height"])
    assert scene.seed is not None
    assert float(scene.seed.re) == pytest.approx(float(start.re) + (0.31 - 0.5) * width, abs=0.01)


def test_views_are_copied_and_pasted(opened: Any, served: Served) -> None:
    """What the buttons copy is the view, and pasting it brings the view back."""
    explorer = opened()
    page = explorer.page
    explorer.wheel(-600, 0.4, 0.4)
    explorer.sharp()
    scene = served.explorers[-1].scene
    page.get_by_text("Keep", exact=True).click()

    def copied(button: str, start: str) -> str:
        page.get_by_role("button", name=button).click()
        wait_for(lambda: page.evaluate("navigator.clipboard.readText()").startswith(start))
        return str(page.evaluate("navigator.clipboard.readText()"))

    command = copied("Copy command", "fraktal run fractal.render --scene ")
    view = copied("Copy view", "{")
    assert Scene.from_dict(json.loads(view)) == scene
    for text in (command, view):
        page.get_by_role("button", name="Elephant").click()
        explorer.sharp()
        page.evaluate("text => navigator.clipboard.writeText(text)", text)
        explorer.canvas.focus()
        page.keyboard.press("Control+v")
        explorer.sharp()
        assert served.explorers[-1].scene.view == scene.view
    page.evaluate("navigator.clipboard.writeText('nowhere')")
    page.get_by_role("button", name="Paste").click()
    page.get_by_text("no scene named 'nowhere'").wait_for()


def test_a_typed_formula_draws_and_a_wrong_one_loses_nothing(
    opened: Any, served: Served, keep_picture: Any
) -> None:
    """The sentence stands beside the field, which keeps its text; picture and view stay."""
    explorer = opened()
    page = explorer.page
    before, facts = explorer.pixels(), explorer.facts()
    page.locator("summary", has_text="Scenes").click()
    page.locator("summary", has_text="Formula").click()
    field = page.get_by_label("Formula as text")
    field.fill("sin(z) + w")
    page.get_by_role("button", name="Draw").click()
    refusal = page.locator(".fk-explorer-refusal")
    expect(refusal).to_contain_text("w")
    expect(field).to_have_value("sin(z) + w")
    expect(field).to_have_attribute("aria-invalid", "true")
    keep_picture(page, "explorer-formula-refused")
    assert (explorer.pixels() == before).all()
    assert explorer.facts() == facts
    field.fill("z**3 + c*z")
    field.press("Enter")
    explorer.sharp()
    expect(refusal).to_be_hidden()
    assert served.explorers[-1].scene.formula == "z**3 + c*z"
    assert (explorer.pixels() != before).mean() > 0.05
    page.get_by_label("Formula", exact=True).select_option("phoenix")
    explorer.sharp()
    page.get_by_label("p", exact=True).fill("-0.3")
    page.get_by_label("p", exact=True).press("Enter")
    explorer.sharp()
    assert served.explorers[-1].scene.parameters == {"p": -0.3}


def test_a_deep_scene_opens_sharp_and_zooms_on(
    served: Served, open_page: Any, explorer_page: Any, keep_picture: Any
) -> None:
    """At 1.6e-21 the picture on the canvas is the library's, and the wheel leads deeper."""
    explorer = explorer_page(open_page(f"{served.address}?scene=deep_wheel", width=900)).sharp()
    shown = explorer.pixels()
    height, width, _ = shown.shape
    off = shown.astype(int) - render(served.explorers[-1].scene, width, height).pixels
    assert (off == 0).mean() > 0.99
    keep_picture(explorer.page, "explorer-deep")
    explorer.wheel(-300, 0.4, 0.45)
    explorer.sharp()
    assert float(explorer.facts()["width"]) < 1.6e-21
    expect(explorer.page.get_by_text("perturbation")).to_be_visible()


def test_a_drag_keeps_what_was_drawn(opened: Any) -> None:
    """What stays in sight is the same to the bit, a whole number of pixels further on."""
    explorer = opened()
    box = explorer.canvas.bounding_box()
    explorer.wheel(-400, 0.3, 0.5)
    before = explorer.sharp().pixels()
    mouse = explorer.page.mouse
    mouse.move(box["x"] + 300, box["y"] + 200)
    mouse.down()
    mouse.move(box["x"] + 360, box["y"] + 240, steps=5)
    mouse.up()
    after = explorer.sharp().pixels()
    assert (after[40:, 60:] == before[:-40, :-60]).all()


def test_turns_and_looks(opened: Any, served: Served, keep_picture: Any) -> None:
    """R turns, a look is painted by Python, U and the plain palette lead back to the picture."""
    explorer = opened()
    page = explorer.page
    before = explorer.pixels()
    page.locator("summary", has_text="Look").click()
    page.locator("label", has_text="Relief").click()
    lit = explorer.sharp().pixels()
    assert (lit != before).mean() > 0.3
    explorer.canvas.focus()
    page.keyboard.press("r")
    explorer.sharp()
    assert served.explorers[-1].scene.view.rotation_deg == 15
    keep_picture(page, "explorer-turned")
    page.keyboard.press("u")
    assert (explorer.sharp().pixels() == lit).all()
    page.locator("label", has_text="Palette alone").click()
    assert (explorer.sharp().pixels() == before).all()


def test_a_picture_is_saved_with_its_scene(opened: Any, served: Served, tmp_path: Any) -> None:
    """The download is a PNG that opens the same view again."""
    from fraktal_kernel.fractals import read_scene

    explorer = opened()
    page = explorer.page
    page.get_by_text("Keep", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    path = tmp_path / "saved.png"
    download.value.save_as(path)
    assert read_scene(path) == served.explorers[-1].scene


def test_two_fingers_zoom_and_one_pans(opened: Any) -> None:
    """On a touch screen a pinch changes the width, a finger moves the centre."""
    explorer = opened(width=800, height=900, has_touch=True)
    page = explorer.page
    touch = page.context.new_cdp_session(page)
    box = explorer.canvas.bounding_box()
    cx, cy = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)],
            },
        )

    before = explorer.facts()
    fingers("touchStart", (cx - 40, cy), (cx + 40, cy))
    for apart in range(50, 130, 10):
        fingers("touchMove", (cx - apart, cy), (cx + apart, cy))
    fingers("touchEnd")
    after = explorer.sharp().facts()
    assert float(after["width"]) == pytest.approx(float(before["width"]) * 40 / 120, rel=0.05)

    fingers("touchStart", (cx, cy))
    for step in range(1, 9):
        fingers("touchMove", (cx + 10 * step, cy))
    fingers("touchEnd")
    moved = explorer.sharp().facts()
    assert float(moved["re"]) < float(after["re"])
    assert moved["width"] == after["width"]


@pytest.mark.parametrize(("width", "height"), [(360, 740), (820, 1180), (1440, 900), (2560, 1440)])
def test_fits_every_screen(opened: Any, keep_picture: Any, width: int, height: int) -> None:
    """Nothing sticks out, targets are large enough, light and dark follow the system."""
    explorer = opened(width=width, height=height)
    page = explorer.page
    page.wait_for_function("document.fonts.status === 'loaded'")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for target in explorer.root.locator("button:visible, summary:visible, label:visible").all():
        box = target.bounding_box()
        assert box["height"] >= 32
        assert box["width"] >= 32

    def light() -> bool:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(word) for word in colour.strip("rgba()").split(",")[:3]) > 384

    assert light()
    keep_picture(page, f"explorer-{width}-light")
    page.emulate_media(color_scheme="dark")
    wait_for(lambda: not light())
    keep_picture(page, f"explorer-{width}-dark")


def test_every_control_has_a_name(opened: Any) -> None:
    """A screen reader finds a word for each button and input."""
    explorer = opened()
    nameless = explorer.root.evaluate(
        """root => [...root.querySelectorAll('button, input, select, canvas[tabindex]')]
            .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim()
                || one.closest('label')?.textContent.trim()))
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


def test_still_pictures_for_who_wants_no_motion(opened: Any) -> None:
    """With reduced motion a zoom is shown at once, without gliding."""
    explorer = opened(reduced_motion="reduce")
    still = explorer.page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert still
    explorer.zoomed_and_repainted()


def test_resizing_draws_at_the_new_size(opened: Any, served: Served) -> None:
    """The canvas keeps a pixel for a pixel of the screen when the window changes."""
    explorer = opened(width=1200, height=800)
    drawn = served.explorers[-1].answer["serial"]
    explorer.page.set_viewport_size({"width": 700, "height": 800})
    wait_for(lambda: served.explorers[-1].answer["serial"] > drawn)
    explorer.sharp()
    assert explorer.pixels().shape[1] == round(explorer.canvas.bounding_box()["width"])


def test_a_session_that_ends_closes_its_explorer(opened: Any, served: Served) -> None:
    """When the page is left, the widget behind it is closed and draws no more."""
    explorer = opened()
    widget = served.explorers[-1]
    explorer.page.context.close()
    wait_for(lambda: widget.comm is None)
