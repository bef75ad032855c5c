"""The agent monitor shows a desk's agents, live, however many they are."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench
from fraktal_widgets import AgentMonitor
from fraktal_widgets.agent_feed import PAGE, PICKED_MOST
from tests.widgets.crew import Crew

Until = Callable[..., None]


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Serve a workbench where agents are heard, without workers of its own to do their jobs."""
    data = tmp_path_factory.mktemp("crew")
    with Workbench.open(data=data, workers=1, capability_modules=["tests.capabilities"]) as bench:
        assert isinstance(bench, LocalWorkbench)
        crew = Crew(bench)
        yield crew
        crew.close()


@pytest.fixture
def monitor(crew: Crew) -> Iterator[AgentMonitor]:
    """Make a monitor that a browser shows, and close it."""
    monitor = AgentMonitor(crew.workbench)
    wish(monitor, do="ready")
    yield monitor
    monitor.close()
    assert monitor.feed.wait_closed(60)


def wish(monitor: AgentMonitor, **what: Any) -> None:
    """Do what a click does."""
    monitor.wish = {**what, "seq": time.monotonic_ns()}


def row(monitor: AgentMonitor, name: str) -> dict[str, Any]:
    """Find an agent on the board; empty while it is not there."""
    return next((one for one in monitor.board["agents"] if one["name"] == name), {})


def numbers(line: str) -> np.ndarray:
    """Unpack a line as the browser does."""
    return np.frombuffer(base64.b64decode(line), dtype="<f4")


def test_without_agents_there_is_the_command_that_starts_one(
    monitor: AgentMonitor, until: Until
) -> None:
    """An empty board says how to begin, and that it is not just still loading."""
    until(lambda: not monitor.board["loading"])
    assert monitor.board["total"] == 0
    assert monitor.board["command"].startswith("fraktal agent start --name ")


def test_an_agent_comes_beats_works_and_goes(
    crew: Crew, monitor: AgentMonitor, until: Until
) -> None:
    """Each change of an agent stands on the board a moment later, without reading it all again."""
    crew.join("anna", "test.echo", "test.sleep", slots=3)
    crew.beat("anna", cpu=0.5)
    until(lambda: row(monitor, "anna").get("cpu") == 0.5)
    shown = row(monitor, "anna")
    assert shown["state"] == "online"
    assert shown["machine"] == "host-of-anna, 4 cores, 16 GiB"
    assert (shown["slots"], shown["busy"], shown["now"]) == (3, 0, [])
    assert shown["memory"] == "4.0 GiB"
    until(lambda: row(monitor, "anna")["cpu_line"].endswith(("U", "V")))
    assert abs(shown["beat"] / 1000 - time.time()) < 30

    job = crew.workbench.jobs.submit("test.sleep", {"seconds": 60})
    try:
        task = crew.begin("anna", _claimed(crew, job.id))
        until(lambda: row(monitor, "anna")["now"])
        assert row(monitor, "anna")["now"][0]["title"] == "Sleep"
        assert row(monitor, "anna")["busy"] == 1
        crew.end(task)
        until(lambda: row(monitor, "anna")["done"] == 1)
        assert row(monitor, "anna")["now"] == []
        bad = crew.begin("anna", _claimed(crew, job.id))
        crew.end(bad, "failed", "out of flour")
        until(lambda: row(monitor, "anna")["failed"] == 1)
        until(lambda: row(monitor, "anna")["error_rate"] == 0.5)
        assert row(monitor, "anna")["p50_s"] is not None
        until(lambda: [one["error"] for one in monitor.tasks["tasks"]] == ["out of flour", ""])
        wish(monitor, do="open-task", task=monitor.tasks["tasks"][0]["id"])
        until(lambda: monitor.tasks["open"])
        assert ["seconds", "60"] in monitor.tasks["open"]["params"]
        assert monitor.tasks["open"]["error"] == "out of flour"
    finally:
        crew.workbench.jobs.cancel(job.id)

    crew.desk.leave(crew.lines.pop("anna"), "it was stopped")
    until(lambda: row(monitor, "anna")["state"] == "offline")
    assert row(monitor, "anna")["cpu"] is None
    json.dumps(monitor.get_state(["board", "charts", "tasks", "api", "wish"]), allow_nan=False)


