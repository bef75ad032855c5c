"""The timeline widget says what the workbench says, and follows the job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fraktal_kernel import Workbench
from fraktal_widgets import Timeline


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[Workbench]:
    """Give a workbench with one worker."""
    modules = ["tests.core.tracing.traced_capabilities"]
    with Workbench.open(serve=True, data=tmp_path, workers=1, capability_modules=modules) as opened:
        yield opened


def test_it_follows_the_newest_job_and_opens_a_span(workbench: Workbench) -> None:
    """Bars come as the job goes on; one that is pressed tells its facts; nothing stays behind."""
    job = workbench.submit("traced.asks")
    until(lambda: job.state == "waiting")
    widget = Timeline(workbench=workbench)
    widget.wish = {"do": "ready", "seq": 1}
    until(lambda: [row for row in widget.board["spans"] if row["kind"] == "person"])
    assert widget.board["job"]["id"] == job.id
    job.answer("yes")
    until(lambda: widget.board["job"]["state"] == "succeeded")
    rows = widget.board["spans"]
    assert [row["name"] for row in rows] == [span.name for span in job.spans().spans]
    assert [row["depth"] for row in rows] == [span.depth for span in job.spans().spans]
    person = next(row for row in rows if row["kind"] == "person")
    widget.wish = {"do": "open", "span": person["id"], "seq": 2}
    until(lambda: widget.details.get("id") == person["id"])
    assert ["answer", "yes"] in widget.details["facts"]
    widget.wish = {"do": "job", "job": 999, "seq": 3}
    until(lambda: "there is no job 999" in widget.board["missing"])
    widget.close()
    assert widget.feed.wait_closed(10)
