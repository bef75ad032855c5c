"""The chat in a real browser, with the offline model: no server, no key, no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from fraktal_kernel.agents.chat.book import Book
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.security import Security
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401

Visit = Callable[..., Any]
Keep = Callable[..., Any]
ANSWERED = '.fk-message[data-role="assistant"][data-state="done"]'


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """End what a test left running or waiting."""
    yield
    if "served" in request.fixturenames:
        request.getfixturevalue("served").end_all()


def say(page: Any, text: str) -> None:
    """Type a message and send it."""
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_an_answer_comes_with_its_job_and_picture(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """What was asked for is done as a job, whose card and picture stand in the answer."""
    page = visit("/chat", width=1440, height=900)
    page.get_by_text("Say what you want done", exact=True).wait_for()
    keep_picture(page, "chat-empty-light")
    say(page, "render the seahorse valley at 320x200")
    answer = page.locator(ANSWERED)
    answer.wait_for()
    expect(answer.locator('.fk-job[data-state="succeeded"]')).to_contain_text("Render a fractal")
    answer.locator(".fk-picture").wait_for()
    expect(answer.locator(".fk-message-origin")).to_contain_text("offline")
    expect(page.locator(".fk-talk")).to_contain_text("render the seahorse")
    keep_picture(page, "chat-answer-light")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_role("button", name="Conversations").click()
    page.locator(".fk-talk-open").click()
    keep_picture(page, "chat-answer-narrow-dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_cannot_be_taken_back_waits_in_the_chat(visit: Visit, tmp_path: Path) -> None:  # noqa: F811
    """A call with an effect stands there as a card; a yes on it lets it happen, once."""
    page = visit("/chat", width=1440, height=900)
    book = tmp_path / "book"
    say(page, f"do what stays file={book} text=hello")
    page.get_by_role("button", name="Approve", exact=True).click(timeout=60_000)
    page.locator(ANSWERED).wait_for()
    assert [line.split()[1:] for line in book.read_text().splitlines()] == [["hello"]]
    expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)


def test_what_was_said_is_said_otherwise(visit: Visit) -> None:  # noqa: F811
    """To say an earlier message otherwise makes a second version; the first one stays."""
    page = visit("/chat", width=1440, height=900)
    say(page, "how many jobs failed today?")
    page.locator(ANSWERED).wait_for()
    page.get_by_role("button", name="Say it otherwise").click()
    box = page.get_by_label("Message", exact=True)
    expect(box).to_have_value("how many jobs failed today?")
    box.fill("what can you do?")
    page.keyboard.press("Enter")
    page.get_by_text("2 of 2").wait_for()
    page.locator(ANSWERED).wait_for()
    expect(page.locator('.fk-message[data-role="user"]')).to_contain_text("what can you do?")
    page.get_by_role("button", name="The version before").click()
    page.get_by_text("1 of 2").wait_for()
    expect(page.locator('.fk-message[data-role="user"]')).to_contain_text("how many jobs failed")


def test_an_answer_is_stopped(visit: Visit, served: ServedWorkbench) -> None:  # noqa: F811
    """The stop button ends the turn and the job that it called; what had come stays."""
    page = visit("/chat", width=1440, height=900)
    say(page, "sleep for 500 seconds")
    page.locator('.fk-message .fk-job[data-state="running"]').wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    stopped = page.locator('.fk-message[data-state="stopped"]')
    expect(stopped).to_contain_text("Stopped")
    stopped.locator('.fk-job[data-state="cancelled"]').wait_for()


def test_conversations_are_found_and_come_back(visit: Visit) -> None:  # noqa: F811
    """A search finds what was said; what was removed comes back with one click."""
    page = visit("/chat", width=1440, height=900)
    say(page, "what is running right now?")
    page.locator(ANSWERED).wait_for()
    found = page.locator(".fk-talk", has_text="what is running")
    page.get_by_label("Search conversations").fill("nothing of this kind")
    page.get_by_text("Nothing that was said matches.").wait_for()
    page.get_by_label("Search conversations").fill("running")
    found.wait_for()
    found.get_by_role("button", name="Remove").click()
    expect(found).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    found.wait_for()


def test_a_long_conversation_opens_at_its_end(visit: Visit, served: ServedWorkbench) -> None:  # noqa: F811
    """Who opens one reads what was said last, not what was said first."""
    jobs = [served.workbench.submit("test.echo") for _ in range(2)]
    database = Database(served.settings.database)
    book = Book(database, Events(database), Security(database).local_user().user_id)
    for job, talk in zip(jobs, ("apples", "pears"), strict=True):
        job.wait(60)
        turn = book.open_turn(job.id, talk, None, None)
        lines = [f"line {number} of {talk}" for number in range(80)]
        part = {"say": "text", "request": 1, "text": "\n\n".join(lines)}
        told = {"cached": False, "seconds": 0.1, "tokens_in": 1, "tokens_out": 2}
        book.finish(turn.answer_id, {"parts": [part], "model": "somebody", **told}, [], None)
    database.close()
    page = visit("/chat", width=1440, height=900)
    for talk in ("apples", "pears"):
        page.locator(".fk-talk-open", has_text=talk).click()
        expect(page.get_by_text(f"line 79 of {talk}")).to_be_in_viewport(timeout=20_000)
        page.locator(".fk-messages").evaluate("all => { all.scrollTop = 0; }")
        expect(page.get_by_text(f"line 0 of {talk}")).to_be_in_viewport(timeout=20_000)


def test_words_of_a_model_are_only_words(visit: Visit, served: ServedWorkbench) -> None:  # noqa: F811
    """No markup of a model's runs, and no picture of it is fetched from anywhere."""
    job = served.workbench.submit("test.echo")
    job.wait(60)
    database = Database(served.settings.database)
    owner = Security(database).local_user().user_id
    book = Book(database, Events(database), owner)
    turn = book.open_turn(job.id, "What stands on that page?", None, None)
    text = (
        "# Result\n<img src=http://evil.example/a.png onerror=alert(1)> ![b](http://evil.example/b)"
        " [go](javascript:alert(1)) [see](https://example.com/x) **bold** <script>alert(2)</script>"
    )
    part = {"say": "text", "request": 1, "text": text}
    details = {"parts": [part], "model": "somebody", "cached": False, "seconds": 0.1}
    book.finish(turn.answer_id, {**details, "tokens_in": 1, "tokens_out": 2}, [], None)
    database.close()
    page = visit("/chat", width=1440, height=900)
    page.locator(".fk-talk-open", has_text="What stands on that page?").click()
    said = page.locator(".fk-said")
    expect(said.locator("strong")).to_have_text("bold")
    assert said.locator("img, script").count() == 0
    links = said.locator("a").evaluate_all("all => all.map(a => [a.href, a.rel])")
    kind = "noopener noreferrer"  # what would be a picture is a link, which only a person follows
    assert links == [["http://evil.example/b", kind], ["https://example.com/x", kind]]
