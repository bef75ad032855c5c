"""The approvals page in a real browser: nothing is done without a yes, and a yes is one click."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import wait_for
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401

Visit = Callable[..., Any]
Keep = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_left(served: ServedWorkbench) -> Iterator[None]:  # noqa: F811
    """End what a test left waiting: the next one's page shows its own things only."""
    yield
    served.end_all()


def errand(served: ServedWorkbench, file: Path, *texts: str) -> Any:  # noqa: F811
    """Let a program ask for deeds that cannot be taken back."""
    file.touch()
    deeds = [{"file": str(file), "text": text} for text in texts]
    return served.workbench.submit("test.errand", deeds=deeds)


def test_an_empty_page_teaches(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """Where nothing waits, the page says what will stand there."""
    page = visit("/approvals", width=1440, height=900)
    page.get_by_text("Nothing waits for you").wait_for()
    expect(page.locator(".page-rail [aria-current]")).to_have_text("Approvals")
    keep_picture(page, "approvals-empty-light")


def test_approve_change_and_deny(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """Each answer does what it says, the top bar counts, and Enter in a field answers nothing."""
    job = errand(served, tmp_path / "book", "first", "second", "third")
    page = visit("/approvals", width=1440, height=1000)
    cards = page.locator(".fk-ask")
    expect(cards).to_have_count(3)
    page.get_by_label("3 jobs wait for your answer").wait_for()
    expect(cards.nth(0)).to_contain_text("This writes a line for ever.")
    expect(cards.nth(0)).to_contain_text("Asked by a butler")
    expect(cards.nth(0).locator(".fk-ask-params")).to_contain_text(str(tmp_path / "book"))
    assert page.evaluate("document.activeElement === document.body")  # nothing is chosen
    keep_picture(page, "approvals-1440-light")

    cards.nth(0).get_by_role("button", name="Approve").click()
    expect(cards.nth(0).locator(".fk-ask-outcome")).to_contain_text("has succeeded")

    cards.nth(1).get_by_role("button", name="Change arguments").click()
    form = page.get_by_role("form", name="Arguments of job")
    field = form.get_by_label("Text")
    expect(field).to_have_value("second")
    field.fill("changed")
    field.press("Enter")
    keep_picture(page, "approvals-form-light")
    expect(cards.nth(1)).to_have_attribute("data-state", "open")
    form.get_by_role("button", name="Approve with these arguments").click()
    expect(cards.nth(1).locator(".fk-ask-outcome")).to_contain_text("has succeeded")

    cards.nth(2).get_by_role("button", name="Deny").click()
    reason = cards.nth(2).get_by_label("Why not?")
    expect(reason).to_be_focused()
    reason.fill("not on a Friday")
    cards.nth(2).get_by_role("button", name="Deny").click()
    expect(cards.nth(2).locator(".fk-ask-outcome")).to_contain_text("not on a Friday")

    assert [line[:9] for line in job.wait(60)] == ["succeeded", "succeeded", "cancelled"]
    lines = (tmp_path / "book").read_text().split("\n")
    assert sorted(line.partition(" ")[2] for line in lines if line) == ["changed", "first"]
    page.get_by_label("0 jobs wait for your answer").wait_for()


def test_answered_elsewhere_and_on_a_phone(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """An answer from elsewhere stands on the card at once; a phone shows all of it."""
    errand(served, tmp_path / "book", "x" * 100)
    served.workbench.submit("test.ask", what="Shall the oven go on?")
    page = visit("/approvals", width=360, height=740, dark=True)
    expect(page.locator(".fk-ask")).to_have_count(2)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    for target in page.locator(".fk-approvals button").all():
        box = target.bounding_box()
        assert box is None or box["height"] >= 32
    keep_picture(page, "approvals-360-dark", full_page=True)
    (approval,) = [one for one in served.workbench.approvals.list() if one.kind == "approval"]
    served.workbench.approvals.deny(approval.id, note="by telephone")
    expect(page.locator('.fk-ask[data-kind="approval"]')).to_contain_text("by telephone")
    question = page.locator('.fk-ask[data-kind="question"]')
    question.get_by_role("button", name="yes").first.click()
    page.get_by_text("Answered: yes.").wait_for()
    page.locator(".fk-ask-text", has_text="Sure?").wait_for()


def test_an_unknown_outcome_stands_out(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """Whose worker is lost in the middle of a deed is never repeated; a person is asked."""
    file, gate = tmp_path / "book", tmp_path / "gate"
    file.touch()
    job = served.workbench.submit("test.deed", file=str(file), after=str(gate))
    wait_for(lambda: gate.with_suffix(".reached").exists())
    for child in psutil.Process(served.process.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    page = visit(f"/approvals#job-{job.id}", width=1440, height=900)
    card = page.locator('.fk-ask[data-kind="doubt"]')
    expect(card).to_contain_text("Did it happen?")
    keep_picture(page, "approvals-doubt-light")
    card.get_by_role("button", name="it happened").click()
    wait_for(lambda: served.workbench.jobs.get(job.id).state == "succeeded")
    assert len(file.read_text().splitlines()) == 1
