"""What agents do is written in batches: nothing twice, nothing lost while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fraktal_kernel.agents.audit import read
from fraktal_kernel.agents.line import Beat, Register
from fraktal_kernel.agents.placing import Task
from fraktal_kernel.agents.registry import LocalAgents
from fraktal_kernel.agents.scribe import Scribe
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.journal import Claimed
from fraktal_kernel.core.jobs.lines import Running
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import Unavailable
from tests.agents.fleet import words_of


class Room:
    """A scribe with nobody to drive it but the test."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.events = Events(self.database)
        self.who = Security(self.database).local_user()
        self.counted: list[tuple[str, str]] = []
        engine: Any = SimpleNamespace(
            database=self.database, events=self.events, settings=SimpleNamespace(event_days=30)
        )
        numbers: Any = SimpleNamespace(
            task=lambda task: self.counted.append((task.line.name, task.state))
        )
        self.scribe = Scribe(engine, numbers)
        self.agents = LocalAgents(self.database, self.who.user_id, {})

    def line(self, name: str) -> Any:
        """Register an agent; what the scribe needs to know of its line."""
        words = Register(**words_of(name))
        line = SimpleNamespace(
            who=self.who, name=name, draining=False, agent_id=0, epoch=0, fares=None
        )
        line.busy = lambda: []
        self.scribe.register(line, words)  # type: ignore[arg-type]
        return line

    def task(self, line: Any, job_id: int) -> Task:
        """Begin a task."""
        job = Claimed(job_id, self.who.user_id, 1, "served.count", "{}", 1, None, False)
        task = Task(line, job, Running(job))
        self.scribe.task(task)
        return task


@pytest.fixture(params=["sqlite", "postgres"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    """Give a scribe on each kind of database."""
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres_url")
    room = Room(url)
    yield room
    room.database.close()


def test_each_registration_is_a_new_epoch(room: Room) -> None:
    """What an older line of that name wants to write of itself is ignored."""
    old = room.line("box")
    new = room.line("box")
    assert (new.agent_id, new.epoch) == (old.agent_id, 2)
    room.scribe.left(old, "too late")
    view = room.agents.get("box")
    assert (view.state, view.connections, view.epoch) == ("online", 2, 2)
    room.scribe.left(new, "gone")
    assert room.agents.get("box").state == "offline"
    told = [event.payload["state"] for event in room.events.page(0, "agents.state")]
    assert told == ["online", "online", "offline"]


@pytest.mark.parametrize("between", [True, False])
def test_a_task_is_one_row_and_counts_once(room: Room, between: bool) -> None:
    """Whether its beginning was written before it ended or not."""
    line = room.line("box")
    tasks = [room.task(line, number) for number in (1, 2, 3)]
    if between:
        room.scribe.flush()
        assert [task.state for task in room.agents.tasks()] == ["running"] * 3
    for task, outcome in zip(tasks, ("succeeded", "failed", "cancelled"), strict=True):
        task.running.end(outcome, "why" if outcome == "failed" else None)
        room.scribe.task(task)
        room.scribe.task(task)
    room.scribe.flush()
    rows = [(task.job_id, task.state, task.error) for task in room.agents.tasks()]
    assert rows == [(3, "cancelled", None), (2, "failed", "why"), (1, "succeeded", None)]
    view = room.agents.get("box")
    assert (view.done, view.failed, view.error_rate) == (1, 1, 0.5)
    assert sorted(room.counted) == [("box", s) for s in ("cancelled", "failed", "succeeded")]


def test_heartbeats_of_all_are_one_event(room: Room) -> None:
    """Of several in a second the last one counts; each agent has its sample."""
    lines = [room.line(f"box-{number:03d}") for number in range(150)]
    for share in (0.1, 0.5):
        for line in lines:
            room.scribe.beat(line, Beat(cpu_share=share, memory_bytes=5))
    last = room.events.last()
    room.scribe.flush()
    (event,) = room.events.page(last)
    assert event.topic == "agents.beat" and len(event.payload["agents"]) == 150
    views = room.agents.list()
    assert {(view.state, view.cpu_share, view.memory_bytes) for view in views} == {
        ("online", 0.5, 5)
    }


def test_what_cannot_be_written_waits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks and the audit log are there once the database is back."""
    line = room.line("box")
    room.scribe.flush()
    written = len(read(room.database, room.who.user_id))
    task = room.task(line, 1)
    room.scribe.audit(room.who, "jobs.submit", "1", "ok")

    def away(*_: Any) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(room.events, "append", away)
        with pytest.raises(Unavailable):
            room.scribe.flush()
    assert len(read(room.database, room.who.user_id)) == written
    task.running.end("succeeded")
    room.scribe.task(task)
    room.scribe.flush()
    assert [task.state for task in room.agents.tasks()] == ["succeeded"]
    assert len(read(room.database, room.who.user_id)) == written + 1


def test_a_new_server_finds_nobody_online(room: Room) -> None:
    """What a killed one left running is lost, and old heartbeats are no news."""
    line = room.line("box")
    room.task(line, 1)
    room.scribe.beat(line, Beat(cpu_share=0.5, memory_bytes=5))
    room.scribe.flush()
    room.line("last")  # the newest event always stays
    room.scribe.start()
    room.scribe.close()
    assert {view.state for view in room.agents.list()} == {"offline"}
    assert [(task.state, task.error) for task in room.agents.tasks()] == [
        ("lost", "the server was gone")
    ]
    assert room.events.page(0, "agents.beat") == []
