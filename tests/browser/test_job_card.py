"""One job's card in a real browser, given its updates one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from fraktal_widgets.assets import HERE

CARD = """({ id, ...job }) => {
    const usual = {
      id, title: "Bake", state: "waiting", progress: 0, attempt: 1, asked: 0,
      params: [], result: [], created: Date.now(), started: Date.now(),
    };
    globalThis.wishes ??= [];
    globalThis.cards ??= new Map();
    if (!cards.has(id)) {
      const context = { pictures: () => ({}), api: () => "", now: () => Date.now() };
      cards.set(id, jobCard((wish) => wishes.push(wish), context));
      document.body.append(cards.get(id).element);
    }
    cards.get(id).update({ ...usual, ...job });
}"""


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """Open an empty page that knows how to make cards."""
    page = open_page("about:blank")
    for name in ("dom.js", "job_card.js"):
        page.add_script_tag(content=(HERE / name).read_text())
    return page


def test_a_question_asked_twice_is_answered_twice(page: Any) -> None:
    """The next question can be answered, though it reads alike and nothing was seen between."""
    question = {"text": "Sure?", "choices": ["yes", "no"]}
    page.evaluate(CARD, {"id": 7, "question": question, "asked": 1})
    yes = page.get_by_role("button", name="yes")
    yes.click()
    expect(yes).to_be_disabled()
    page.evaluate(CARD, {"id": 7, "question": question, "asked": 1, "message": "the same still"})
    expect(yes).to_be_disabled()
    page.evaluate(CARD, {"id": 7, "question": question, "asked": 2})
    yes.click()
    answer = {"do": "answer", "job": 7, "choice": "yes"}
    assert page.evaluate("wishes") == [answer, answer]


def test_a_card_takes_the_focus_from_no_other(page: Any) -> None:
    """Buttons that are drawn anew keep the focus that they had, and get none that they had not."""
    for number in (1, 2):
        page.evaluate(CARD, {"id": number, "state": "running"})
    first, second = page.get_by_role("button", name="Details of job").all()
    first.focus()
    page.evaluate(CARD, {"id": 2, "state": "succeeded"})
    expect(first).to_be_focused()
    page.evaluate(CARD, {"id": 1, "state": "succeeded"})
    expect(first).to_be_focused()
    expect(second).not_to_be_focused()
