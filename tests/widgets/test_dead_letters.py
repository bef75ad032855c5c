"""What the bus and the jobs gave up: shown with its reason, tried again, put away, taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_widgets import DeadLetters

Until = Callable[..., None]
MODULES = ["tests.capabilities"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LocalWorkbench]:
    """Open a workbench of its own: what others gave up must not stand in the panel."""
    with Workbench.open(
        data=tmp_path, workers=1, capability_modules=MODULES, retry_delay_s=0.02
    ) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


@pytest.fixture
def panel(bench: LocalWorkbench) -> Iterator[DeadLetters]:
    """Make a panel that a browser shows, and close it."""
    panel = DeadLetters(bench)
    panel.wish = {"do": "ready", "seq": 0, "visit": "v"}
    yield panel
    panel.close()
    assert panel.feed.wait_closed(60)


def wish(panel: DeadLetters, until: Until, **what: Any) -> dict[str, Any]:
    """Do what a click does, and wait for what came of it."""
    panel.wish = {**what, "visit": "v", "seq": time.monotonic_ns()}
    if what["do"] in ("open", "close"):
        return {}
    seq = panel.wish["seq"]
    until(lambda: panel.board["outcome"].get("seq") == seq)
    return dict(panel.board["outcome"])


def letters(panel: DeadLetters, section: str) -> list[dict[str, Any]]:
    """List the letters of one section."""
    found = [one["letters"] for one in panel.board["sections"] if one["key"] == section]
    return found[0] if found else []


class Till:
    """A consumer that can handle nothing as long as it is empty."""

    def __init__(self) -> None:
        self.empty = True
        self.sold: list[Any] = []

    def __call__(self, message: Any) -> None:
        """Sell, or say that nothing can be sold."""
        if self.empty:
            raise InvalidInput("the till is empty.")
        self.sold.append(message.body)


def test_messages_die_are_delivered_again_and_put_away(
    bench: LocalWorkbench, panel: DeadLetters, until: Until
) -> None:
    """A letter comes up by itself with its reason; again, away and back do what they say."""
    till = Till()
    subscription = bench.bus.subscribe("orders.*", "till", till)
    for number in range(3):
        bench.bus.publish("orders.new", {"item": f"tea {number}"}, message_id=f"o{number}")
    bench.bus.publish("orders.old", ["x" * 100_000], message_id="old")
    until(lambda: len(letters(panel, "bus orders.new")) == 3 and letters(panel, "bus orders.old"))
    first = letters(panel, "bus orders.new")[0]
    assert (first["error"], first["tries"], first["name"]) == ("the till is empty.", 1, "o0")
    assert json.loads(first["line"]) == {"item": "tea 0"} and first["payload"] is None
    wish(panel, until, do="open", key="till/old")
    until(lambda: letters(panel, "bus orders.old")[0]["payload"])
    long = letters(panel, "bus orders.old")[0]["payload"]
    assert len(long) < 70_000 and long.endswith("more characters")

    away = wish(panel, until, do="discard", key="till/o0")
    assert (away["text"], away["can_undo"]) == ("1 message was discarded.", True)
    assert [one["name"] for one in letters(panel, "bus orders.new")] == ["o1", "o2"]
    assert [one.dead for one in bench.bus.state().groups] == [3]
    back = wish(panel, until, do="undo")
    assert back["text"].startswith("Taken back: 1") and not back["can_undo"]
    assert [one["name"] for one in letters(panel, "bus orders.new")] == ["o0", "o1", "o2"]
    assert letters(panel, "bus orders.new")[0]["died"] == first["died"]

    till.empty = False
    assert wish(panel, until, do="again", key="till/o1")["text"] == "1 message was delivered again."
    until(lambda: till.sold == [{"item": "tea 1"}])
    wish(panel, until, do="discard", key="bus orders.new")
    assert letters(panel, "bus orders.new") == [] and letters(panel, "bus orders.old")
    assert bench.bus.redrive(topic="orders.new") == 0  # what was put away stays there
    wish(panel, until, do="undo")
    assert "2 messages were" in wish(panel, until, do="again", key="bus orders.new")["text"]
    until(lambda: [one["item"] for one in till.sold] == ["tea 1", "tea 0", "tea 2"])
    subscription.close()
    bench.bus.forget("till")  # elsewhere, and the panel follows
    until(lambda: panel.board["sections"] == [])
    gone = wish(panel, until, do="again", key="till/old")
    assert gone["problem"] == "that is no dead letter any more."


def test_failed_jobs_are_retried_and_put_away(
    bench: LocalWorkbench, panel: DeadLetters, until: Until, tmp_path: Path
) -> None:
    """A failed job stands there with its error and parameters, once, whatever jobs it began."""
    job = bench.submit("test.fail", file=str(tmp_path / "burnt"), times=99, kind="input")
    other = bench.submit("test.fail", file=str(tmp_path / "cold"), times=99)
    for one in (job, other):
        with pytest.raises(FraktalError):
            one.wait(60)
    until(lambda: len(letters(panel, "job test.fail")) == 2)
    card = letters(panel, "job test.fail")[0]
    assert "given nonsense" in card["error"] and "burnt" in card["line"]
    assert card["job"] == job.id
    assert [one["tries"] for one in letters(panel, "job test.fail")] == [1, 3]

    assert (
        wish(panel, until, do="discard", key=f"#{job.id}")["text"] == f"Job {job.id} was discarded."
    )
    assert [one["job"] for one in letters(panel, "job test.fail")] == [other.id]
    assert bench.jobs.get(job.id).discarded_at is not None
    assert bench.jobs.list("failed")[-1].id == job.id
    wish(panel, until, do="undo")
    assert bench.jobs.get(job.id).discarded_at is None
    assert wish(panel, until, do="discard", key="job test.fail")["text"] == "2 jobs were discarded."
    assert panel.board["sections"] == []
    wish(panel, until, do="undo")
    assert len(letters(panel, "job test.fail")) == 2
    said = wish(panel, until, do="again", key=f"#{other.id}")
    assert said["text"] == f"Job {other.id} was queued again."
    until(lambda: bench.jobs.get(other.id).state == "failed")
    until(lambda: len(letters(panel, "job test.fail")) == 2)  # it failed again, and says so
    bench.jobs.discard(other.id)  # elsewhere
    until(lambda: len(letters(panel, "job test.fail")) == 1)
    done = bench.submit("test.echo", text="fine")
    done.wait(60)
    with pytest.raises(FraktalError, match="only a failed job can be discarded"):
        bench.jobs.discard(done.id)


def test_one_sees_ones_own(tmp_path: Path, until: Until) -> None:
    """Another person's dead letters and undo stay theirs."""
    with LocalWorkbench(load_settings(data=tmp_path), may_run=False) as bench:
        friend = bench.security.add_user("friend", "a long enough password")
        view = bench.as_user(friend.user_id)
        till = Till()
        subscriptions = [one.bus.subscribe("orders.*", "till", till) for one in (bench, view)]
        view.bus.publish("orders.new", "tea", message_id="theirs")
        until(lambda: view.bus.dead_letters())
        told = [one.subject for one in bench.engine.events.page(0, "bus.*", friend.user_id)]
        assert told == ["till"] and bench.engine.events.page(0, "bus.*", bench.user.user_id) == []
        assert bench.bus.dead_letters() == [] and bench.bus.discard() == bench.bus.restore() == 0
        assert view.bus.discard("till") == 1 and bench.bus.restore() == 0
        assert view.bus.restore(message_ids=["u2-theirs"]) == 1
        for one in subscriptions:
            one.close()
