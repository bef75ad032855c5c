"""The timeline page in a real browser: bars move with the work, zoom, fold, and tell more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401

Visit = Callable[..., Any]
Keep = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_left(served: ServedWorkbench) -> Iterator[None]:  # noqa: F811
    """End what a test left running."""
    yield
    served.end_all()


def plan_of(tries: Path) -> dict[str, Any]:
    """Make a plan with a question between two steps, and a step that fails once."""
    echo = {"capability": "test.echo", "params": {"text": "done"}}
    return {
        "name": "bread",
        "steps": [
            {"id": "knead", **echo},
            {"id": "sell", "ask": "Sell it?", "after": ["knead"]},
            {"id": "burnt", "capability": "test.fail", "after": ["sell"],
             "params": {"kind": "input", "file": str(tries)}},
        ],
    }  # fmt: skip


def row(page: Any, name: str) -> Any:
    """Find the rows of a name."""
    return page.locator(".fk-time-row").filter(has=page.get_by_text(name))


def test_a_timeline_moves_and_opens(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """Waits and attempts come as they happen; keys fold, zoom and open; faults are marked."""
    job = served.workbench.submit("plan.run", plan=plan_of(tmp_path / "tries"))
    page = visit(f"/timeline?job={job.id}", width=1440, height=1000)
    asks = row(page, "waits for a person: Sell it?")
    expect(asks).to_have_attribute("data-state", "open")
    expect(asks).to_have_attribute("data-kind", "person")
    keep_picture(page, "timeline-running-light")
    child = served.workbench.jobs.children(job.id)["sell"]
    served.workbench.jobs.answer(child.id, "yes")
    root = page.locator(".fk-time-row").first
    expect(root).to_have_attribute("data-state", "error")
    expect(asks).to_have_attribute("data-state", "ok")
    broken = page.locator('.fk-time-row[data-kind="attempt"][data-state="error"]').first
    expect(broken.locator(".fk-shape-failed")).to_have_count(1)

    asks.click()
    details = page.get_by_label("One span")
    expect(details).to_contain_text("answered by")
    keep_picture(page, "timeline-1440-light")
    page.keyboard.press("Home")
    expect(root).to_be_focused()
    rows = page.locator(".fk-time-row:not([hidden])")
    everything = rows.count()
    page.keyboard.press("ArrowLeft")
    expect(rows).to_have_count(1)
    expect(root).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(rows).to_have_count(everything)
    wide = root.locator(".fk-time-bar").bounding_box()["width"]
    narrow = asks.locator(".fk-time-bar").bounding_box()["width"]
    page.keyboard.press("+")
    assert asks.locator(".fk-time-bar").bounding_box()["width"] >= narrow
    assert root.locator(".fk-time-bar").bounding_box()["width"] == pytest.approx(wide, abs=2)
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    expect(details).to_contain_text("plan.run")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(400)  # colours change softly
    keep_picture(page, "timeline-dark")


def test_a_step_that_goes_on_grows(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """The bar of a step comes up while the step goes on, and its right end follows the clock."""
    gate = tmp_path / "gate"
    job = served.workbench.submit("test.steps", count=4, file=str(tmp_path / "f"), gate=str(gate))
    page = visit(f"/timeline?job={job.id}", width=1280, height=900)
    step = row(page, "take#3")
    expect(step).to_have_attribute("data-state", "open")
    length = step.locator(".fk-time-length")
    first = length.inner_text()
    expect(length).not_to_have_text(first)
    keep_picture(page, "timeline-open-step-light")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    keep_picture(page, "timeline-open-step-360-dark")
    gate.touch()
    expect(step).to_have_attribute("data-state", "ok")
    expect(row(page, "take#4")).to_have_attribute("data-state", "ok")


def test_a_timeline_on_a_phone_and_the_ways_to_it(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Keep,
) -> None:
    """A job's card leads to its timeline; on a phone the bars stand below the names."""
    job = served.workbench.submit("test.echo", text="hello")
    job.wait(60)
    page = visit("/", width=360, height=800)
    page.get_by_role("link", name=f"Timeline of job {job.id}").first.click()
    expect(page.locator(".fk-time-row").first).to_have_attribute("data-state", "ok")
    label = page.locator(".fk-time-label").first.bounding_box()
    bar = page.locator(".fk-time-bar").first.bounding_box()
    assert bar["y"] >= label["y"] + label["height"] - 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    keep_picture(page, "timeline-360-light")
    page.goto(f"{served.url}/timeline?job=999999999")
    page.get_by_text("there is no job 999999999").wait_for()
