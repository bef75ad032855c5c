"""The approvals panel shows what a real workbench waits for, and answers it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.core.jobs.effects import AGAIN, GIVE_UP, HAPPENED
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.errors import FraktalError
from fraktal_widgets import ApprovalsPanel, JobsPanel

Until = Callable[..., None]


@pytest.fixture
def panel(widget_bench: LocalWorkbench) -> Iterator[ApprovalsPanel]:
    """Make a panel that a browser shows, on a workbench where nothing waits, and close it."""
    for active in ("queued", "running", "waiting"):
        for job in widget_bench.jobs.list(state=active, limit=1000):
            with suppress(FraktalError):  # it may have ended with its parent
                widget_bench.jobs.cancel(job.id)
    panel = ApprovalsPanel(widget_bench)
    wish(panel, do="ready")
    yield panel
    panel.close()
    assert panel.feed.wait_closed(60)


def wish(panel: Any, **what: Any) -> None:
    """Do what a click does."""
    panel.wish = {**what, "seq": time.monotonic_ns()}


def cards(panel: ApprovalsPanel, state: str = "open") -> list[dict[str, Any]]:
    """List the cards in one state."""
    return [item for item in panel.board["items"] if item["state"] == state]


def errand(bench: LocalWorkbench, *deeds: dict[str, Any]) -> Any:
    """Let a program ask for deeds that cannot be taken back."""
    return bench.submit("test.errand", deeds=list(deeds))


def only(panel: ApprovalsPanel, until: Until) -> dict[str, Any]:
    """Wait for the one card that is open."""
    until(lambda: len(cards(panel)) == 1)
    return cards(panel)[0]


def test_a_card_says_what_to_what_and_by_whom(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """Effect, all parameters whole, who asked and how long one has: all of it is plain JSON."""
    file = tmp_path / "book"
    text = "a" * 90
    errand(widget_bench, {"file": str(file), "text": text})
    card = only(panel, until)
    assert card["kind"] == "approval"
    assert card["title"] == "Do what stays"
    assert card["effect"] == "writes a line for ever"
    assert card["asked_by"] == "a butler"
    assert card["params"] == [
        ["file", str(file)], ["text", text], ["before", "none"], ["after", "none"]
    ]  # fmt: skip
    assert card["expires"] > card["asked"] > 1e12
    json.dumps(panel.get_state(["board", "spec", "api", "wish"]), allow_nan=False)


def test_a_yes_starts_the_job_and_the_card_says_so(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """After an approval the deed is done once, and the card tells by whom and what became of it."""
    file = tmp_path / "book"
    file.touch()
    job = errand(widget_bench, {"file": str(file)})
    card = only(panel, until)
    wish(panel, do="approve", key=card["key"], digest=card["digest"])
    until(lambda: not cards(panel))
    job.wait(60)
    assert len(file.read_text().splitlines()) == 1
    until(lambda: "has succeeded" in panel.board["items"][0]["outcome"])
    assert panel.board["items"][0]["outcome"].startswith("Approved by ")


def test_a_no_with_a_reason_reaches_who_asked(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """A denial cancels the job; the reason stands on the card and in the answer."""
    job = errand(widget_bench, {"file": str(tmp_path / "book")})
    card = only(panel, until)
    wish(panel, do="deny", key=card["key"], note="not on a Friday")
    until(lambda: cards(panel, "denied"))
    assert cards(panel, "denied")[0]["outcome"].endswith(": not on a Friday")
    assert "not on a Friday" in job.wait(60)[0]
    assert not (tmp_path / "book").exists()


def test_changed_arguments_are_those_that_are_used(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """The form comes filled in; what does not fit is said beside its field; what fits is done."""
    file = tmp_path / "book"
    file.touch()
    job = errand(widget_bench, {"file": str(file), "text": "one"})
    card = only(panel, until)
    wish(panel, do="change", key=card["key"])
    until(lambda: panel.spec.get("key") == card["key"])
    assert panel.spec["fill"]["text"] == "one"
    assert panel.spec["schema"]["properties"]["text"]["maxLength"] == 100
    changed = {**panel.spec["fill"], "text": "x" * 101}
    wish(panel, do="approve", key=card["key"], digest=card["digest"], params=changed)
    until(lambda: cards(panel) and cards(panel)[0]["problem"])
    assert list(cards(panel)[0]["faults"]) == ["text"]
    changed["text"] = "two"
    wish(panel, do="approve", key=card["key"], digest=card["digest"], params=changed)
    assert job.wait(60) == ["succeeded two"]
    assert file.read_text().endswith(" two\n")


def test_what_is_answered_elsewhere_is_said_at_once(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """Somebody else's no shows on the card; a click that comes too late changes nothing."""
    errand(widget_bench, {"file": str(tmp_path / "book")})
    card = only(panel, until)
    widget_bench.approvals.deny(int(card["key"][1:]), note="seen first")
    until(lambda: cards(panel, "denied"))
    wish(panel, do="approve", key=card["key"], digest=card["digest"])
    time.sleep(0.3)
    assert "seen first" in cards(panel, "denied")[0]["outcome"]
    assert not (tmp_path / "book").exists()


