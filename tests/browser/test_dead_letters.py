"""The page of dead letters in a real browser: seen as they die, tried again, away and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from fraktal_kernel.errors import FraktalError, InvalidInput
from tests.browser.conftest import wait_for
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401


def test_what_was_given_up_is_seen_and_dealt_with(
    visit: Callable[..., Any],  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Letters come up while one looks; by keyboard each is opened, put away and taken back."""
    page = visit("/dead-letters", width=1280, height=900)
    page.get_by_text("Nothing was given up").wait_for()
    expect(page.locator(".page-rail [aria-current]")).to_have_text("Dead letters")
    keep_picture(page, "dead-letters-empty-light")

    def handle(message: Any) -> None:
        raise InvalidInput(f"{message.body['item']} is not on the menu; choose another dish.")

    bus = served.workbench.bus
    subscription = bus.subscribe("orders.*", "kitchen", handle)
    for item in ("dragon soup", "unicorn pie", "phoenix wings"):
        bus.publish("orders.new", {"item": item, "table": 7, "note": "no salt " * 40})
    bus.publish("orders.cancelled", {"item": "dragon soup"})
    job = served.workbench.submit("test.fail", file=str(tmp_path / "tries"), times=99, kind="input")
    with pytest.raises(FraktalError):
        job.wait(60)
    letters = page.locator(".fk-letter")
    expect(letters).to_have_count(5)
    subscription.close()
    keep_picture(page, "dead-letters-1280-light", full_page=True)

    pie = letters.filter(has_text="unicorn pie")
    details = pie.get_by_role("button", name="Details")
    details.focus()
    page.keyboard.press("Enter")
    expect(pie.locator(".fk-letter-payload")).to_contain_text('"table": 7')
    keep_picture(page, "dead-letters-open-light", full_page=True)
    page.keyboard.press("Escape")
    expect(pie.locator(".fk-letter-sheet")).to_be_hidden()
    expect(details).to_be_focused()

    pie.get_by_role("button", name="Discard").focus()
    page.keyboard.press("Enter")
    expect(letters).to_have_count(4)
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(letters).to_have_count(5)
    page.get_by_role("button", name="Discard all: orders.new").click()
    expect(letters).to_have_count(2)
    page.get_by_text("3 messages were discarded.").wait_for()
    assert [one.dead for one in bus.state().groups] == [1]
    page.get_by_role("button", name="Undo").click()
    expect(letters).to_have_count(5)

    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    for target in page.locator(".fk-letters button").all():
        box = target.bounding_box()
        assert box is None or box["height"] >= 32
    keep_picture(page, "dead-letters-360-dark", full_page=True)

    page.get_by_role("button", name="Deliver all again: orders.new").click()
    expect(letters).to_have_count(2)
    assert [(one.dead, one.waiting) for one in bus.state().groups] == [(1, 3)]
    page.get_by_role("button", name=f"Retry: job {job.id}").click()
    page.get_by_text(f"Job {job.id} was queued again.").wait_for()
    wait_for(lambda: served.workbench.jobs.get(job.id).state == "failed")
    expect(letters).to_have_count(2)  # it failed again, and came back by itself