def _claimed(crew: Crew, job_id: int) -> Any:
    from fraktal_kernel.core.jobs.ledger import Claimed

    owner = crew.workbench.user.user_id
    return Claimed(job_id, owner, 1, "test.sleep", "{}", 1, None, False)


def test_a_silent_agent_is_offline_after_a_while(
    crew: Crew, monitor: AgentMonitor, until: Until
) -> None:
    """Nobody has to tell that an agent is gone: its beats are missing."""
    crew.join("bert")
    crew.beat("bert")
    until(lambda: row(monitor, "bert").get("state") == "online")
    until(lambda: row(monitor, "bert")["state"] == "offline", timeout_s=30)


def test_a_drain_can_be_undone(
    crew: Crew, monitor: AgentMonitor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a few seconds nothing is done yet; then the agent drains."""
    crew.join("cleo")
    crew.beat("cleo")
    until(lambda: row(monitor, "cleo").get("state") == "online")
    wish(monitor, do="drain", agent="cleo")
    until(lambda: row(monitor, "cleo")["leaves"])
    wish(monitor, do="keep", agent="cleo")
    until(lambda: row(monitor, "cleo")["leaves"] is None)
    assert not crew.lines["cleo"].draining
    monkeypatch.setattr("fraktal_widgets.agent_feed.UNDO_S", 0.1)
    wish(monitor, do="drain", agent="cleo")
    until(lambda: crew.lines["cleo"].draining or crew.lines["cleo"].ended)


def test_a_drained_agent_is_resumed(
    crew: Crew, monitor: AgentMonitor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it has not ended it takes jobs again; one that is not drained says so."""
    monkeypatch.setattr(crew.desk, "_may_end", lambda line: False)  # it has much to do
    crew.join("dave")
    crew.beat("dave")
    until(lambda: row(monitor, "dave").get("state") == "online")
    crew.workbench.engine.parts["agents"].drain(crew.workbench.user.user_id, "dave")
    until(lambda: row(monitor, "dave")["state"] == "draining")
    wish(monitor, do="resume", agent="dave")
    until(lambda: row(monitor, "dave")["state"] == "online")
    assert not crew.lines["dave"].draining and not row(monitor, "dave")["problem"]
    wish(monitor, do="resume", agent="dave")
    until(lambda: "is not drained" in row(monitor, "dave")["problem"])


def test_many_agents_come_in_pages_and_are_filtered(
    crew: Crew, monitor: AgentMonitor, until: Until
) -> None:
    """The board holds one page; filters choose; charts show a few, or those that were picked."""
    names = [f"many-{number:03d}" for number in range(PAGE + 10)]
    for name in names:
        crew.join(name, "test.echo", *(["test.ask"] if name == names[-1] else []))
    crew.beat(*names)
    until(lambda: monitor.board["total"] >= len(names))
    wish(monitor, do="filter", text="many-")
    until(lambda: monitor.board["shown"] == len(names))
    assert len(monitor.board["agents"]) == PAGE
    assert monitor.board["pages"] == 2
    assert sum(one["picked"] for one in monitor.board["agents"]) == PICKED_MOST
    until(lambda: len(monitor.charts.get("agents", [])) == PICKED_MOST)
    wish(monitor, do="filter", page=1)
    until(lambda: monitor.board["page"] == 1)
    assert len(monitor.board["agents"]) == 10
    wish(monitor, do="filter", capability="test.ask")
    until(lambda: [one["name"] for one in monitor.board["agents"]] == [names[-1]])
    wish(monitor, do="pick", agent=names[-1])
    until(lambda: [one["name"] for one in monitor.charts["agents"]] == [names[-1]])
    wish(monitor, do="filter", state="offline", capability="")
    until(
        lambda: names[-1] not in [one["name"] for one in monitor.board["agents"]] or _late(monitor)
    )


def _late(monitor: AgentMonitor) -> bool:
    """Tell whether all of them have fallen silent meanwhile, on a slow machine."""
    return monitor.board["counts"]["online"] == 0


def test_lines_are_means_of_what_was_measured(
    crew: Crew, monitor: AgentMonitor, until: Until
) -> None:
    """A chart's line has the beats that came; a zoom shows that time alone, a reset all of it."""
    crew.join("dora")
    for share in (0.2, 0.4, 0.6):
        crew.beat("dora", cpu=share)
        crew.tell()
        time.sleep(0.05)
    wish(monitor, do="filter", text="dora")

    def line() -> np.ndarray:
        charts = monitor.charts
        if [one["name"] for one in charts.get("agents", [])] != ["dora"]:
            return np.zeros(0)
        found = numbers(charts["series"]["cpu"][0])
        return found[~np.isnan(found)]

    until(lambda: line().size > 0)
    assert 20 <= line().mean() <= 60
    assert np.nanmax(numbers(monitor.charts["series"]["memory"][0])) == pytest.approx(4.0)
    end = monitor.charts["to"]
    wish(monitor, do="zoom", **{"from": end - 800, "to": end - 700})
    until(lambda: monitor.charts["zoomed"])
    assert monitor.charts["to"] - monitor.charts["from"] == pytest.approx(100)
    assert line().size == 0
    wish(monitor, do="zoom", **{"from": None, "to": None})
    until(lambda: not monitor.charts["zoomed"])
    until(lambda: line().size > 0)
    wish(monitor, do="zoom", **{"from": end - 800, "to": end - 700})
    until(lambda: monitor.charts["zoomed"])
    wish(monitor, do="filter", window_s=3600)
    until(lambda: not monitor.charts["zoomed"])
    assert monitor.charts["to"] - monitor.charts["from"] == pytest.approx(3600)


def test_the_history_is_that_of_the_time_shown(
    crew: Crew, monitor: AgentMonitor, until: Until
) -> None:
    """A zoom leaves what began in it; all of the time brings back everything."""
    crew.join("fred", "test.sleep")
    job = crew.workbench.jobs.submit("test.sleep", {"seconds": 60})
    try:
        task = crew.begin("fred", _claimed(crew, job.id))
        crew.end(task)
        wish(monitor, do="tasks", agent="fred")
        until(lambda: [one["state"] for one in monitor.tasks.get("tasks", [])] == ["succeeded"])
        at = monitor.tasks["tasks"][0]["started"] / 1000
        for start, count in ((at - 500, 0), (at - 50, 1), (at + 50, 0)):
            wish(monitor, do="zoom", **{"from": start, "to": start + 100})
            until(lambda count=count: len(monitor.tasks["tasks"]) == count)
        wish(monitor, do="zoom")
        until(lambda: len(monitor.tasks["tasks"]) == 1)
    finally:
        crew.workbench.jobs.cancel(job.id)


def test_after_a_gap_everything_is_read_again(
    crew: Crew, monitor: AgentMonitor, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When following breaks off, the monitor says so, comes back and has missed nothing."""
    until(lambda: not monitor.board["loading"])
    real = crew.workbench.events
    broken = iter([True])

    def events(*args: Any, **more: Any) -> Any:
        if next(broken, False):
            raise OSError("the cable is out")
        return real(*args, **more)

    other = AgentMonitor(crew.workbench)
    monkeypatch.setattr(crew.workbench, "events", events)
    try:
        wish(other, do="ready")
        until(lambda: "the cable is out" in other.board["trouble"])
        crew.join("ella")
        crew.beat("ella")
        until(lambda: row(other, "ella").get("state") == "online" and not other.board["trouble"])
    finally:
        other.close()
