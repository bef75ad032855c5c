"""What the database knows of a job's time is read alike from each kind of database."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraktal_kernel.core.jobs.journal import Outcome, Submission
from fraktal_kernel.core.jobs.memory import SPANS
from fraktal_kernel.core.jobs.reading import Reader
from tests.core.jobs.test_losses import Desk


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_family_is_read_in_whole(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A job with a step, a recorded span, a loss and a child, from the journal to the timeline."""
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    desk = Desk(request.getfixturevalue("new_postgres_url") if kind == "postgres" else url)
    lost = desk.claim()
    span = {"id": "1" * 16, "parent": "", "kind": "work", "name": "a", "error": ""}
    told = {**span, "began": 1.0, "ended": 2.0, "attributes": {"litres": 2}}
    desk.journal.note([(lost.id, lost.fence, lost.owner_id, SPANS, {"spans": [told]})])
    desk.journal.lost(lost.id, lost.fence, "the worker process died")
    again = desk.claim()
    desk.journal.finish_step(again.id, again.fence, "fit", "1", 0.0, 0.5)
    child = Submission(
        again.owner_id, "test.echo", "{}", parent_id=again.id, traceparent=str(again.trace)
    )
    desk.journal.begin(again.id, again.fence, child)
    desk.journal.end([Outcome(again.id, again.fence, "succeeded", "1")])
    timeline = Reader(desk.database, again.owner_id).spans(again.id)
    assert [(each.kind, each.state) for each in timeline.spans] == [
        ("job", "ok"),
        ("work", "ok"),
        ("queue", "ok"),
        ("attempt", "error"),
        ("queue", "ok"),
        ("attempt", "ok"),
        ("step", "ok"),
        ("job", "open"),
        ("queue", "open"),
    ]
    assert timeline.trace_id == again.trace.trace_id
    assert timeline.spans[1].attributes == {"litres": 2}
    desk.database.close()
