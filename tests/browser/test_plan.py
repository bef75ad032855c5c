"""The plan page in a real browser: the graph moves with the work, and all of it can be opened."""

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


def node(page: Any, name: str) -> Any:
    """Find a step in the graph."""
    return page.locator(f'.fk-node[data-step="{name}"]')


def plan_of(gate: Path, tries: Path) -> dict[str, Any]:
    """Make a plan with a gate, a large and a small fan-out, a question, a fault, a picture."""
    echo = {"capability": "test.echo"}
    return {
        "name": "bread for all",
        "cost_limit": 100,
        "steps": [
            {"id": "oven", "capability": "test.gate", "params": {"file": str(gate)}},
            {"id": "loaves", **echo, "each": list(range(1, 31)), "after": ["oven"],
             "params": {"text": "loaf ${item}"}},
            {"id": "rolls", **echo, "each": ["poppy", "rye", "oat"], "after": ["oven"],
             "params": {"text": "${item}"}},
            {"id": "label", "capability": "fractal.render", "after": ["oven"],
             "params": {"scene": "elephant", "width": 320, "height": 200}},
            {"id": "burnt", "capability": "test.fail", "after": ["sell"],
             "params": {"kind": "input", "file": str(tries)}},
            {"id": "sell", "ask": "Sell it?", "after": ["loaves", "rolls", "label"]},
            {"id": "count", **echo, "after": ["burnt"], "params": {"text": "done"}},
        ],
    }  # fmt: skip


def test_a_plan_moves_and_opens(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """States, counts, details, a question, a fault, going on: the page follows each of them."""
    page = visit("/plan", width=1440, height=1000)
    page.get_by_text("No plans yet").wait_for()
    keep_picture(page, "plan-empty-light")
    gate = tmp_path / "gate"
    job = served.workbench.submit("plan.run", plan=plan_of(gate, tmp_path / "tries"))
    page.goto(f"{served.url}/plan?job={job.id}")
    expect(node(page, "oven")).to_have_attribute("data-state", "running")
    expect(node(page, "count")).to_have_attribute("data-state", "planned")
    expect(page.locator(".fk-node")).to_have_count(7)  # thirty loaves are one node
    gate.write_text("40")
    expect(node(page, "oven").locator(".fk-node-word")).to_have_text("running, 40 %")
    keep_picture(page, "plan-running-light")
    gate.write_text("100")
    expect(node(page, "loaves")).to_have_attribute("data-state", "succeeded")
    expect(node(page, "loaves").locator(".fk-node-word")).to_have_text("30 of 30")
    parts = node(page, "rolls").locator(".fk-node-parts rect[data-state=succeeded]")
    expect(parts).to_have_count(3)
    expect(node(page, "sell").locator(".fk-node-word")).to_have_text("asks you")

    node(page, "label").click()
    details = page.get_by_label("One step")
    expect(details.locator("img")).to_have_count(1)
    expect(details).to_contain_text("mandelbrot")
    keep_picture(page, "plan-1440-light")
    page.keyboard.press("ArrowLeft")
    expect(node(page, "oven")).to_be_focused()
    page.keyboard.press("Enter")
    expect(details.get_by_role("heading").first).to_have_text("oven")
    node(page, "loaves").click()
    expect(details).to_contain_text("30 parts")
    details.get_by_role("button", name="Part 30").click()
    expect(details).to_contain_text("loaf 30")

    page.get_by_text("The steps as a list").click()
    words = page.locator(".fk-plan-list li")
    expect(words.nth(5)).to_contain_text("asks you")
    expect(words.nth(5)).to_contain_text("after loaves, rolls, label")
    page.get_by_text("sell waits for your answer.").wait_for()
    page.get_by_label("Plan", exact=True).get_by_role("link", name="Answer").click()
    page.locator(".fk-ask").get_by_role("button", name="yes").click()
    page.get_by_text("Answered: yes.").wait_for()
    page.goto(f"{served.url}/plan?job={job.id}")
    again = page.get_by_role("button", name="Re-run from the failed step")
    again.wait_for()
    expect(node(page, "burnt")).to_have_attribute("data-state", "failed")
    expect(page.locator(".fk-plan")).to_contain_text("expected sense")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(400)  # colours change softly
    keep_picture(page, "plan-failed-dark")
    again.click()
    expect(node(page, "count")).to_have_attribute("data-state", "succeeded")
    expect(page.locator(".fk-plan-head")).to_contain_text("7 of 7 steps")


def test_a_plan_on_a_phone_is_stopped(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """On a phone the graph goes down instead of right; stop ends what runs."""
    job = served.workbench.submit("plan.run", plan=plan_of(tmp_path / "gate", tmp_path / "tries"))
    page = visit(f"/plan?job={job.id}", width=360, height=740, dark=True)
    expect(node(page, "oven")).to_have_attribute("data-state", "running")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    keep_picture(page, "plan-360-dark", full_page=True)
    page.locator(".fk-plan-head").get_by_role("button", name="Stop").click()
    expect(page.locator(".fk-plan-head .fk-job-word")).to_have_text("cancelled")
    expect(node(page, "oven")).to_have_attribute("data-state", "cancelled")
