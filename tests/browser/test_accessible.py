"""Every page of agents, bus, models and timelines: names, contrast and the keyboard's order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from fraktal_kernel.errors import FraktalError, InvalidInput
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401

LOOK = (Path(__file__).parent / "accessible.js").read_text()
PAGES = {
    "/": ".fk-job",
    "/agents": ".fk-agent",
    "/approvals": ".fk-ask",
    "/chat": ".fk-chat",
    "/dead-letters": ".fk-letter",
    "/models": ".fk-model",
    "/plan": ".fk-node",
    "/timeline": ".fk-time-row",
}


@pytest.fixture(scope="module")
def busy(served: ServedWorkbench, tmp_path_factory: pytest.TempPathFactory) -> ServedWorkbench:  # noqa: F811
    """Put something on each page: an agent, a deed that waits, dead letters, a failed job."""
    folder = tmp_path_factory.mktemp("deeds")

    def handle(message: Any) -> None:
        raise InvalidInput("the till is empty; fill it first.")

    bench = served.workbench
    subscription = bench.bus.subscribe("orders.*", "till", handle)
    for number in range(2):
        bench.bus.publish("orders.new", {"item": "tea", "number": number})
    with pytest.raises(FraktalError):
        bench.submit("test.fail", file=str(folder / "tries"), times=99, kind="input").wait(60)
    bench.submit("test.ask", what="Shall the oven go on?")
    deed = {"capability": "test.deed", "params": {"file": str(folder / "book")}}
    steps = [{"id": "first", "capability": "test.echo", "params": {"text": "x"}}]
    plan = {"name": "deed", "steps": [*steps, {"id": "deed", **deed, "after": ["first"]}]}
    bench.submit("plan.run", plan=plan)
    served.agent("gpu-box")
    subscription.close()
    return served


FOCUS = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  const order = [];
  (function walk(root) {
    for (const element of root.querySelectorAll("*")) {
      order.push(element);
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  })(document.body);
  const style = at && getComputedStyle(at);
  const ring = at && (style.boxShadow !== "none" || style.outlineStyle !== "none");
  return [order.indexOf(at), ring, at?.outerHTML.slice(0, 120)];
}"""


def test_pages_can_be_read_named_and_walked(
    busy: ServedWorkbench, open_page: Callable[..., Any]
) -> None:
    """Text stands out by 4.5 to 1, what acts has a name, Tab goes in order with a ring."""
    page = open_page(busy.link("/"), reduced_motion="reduce")
    faults: dict[str, list[str]] = {}
    for address, mark in PAGES.items():
        page.emulate_media(color_scheme="light")
        page.goto(f"{busy.url}{address}", wait_until="domcontentloaded")
        expect(page.locator(mark).first).to_be_visible()
        page.locator(".fk-jobs .fk-job").first.wait_for()
        faults[f"{address} light"] = page.evaluate(LOOK)
        page.emulate_media(color_scheme="dark")
        faults[f"{address} dark"] = page.evaluate(LOOK)
        page.locator("#content").focus()
        before = -1
        for _ in range(12):
            page.keyboard.press("Tab")
            place, ring, words = page.evaluate(FOCUS)
            assert place > before and ring, (address, words)
            before = place
    assert not any(faults.values()), faults


def test_the_look_finds_what_is_wrong(page: Any) -> None:
    """What the test above would not find, it could not keep away."""
    page.set_content(
        "<body style='background: white'><button></button><input type=text><p style='color: #999'>"
        "pale</p><a href=/ tabindex=3>first</a><p aria-labelledby=nobody>x</p><img src='data:,'>"
        "<div aria-hidden=true><a href=/>hidden</a></div><p style='color: #333'>good</p></body>"
    )
    found = "\n".join(page.evaluate(LOOK))
    for fault in ("button", "input", "contrast 2.85", "out of its order", "nowhere", "img"):
        assert fault in found
    assert "hidden from others" in found and "good" not in found


def test_escape_closes_and_goes_back(busy: ServedWorkbench, open_page: Callable[..., Any]) -> None:
    """What Escape closes gives the keyboard back; what is open reads well, too."""
    page = open_page(busy.link("/"), reduced_motion="reduce")
    page.goto(f"{busy.url}/plan", wait_until="domcontentloaded")
    node = page.locator('.fk-node[data-step="first"]')
    node.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".fk-plan-details")).to_be_visible()
    assert page.evaluate(LOOK) == []
    page.get_by_label("Close the step").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".fk-plan-details")).to_be_hidden()
    expect(node).to_be_focused()
    details = page.locator(".fk-job").first.locator('[data-act="details"]')
    details.click()
    expect(details).to_have_attribute("aria-expanded", "true")
    assert page.evaluate(LOOK) == []
    page.keyboard.press("Escape")
    expect(details).to_have_attribute("aria-expanded", "false")
    expect(details).to_be_focused()

    page.goto(f"{busy.url}/approvals", wait_until="domcontentloaded")
    deny = page.get_by_role("button", name="Deny")
    deny.click()
    reason = page.get_by_label("Why not?")
    reason.fill("because")
    assert page.evaluate(LOOK) == []
    page.keyboard.press("Escape")
    expect(reason).to_have_value("because")  # what was typed is not lost to a key
    reason.fill("")
    page.keyboard.press("Escape")
    expect(reason).to_be_hidden()

    page.goto(f"{busy.url}/timeline", wait_until="domcontentloaded")
    page.locator(".fk-time-row").first.click()
    close = page.locator(".fk-time-details button")
    close.focus()
    # what is told a moment later does not take the keyboard away
    expect(page.locator(".fk-time-details dt", has_text="state")).to_be_visible()
    expect(close).to_be_focused()
    assert page.evaluate(LOOK) == []
    page.keyboard.press("Escape")
    expect(page.locator(".fk-time-details")).to_be_hidden()
