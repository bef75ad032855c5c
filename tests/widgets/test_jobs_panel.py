"""The jobs panel shows a real workbench's jobs, live, and ends with its widget."""

from __future__ import annotations

import base64
import io
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_widgets import JobsPanel
from fraktal_widgets.job_facts import thumbnail
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.pieces import PIECE_BYTES

Until = Callable[..., None]


def shown(bench: LocalWorkbench) -> JobsPanel:
    """Make a panel that a browser shows."""
    panel = JobsPanel(bench)
    wish(panel, do="ready")
    return panel


@pytest.fixture
def panel(widget_bench: LocalWorkbench) -> Iterator[JobsPanel]:
    """Make a panel and close it."""
    panel = shown(widget_bench)
    yield panel
    panel.close()
    assert panel.feed.wait_closed(60)


def card(panel: JobsPanel, job_id: int) -> dict[str, Any]:
    """Find a job on the panel; empty while it is not there."""
    return next((job for job in panel.board["jobs"] if job["id"] == job_id), {})


def wish(panel: JobsPanel, **what: Any) -> None:
    """Do what a click does."""
    panel.wish = {**what, "seq": time.monotonic_ns()}


def test_a_job_appears_moves_and_ends_by_itself(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """A job that somebody else submits shows up and is followed to its end."""
    until(lambda: not panel.board["loading"])
    job = widget_bench.submit("test.echo", text="live")
    until(lambda: card(panel, job.id).get("state") == "succeeded")
    shown = card(panel, job.id)
    assert shown["title"] == "Say it again"
    assert shown["summary"] == "text live"
    assert shown["params"] == [["text", "live"]]
    assert shown["ended"] >= shown["started"] >= shown["created"] > 1e12
    until(lambda: card(panel, job.id)["artifacts"])
    assert card(panel, job.id)["artifacts"][0]["name"] == "echo.txt"


def test_the_board_is_json(panel: JobsPanel, until: Until) -> None:
    """Everything that goes to the browser is plain JSON."""
    until(lambda: not panel.board["loading"])
    json.dumps(panel.get_state(["board", "pictures", "download", "api", "wish"]), allow_nan=False)


def test_cancel_and_retry(widget_bench: LocalWorkbench, panel: JobsPanel, until: Until) -> None:
    """The buttons of a card stop a job and queue it again."""
    job = widget_bench.submit("test.sleep")
    until(lambda: card(panel, job.id).get("state") == "running")
    until(lambda: card(panel, job.id)["message"] == "asleep")
    assert panel.counts["running"] >= 1
    wish(panel, do="cancel", job=job.id)
    until(lambda: card(panel, job.id)["state"] == "cancelled")
    wish(panel, do="retry", job=job.id)
    until(lambda: card(panel, job.id)["state"] == "running")
    wish(panel, do="cancel", job=job.id)
    until(lambda: card(panel, job.id)["state"] == "cancelled")


def test_a_refusal_stands_on_the_card(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """What the workbench refuses is said where the user clicked."""
    job = widget_bench.submit("test.echo")
    job.wait(60)
    until(lambda: card(panel, job.id).get("state") == "succeeded")
    wish(panel, do="cancel", job=job.id)
    until(lambda: card(panel, job.id)["problem"])


def test_a_question_is_answered(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """A waiting job shows its question; each answer lets it go on."""
    job = widget_bench.submit("test.ask", what="Bake it?")
    until(lambda: (card(panel, job.id).get("question") or {}).get("text") == "Bake it?")
    assert card(panel, job.id)["question"]["choices"] == ["yes", "no"]
    until(lambda: panel.counts["waiting"] >= 1)
    wish(panel, do="answer", job=job.id, choice="yes")
    until(lambda: (card(panel, job.id)["question"] or {}).get("text") == "Sure?")
    wish(panel, do="answer", job=job.id, choice="no")
    until(lambda: card(panel, job.id)["state"] == "succeeded")
    assert job.wait(60)["second"] == "no"
    assert ["second", "no"] in card(panel, job.id)["result"]


def test_the_log_is_read_when_a_card_is_opened(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """A card has no log until it is opened, and none after it is closed."""
    job = widget_bench.submit("test.echo", text="words")
    job.wait(60)
    until(lambda: card(panel, job.id).get("state") == "succeeded")
    assert "log" not in card(panel, job.id)
    wish(panel, do="open", job=job.id)
    until(lambda: "log" in card(panel, job.id))
    assert "heard words" in [line["text"] for line in card(panel, job.id)["log"]]
    wish(panel, do="close", job=job.id)
    until(lambda: "log" not in card(panel, job.id))


def test_a_picture_is_shown_small(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """A picture that a job made comes to the browser as a small picture of a few kilobytes."""
    job = widget_bench.submit("fractal.render", scene="full_set", width=640, height=480)
    job.wait(120)
    until(lambda: card(panel, job.id).get("artifacts"))
    digest = card(panel, job.id)["artifacts"][0]["sha256"]
    until(lambda: digest in panel.pictures)
    url = panel.pictures[digest]
    assert len(url) < 64_000
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as small:
        assert small.size == (320, 240)


def test_a_file_is_downloaded_through_the_widget(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """Where there is no server, a file comes through the widget, in pieces that are asked for."""
    text = "to keep, " * 100_000
    job = widget_bench.submit("test.echo", text=text)
    job.wait(60)

    def piece(start: int) -> bytes:
        wish(panel, do="download", job=job.id, name="echo.txt", start=start)
        until(lambda: panel.download.get("start") == start)
        told = panel.download
        assert (told["job"], told["name"], told["size_bytes"]) == (job.id, "echo.txt", len(text))
        return base64.b64decode(told["data"])

    pieces = [piece(start) for start in range(0, len(text), PIECE_BYTES)]
    assert len(pieces) == 2
    assert b"".join(pieces).decode() == text


def test_a_file_that_is_not_there_is_said_to_be_missing(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """Asking for a file that a job does not have is answered with a sentence."""
    job = widget_bench.submit("test.echo")
    wish(panel, do="download", job=job.id, name="gone.txt", start=0)
    until(lambda: panel.download)
    assert panel.download["error"] == f"job {job.id} has no file 'gone.txt' any more."


def test_jobs_before_the_panel_are_there(
    widget_bench: LocalWorkbench, panel: JobsPanel, until: Until
) -> None:
    """A panel that is opened later shows what was there before."""
    job = widget_bench.submit("test.echo")
    job.wait(60)
    later = shown(widget_bench)
    try:
        until(lambda: card(later, job.id))
    finally:
        later.close()


def test_older_jobs_come_when_asked_for(widget_bench: LocalWorkbench, until: Until) -> None:
    """The list begins with the newest page; older ones follow on demand."""
    numbers = [widget_bench.submit("test.echo").id for _ in range(55)]
    panel = shown(widget_bench)
    try:
        until(lambda: not panel.board["loading"])
        assert panel.board["more"]
        wish(panel, do="older", filter="all")
        until(lambda: {job["id"] for job in panel.board["jobs"]} >= set(numbers))
    finally:
        panel.close()
        for number in numbers:
            until(lambda number=number: widget_bench.jobs.get(number).ended)


def test_changes_are_told_at_most_ten_times_a_second(
    widget_bench: LocalWorkbench, tmp_path: Any, until: Until
) -> None:
    """However fast a job reports, the browser hears of it at a bounded rate."""
    told: list[float] = []
    feed = JobFeed(widget_bench, lambda: told.append(time.monotonic()))
    feed.start()
    try:
        job = widget_bench.submit("test.steps", count=200, file=str(tmp_path / "steps"))
        until(lambda: job.id in feed.jobs and feed.jobs[job.id].state == "succeeded")
    finally:
        feed.close()
        assert feed.wait_closed(60)
    pauses = [after - before for before, after in itertools.pairwise(told)]
    assert min(pauses) >= 1 / JobFeed.rate_per_s


def test_the_threads_end_with_the_widget(widget_bench: LocalWorkbench) -> None:
    """Closing a panel leaves no thread behind."""
    before = set(threading.enumerate())

    def new() -> list[threading.Thread]:
        return [t for t in set(threading.enumerate()) - before if "fraktal-jobs" in t.name]

    panels = [JobsPanel(widget_bench) for _ in range(3)]
    assert new() == []  # nobody looks yet
    for panel in panels:
        wish(panel, do="ready")
    assert len(new()) == 6
    for panel in panels:
        panel.close()
        assert panel.feed.wait_closed(60)


def test_what_is_no_picture_has_no_thumbnail() -> None:
    """Broken and huge pictures are listed without a thumbnail."""
    assert thumbnail(b"") is None
    assert thumbnail(b"\x89PNG\r\n\x1a\n broken") is None