def test_questions_of_jobs_stand_there_one_after_the_other(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, until: Until
) -> None:
    """A question's choices answer it; the next question of the same job is a card of its own."""
    job = widget_bench.submit("test.ask", what="Bake it?")
    first = only(panel, until)
    assert (first["kind"], first["text"], first["choices"]) == (
        "question", "Bake it?", ["yes", "no"]
    )  # fmt: skip
    wish(panel, do="choose", key=first["key"], choice="yes")
    until(lambda: cards(panel) and cards(panel)[0]["text"] == "Sure?")
    second = cards(panel)[0]
    assert second["key"] != first["key"]
    assert cards(panel, "answered")[0]["outcome"].startswith("Answered: yes.")
    wish(panel, do="choose", key=second["key"], choice="no")
    assert job.wait(60)["second"] == "no"


def test_an_unknown_outcome_stands_out(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """Where a worker died with the deed begun, a person is asked whether it happened."""
    import psutil

    file, gate = tmp_path / "book", tmp_path / "gate"
    file.touch()
    job = widget_bench.submit("test.deed", file=str(file), after=str(gate))
    until(lambda: gate.with_suffix(".reached").exists())
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # of what other tests started, some just end
            if "fraktal_kernel" in " ".join(child.cmdline()):
                child.kill()
    card = only(panel, until)
    assert card["kind"] == "doubt"
    assert card["choices"] == [HAPPENED, AGAIN, GIVE_UP]
    assert "Did it happen?" in card["text"]
    wish(panel, do="choose", key=card["key"], choice=HAPPENED)
    until(lambda: widget_bench.jobs.get(job.id).state == "succeeded")
    assert len(file.read_text().splitlines()) == 1


def test_the_count_is_of_what_waits_for_a_person(
    widget_bench: LocalWorkbench, panel: ApprovalsPanel, tmp_path: Path, until: Until
) -> None:
    """Approvals and questions count; a job that waits for others or for a time does not."""
    jobs = JobsPanel(widget_bench)
    wish(jobs, do="ready")
    try:
        until(lambda: not jobs.board["loading"] and jobs.counts.get("waiting") == 0)
        parent = errand(widget_bench, {"file": str(tmp_path / "book")})
        asking = widget_bench.submit("test.ask")
        sleeping = widget_bench.submit("test.alarm", seconds=600)
        until(lambda: jobs.counts["waiting"] == 2)
        words = {card["id"]: card["waits_for"] for card in jobs.board["jobs"]}
        assert words[parent.id] == words[sleeping.id] == ""
        assert words[asking.id] == "question"
        assert [kind for kind in words.values() if kind == "approval"] == ["approval"]
        for job in (parent, asking, sleeping):
            widget_bench.jobs.cancel(job.id)
        until(lambda: jobs.counts["waiting"] == 0)
    finally:
        jobs.close()
