"""What is told of agents is what they did: states, rates, times, and history that does not grow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents import samples
from fraktal_kernel.agents.audit import AuditEntry, read, write_entries
from fraktal_kernel.agents.registry import OFFLINE_S, LocalAgents, percentile, state_of
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound
from tests.agents.fleet import words_of


class Office:
    """A database with agents that were written by hand."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.owner_id = Security(self.database).local_user().user_id
        self.agents = LocalAgents(self.database, self.owner_id, {})

    def add(self, name: str, state: str = "online", last_beat: float | None = None) -> int:
        """Write an agent."""
        words = words_of(name)
        with self.database.write() as tx:
            row = tx.row(
                "INSERT INTO agent(owner_id, name, epoch, state, offers, capabilities, slots,"
                " machine, registered_at, last_beat, connections, refusals, done, failed)"
                " VALUES(:owner, :name, 1, :state, :offers, :names, 2, :machine, 0, :beat, 1, 0, 0,"
                " 0) RETURNING id",
                {
                    "owner": self.owner_id,
                    "name": name,
                    "state": state,
                    "offers": json.dumps(words["offers"]),
                    "names": json.dumps(words["capabilities"]),
                    "machine": json.dumps(words["machine"]),
                    "beat": time.time() if last_beat is None else last_beat,
                },
            )
        assert row is not None
        return int(row[0])

    def task(self, agent: int, state: str, seconds: float | None, ended: float = 0) -> None:
        """Write a task that ended so many seconds ago, or runs."""
        end = None if seconds is None else time.time() - ended
        with self.database.write() as tx:
            tx.execute(
                "INSERT INTO agent_task(owner_id, agent_id, job_id, capability, state, started_at,"
                " ended_at) VALUES(:owner, :agent, 7, 'test.echo', :state, :began, :end)",
                {
                    "owner": self.owner_id,
                    "agent": agent,
                    "state": state,
                    "began": time.time() if end is None else end - (seconds or 0),
                    "end": end,
                },
            )

    def sample(self, agent: int, at: float, cpu: float | None, busy: int = 0) -> None:
        """Write a sample."""
        with self.database.write() as tx:
            tx.execute(
                "INSERT INTO agent_sample(agent_id, time, owner_id, cpu_share, memory_bytes, busy)"
                " VALUES(:agent, :at, :owner, :cpu, 100, :busy)",
                {"agent": agent, "at": at, "owner": self.owner_id, "cpu": cpu, "busy": busy},
            )

    def times(self, agent: int) -> list[tuple[float, float]]:
        """Read the samples' times and shares."""
        with self.database.read() as tx:
            rows = tx.rows(
                "SELECT time, cpu_share FROM agent_sample WHERE agent_id = :agent ORDER BY time",
                {"agent": agent},
            )
        return [(row[0], row[1]) for row in rows]


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Give agents on each kind of database."""
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres_url")
    office = Office(url)
    yield office
    office.database.close()


def test_rates_and_times_are_those_of_the_last_hour(office: Office) -> None:
    """What ended longer ago, was suspended or still runs does not count."""
    one, two = office.add("one"), office.add("two")
    for seconds in range(1, 21):
        office.task(one, "succeeded", float(seconds))
    for state in ("failed", "lost", "cancelled", "suspended"):
        office.task(one, state, 100.0)
    office.task(one, "succeeded", 500.0, ended=3700)
    office.task(two, "running", None)
    first, second = office.agents.list()
    assert first.response_p50_s == pytest.approx(10, abs=0.1)
    assert first.response_p95_s == pytest.approx(19, abs=0.1)
    assert first.error_rate == pytest.approx(2 / 22)
    assert (second.error_rate, second.response_p50_s) == (None, None)
    assert [(task.job_id, task.state) for task in second.doing] == [(7, "running")]
    assert first.doing == [] and first.capabilities == ["served.count", "served.fail"]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], share: float
) -> None:
    """It is one of the values; a smaller one would not do."""
    values.sort()
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values) + 1e-9


@pytest.mark.parametrize("written", ["online", "draining", "offline"])
def test_an_agent_that_is_not_heard_is_offline(written: str) -> None:
    """Whatever was written last."""
    assert state_of(written, 100, 100 + OFFLINE_S + 1) == "offline"
    assert state_of(written, 100, 100) == written


def test_a_silent_agent_has_no_load(office: Office) -> None:
    """Its last sample is history, not now."""
    silent = office.add("silent", last_beat=time.time() - 60)
    office.sample(silent, time.time() - 60, 0.5)
    view = office.agents.get("silent")
    assert (view.state, view.cpu_share) == ("offline", None)
    assert [sample.cpu_share for sample in office.agents.history("silent")] == [0.5]


def test_old_seconds_become_means_of_a_minute(office: Office) -> None:
    """Each whole minute keeps its mean; doing it again changes nothing; new seconds stay."""
    agent = office.add("one")
    now = 1_000_000_000.0
    minute = now - samples.FULL_S - 180 - (now - samples.FULL_S - 180) % 60
    for second in range(0, 120, 10):
        office.sample(agent, minute + second + 0.5, second / 120, busy=second // 60)
    office.sample(agent, now - 1, 1.0)
    assert samples.thin(office.database, now) == 12
    expected = [(minute, 25 / 120), (minute + 60, 85 / 120), (now - 1, 1.0)]
    assert office.times(agent) == [pytest.approx(each) for each in expected]
    assert samples.thin(office.database, now) == 0
    assert office.times(agent) == [pytest.approx(each) for each in expected]


def test_history_is_drawn_with_as_many_points_as_asked_for(office: Office) -> None:
    """Means of neighbours: their mean is the mean of all."""
    agent = office.add("one")
    began = time.time() - 600
    for second in range(600):
        office.sample(agent, began + second, (second % 10) / 10) if second % 6 == 0 else None
    whole = office.agents.history("one", since=began - 1)
    few = office.agents.history("one", since=began - 1, points=10)
    assert (len(whole), len(few)) == (100, 10)
    assert [sample.time for sample in few] == sorted(sample.time for sample in few)
    means = [sum(each.cpu_share or 0 for each in some) / len(some) for some in (whole, few)]
    assert means[0] == pytest.approx(means[1])
    for points in (0, 5001):
        with pytest.raises(InvalidInput, match="points: given"):
            office.agents.history("one", points=points)


def test_tasks_come_in_pages(office: Office) -> None:
    """Newest first, by agent, state and time."""
    one, two = office.add("one"), office.add("two")
    for number in range(6):
        office.task(one if number % 2 else two, "succeeded" if number < 4 else "failed", 1.0)
    newest = office.agents.tasks(limit=4)
    older = office.agents.tasks(limit=4, before=newest[-1].id)
    assert [task.id for task in (*newest, *older)] == [6, 5, 4, 3, 2, 1]
    assert {task.agent for task in office.agents.tasks("two")} == {"two"}
    assert len(office.agents.tasks(state="failed")) == 2
    assert office.agents.tasks(since=time.time() + 10) == []
    assert office.agents.tasks(capability="other") == []


def test_what_is_old_is_forgotten(office: Office) -> None:
    """Agents long gone with all of theirs, and of the others what is old."""
    gone, here = office.add("gone", last_beat=1.0), office.add("here")
    for agent in (gone, here):
        office.sample(agent, 1.0, 0.1)
        office.task(agent, "succeeded", 1.0, ended=time.time() - 2)
        office.task(agent, "succeeded", 1.0)
    entries = [AuditEntry(office.owner_id, at, "ada", "jobs.submit", "", "ok") for at in (1, 2e9)]
    with office.database.write() as tx:
        write_entries(tx, entries)
    samples.prune(office.database, 1000.0)
    assert [view.name for view in office.agents.list()] == ["here"]
    assert len(office.agents.tasks()) == 1 and office.times(here) == []
    assert [row.time.timestamp() for row in read(office.database, office.owner_id)] == [2e9]


def test_an_agent_that_is_not_there_is_told(office: Office) -> None:
    """With the nearest name, or how to make one."""
    with pytest.raises(NotFound, match="fraktal agent start makes one"):
        office.agents.get("box")
    office.add("box")
    for ask in (office.agents.get, office.agents.history, office.agents.tasks, office.agents.drain):
        with pytest.raises(NotFound, match=r"no agent named 'boxx'; did you mean 'box'\?"):
            ask("boxx")
    with pytest.raises(Conflict, match="no server runs here"):
        office.agents.drain("box")


def test_others_see_nothing_of_it(office: Office) -> None:
    """Not even that there is something."""
    agent = office.add("mine")
    office.task(agent, "succeeded", 1.0)
    other = Security(office.database).add_user("other", "a long password")
    theirs = LocalAgents(office.database, other.user_id, {})
    assert (theirs.list(), theirs.tasks()) == ([], [])
    with pytest.raises(NotFound):
        theirs.get("mine")
    assert read(office.database, other.user_id) == []
