"""The page of language models in a real browser: added, tried, ordered, removed, taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from fraktal_kernel.agents.models.keeper import models_of
from tests.agents.scripted import says, scripted
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401

DEAD = "openai:gone@http://127.0.0.1:1/v1"


def test_models_are_added_tried_ordered_and_taken_back(
    visit: Callable[..., Any],  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Callable[..., Any],
) -> None:
    """What is pressed holds on the server at once, by keyboard too; a phone shows all of it."""

    def listed() -> list[str]:
        return [each.model for each in models_of(served.workbench).list().models]

    page = visit("/chat", width=1280, height=900)
    page.get_by_role("link", name="Change the models").click()
    cards = page.locator(".fk-model")
    expect(cards).to_have_count(1)
    form = page.get_by_role("form", name="Add a model")

    def add(name: str, address: str, limit: str = "", key: str = "") -> None:
        form.get_by_label("Served by").select_option("other")
        form.get_by_label("Name", exact=True).fill(name)
        form.get_by_label("Address").fill(address)
        form.get_by_label("Time limit, s").fill(limit)
        form.get_by_label("Variable of its key").fill(key)
        form.get_by_role("button", name="Add").click()

    with scripted(says("Hello from ", "the lab.")) as server:
        add("scripted", server.url, "0")
        expect(form.get_by_role("alert")).to_contain_text("expected more than 0")
        expect(form.get_by_label("Address")).to_have_value(server.url)  # what was typed stays
        add("scripted", server.url, "20", "LAB_API_KEY")
        expect(cards).to_have_count(2)
        add("gone", "http://127.0.0.1:1/v1")
        expect(cards).to_have_count(3)
        assert listed() == [server.spec, DEAD, "offline"]
        page.get_by_role("button", name=f"Try {server.spec}").click()
        expect(cards.nth(0)).to_contain_text("Hello from the lab.")
        expect(cards.nth(0)).to_contain_text("1 answer")
    page.get_by_role("button", name=f"Try {DEAD}").click()
    expect(cards.nth(1)).to_contain_text("Did not answer: connection refused")
    keep_picture(page, "models-1280-light", full_page=True)

    earlier = page.get_by_role("button", name=f"Earlier: {DEAD}")
    earlier.focus()
    page.keyboard.press("Enter")
    expect(cards.nth(0)).to_have_attribute("data-model", DEAD)
    expect(earlier).to_be_focused()
    page.get_by_role("button", name=f"Remove {DEAD}").click()
    expect(cards).to_have_count(2)
    page.get_by_role("button", name="Undo the last change").click()
    expect(cards).to_have_count(3)
    assert listed()[0] == DEAD

    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name=f"Edit limit and key of {server.spec}").click()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    for target in page.locator(".fk-models button").all():
        box = target.bounding_box()
        assert box is None or box["height"] >= 32
    keep_picture(page, "models-360-dark", full_page=True)
