"""The plan view follows a real plan's job, step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_widgets import PlanView
from fraktal_widgets.plan_feed import PARTS_DRAWN

Until = Callable[..., None]


@pytest.fixture
def shown(widget_bench: LocalWorkbench) -> Iterator[Callable[..., PlanView]]:
    """Show plans as a browser does: ``shown(job)``; all are closed in the end."""
    views: list[PlanView] = []

    def show(job: Any = None) -> PlanView:
        views.append(PlanView(job, widget_bench))
        wish(views[-1], do="ready")
        return views[-1]

    yield show
    for view in views:
        view.close()
        assert view.feed.wait_closed(60)


def wish(view: PlanView, **what: Any) -> None:
    """Do what a click does."""
    view.wish = {**what, "seq": time.monotonic_ns()}


def node(view: PlanView, name: str) -> dict[str, Any]:
    """Find a step on the board; empty while it is not there."""
    return next((one for one in view.board["nodes"] if one["id"] == name), {})


def run(bench: LocalWorkbench, *steps: dict[str, Any], **more: Any) -> Any:
    """Submit a plan."""
    return bench.submit("plan.run", plan={"name": "two by two", "steps": list(steps), **more})


def echo(name: str, **more: Any) -> dict[str, Any]:
    """Make a step that says its own name."""
    return {"id": name, "capability": "test.echo", "params": {"text": name}, **more}


def test_a_plan_is_followed_to_its_end(
    widget_bench: LocalWorkbench, shown: Callable[..., PlanView], until: Until
) -> None:
    """Graph, states, counts and head come to the browser as plain JSON, and move by themselves."""
    many = PARTS_DRAWN + 1
    job = run(
        widget_bench,
        echo("first"),
        echo("few", each=[1, 2], after=["first"]),
        echo("many", each=list(range(many)), after=["first"]),
        echo("never", after=["few", "many"], when="first.result.text == 'else'"),
        cost_limit=5,
    )
    view = shown(job)
    until(lambda: (view.board["job"] or {}).get("state") == "succeeded")
    assert view.board["name"] == "two by two"
    assert (view.board["done"], view.board["total"]) == (4, 4)
    assert "5" in view.board["limits"]
    assert node(view, "few")["after"] == ["first"]
    assert node(view, "few")["parts"] == ["succeeded"] * 2
    assert node(view, "many")["parts"] == []
    assert node(view, "many")["counts"] == {"succeeded": many}
    assert node(view, "never")["state"] == "skipped"
    json.dumps(view.get_state(["board", "details", "api", "wish"]), allow_nan=False)


def test_a_step_opens_with_all_that_it_did(
    widget_bench: LocalWorkbench, shown: Callable[..., PlanView], until: Until
) -> None:
    """Arguments, result, files and a small picture of one job; of a fan-out its parts first."""
    draw = {"scene": "elephant", "width": 320, "height": 200}
    job = run(
        widget_bench,
        {"id": "draw", "capability": "fractal.render", "params": draw},
        echo("few", each=["a", "b"]),
    )
    job.wait(120)
    view = shown(job.id)
    until(lambda: node(view, "draw").get("state") == "succeeded")
    wish(view, do="open", step="draw", item=None)
    until(lambda: view.details.get("pictures"))
    assert view.details["files"] == ["picture.png"]
    assert ["scene formula", "mandelbrot"] in view.details["params"]
    assert view.details["pictures"][0]["url"].startswith("data:image/webp")
    wish(view, do="open", step="few", item=None)
    until(lambda: view.details.get("step") == "few")
    assert view.details["items"] == [
        {"index": 0, "state": "succeeded"},
        {"index": 1, "state": "succeeded"},
    ]
    wish(view, do="open", step="few", item=1)
    until(lambda: view.details.get("item") == 1)
    assert ["text", "few"] in view.details["result"]
    wish(view, do="open", step="")
    until(lambda: view.details == {})


def test_a_plan_is_stopped_and_goes_on(
    widget_bench: LocalWorkbench, shown: Callable[..., PlanView], tmp_path: Path, until: Until
) -> None:
    """Stop cancels what runs; going on does what was finished no second time."""
    gate = tmp_path / "gate"
    wait = {"id": "wait", "capability": "test.gate", "params": {"file": str(gate)}}
    job = run(widget_bench, echo("before"), {**wait, "after": ["before"]})
    view = shown(job)
    until(lambda: node(view, "wait").get("state") == "running")
    assert view.board["job"]["state"] == "running"
    wish(view, do="stop")
    until(lambda: view.board["job"]["state"] == "cancelled")
    gate.write_text("100")
    wish(view, do="resume")
    until(lambda: view.board["job"]["state"] == "succeeded")
    assert len([name for name in widget_bench.jobs.children(job.id) if "before" in name]) == 1


def test_a_question_is_told_in_the_head(
    widget_bench: LocalWorkbench, shown: Callable[..., PlanView], until: Until
) -> None:
    """What waits for a person is named, until it is answered."""
    job = run(widget_bench, {"id": "sell_it", "ask": "Sell it?"})
    view = shown(job)
    until(lambda: view.board["asks"] == ["sell it"])
    assert view.board["job"]["state"] == "waiting"
    (question,) = widget_bench.approvals.list()
    widget_bench.jobs.answer(question.job_id, "yes")
    until(lambda: view.board["job"]["state"] == "succeeded")
    assert view.board["asks"] == []


def test_what_is_no_plan_is_said_in_a_sentence(
    widget_bench: LocalWorkbench, shown: Callable[..., PlanView], until: Until
) -> None:
    """A job of something else, and one that is not there, leave an empty view that says why."""
    job = widget_bench.submit("test.echo")
    for number, words in ((job.id, "expected a plan"), (10**9, "no job")):
        view = shown(number)
        until(lambda view=view: view.board["missing"])
        assert words in view.board["missing"]
        assert view.board["job"] is None


def test_without_a_number_the_newest_plan_is_shown(
    widget_bench: LocalWorkbench, shown: Callable[..., PlanView], until: Until
) -> None:
    """A plan that begins later can be chosen; the one that is looked at stays."""
    first = run(widget_bench, echo("one"))
    view = shown()
    until(lambda: (view.board["job"] or {}).get("id") == first.id)
    second = run(widget_bench, echo("two"))
    until(lambda: view.board["plans"][0]["id"] == second.id)
    assert view.board["job"]["id"] == first.id
    wish(view, do="plan", job=second.id)
    until(lambda: view.board["job"]["id"] == second.id)
