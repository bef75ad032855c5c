"""Real agents of a real server: what a job may rely on there, and what happens when one dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.agents.agent import Agent
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.jobs.model import JobOptions
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workspace import ServerAddress
from fraktal_kernel.errors import Conflict
from tests.agents.fleet import AgentProcess, agent
from tests.system.serving import Serving, serving, until, workers_of

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serve a workspace with one worker of its own and short leases."""
    data = tmp_path_factory.mktemp("agents") / "data"
    with serving(data, workers=1, lease_s=2, heartbeat_s=0.5) as server:
        yield server


@pytest.fixture(scope="module")
def bench(server: Serving) -> Iterator[RemoteWorkbench]:
    """Open the workbench as another program of its user does."""
    with server.workbench() as bench:
        yield bench


@pytest.fixture(scope="module")
def box(server: Serving, bench: RemoteWorkbench) -> Iterator[AgentProcess]:
    """Start one agent that several tests use."""
    with agent(server, "box") as started:
        online(bench, started)
        yield started


def online(bench: RemoteWorkbench, started: AgentProcess, epoch: int = 0) -> None:
    """Wait until an agent is online, under a newer epoch than one that is known."""

    def stands() -> bool:
        views = {view.name: view for view in bench.agents.list()}
        view = views.get(started.name)
        return view is not None and view.state == "online" and view.epoch > epoch

    until(stands, what=f"agent {started.name} online")


def on(name: str, **more: Any) -> JobOptions:
    """Ask for one agent."""
    return JobOptions(agent=name, **more)


def test_a_job_on_an_agent_is_a_job_like_any(bench: RemoteWorkbench, box: AgentProcess) -> None:
    """Progress, log, files, steps, questions, children, services and costs all reach the server."""
    job = bench.submit("test.echo", options=on("box"), text="hi")
    assert job.wait(120) == {"text": "hi"}
    assert job.refresh().ran_on == "box"
    assert job.artifact("echo.txt").read() == b"hi"
    assert [line.text for line in job.log()] == ["heard hi", "printed hi"]

    asking = bench.submit("test.ask", options=on("box"))
    for question, answer in (("Deploy?", "yes"), ("Sure?", "no")):
        until(lambda q=question: (asked := asking.refresh().question) and asked.text == q)
        asking.answer(answer)
    assert asking.wait(120) == {"before": "ready", "first": "yes", "second": "no"}

    assert bench.submit("test.parent", options=on("box")).wait(120) == ["hello", "hello!"]
    family = bench.submit("test.family", options=on("box"), count=2).wait(120)
    assert family["states"] == ["succeeded", "succeeded"]
    talking = bench.submit("test.talk", options=on("box"))
    assert talking.wait(120)["job"] == talking.id
    assert talking.refresh().cost == 0.75
    big = bench.submit("test.big", options=on("box"))
    assert big.wait(120) == 8 * 1024**2
    assert {each.name: each.size_bytes for each in big.artifacts()} == {
        "empty.bin": 0,
        "zeros.bin": 8 * 1024**2,
    }


def test_a_job_on_an_agent_is_cancelled(bench: RemoteWorkbench, box: AgentProcess) -> None:
    """One that listens ends by itself; a deaf one's process is ended, and another comes."""
    for listens in (True, False):
        job = bench.submit("test.sleep", options=on("box"), listens=listens)
        until(lambda job=job: job.refresh().message == "asleep")
        job.cancel()
        until(lambda job=job: job.refresh().state == "cancelled")
    assert bench.submit("test.echo", options=on("box")).wait(120) == {"text": "hello"}


def test_a_worker_that_dies_costs_its_job_a_try_alone(
    bench: RemoteWorkbench, box: AgentProcess, tmp_path: Path
) -> None:
    """The agent lives on, and its next process does the job."""
    file = tmp_path / "tries"
    job = bench.submit("test.fail", options=on("box"), kind="die", file=file)
    assert job.wait(120) == 2
    assert bench.agents.get("box").epoch == 1
    until(lambda: bench.agents.tasks("box", capability="test.fail", state="succeeded"))
    (last, lost, *_) = bench.agents.tasks("box", capability="test.fail")
    assert (last.state, lost.state) == ("succeeded", "lost")
    assert lost.error == "the worker process on agent box died"


def test_anybody_s_job_goes_where_there_is_room(bench: RemoteWorkbench, box: AgentProcess) -> None:
    """With the server's own worker busy an agent helps, unless the job is to avoid it."""
    blocker = bench.submit("test.sleep")
    until(lambda: blocker.refresh().message == "asleep")
    if blocker.refresh().ran_on:  # the agent was quicker: the second one takes the other place
        second = bench.submit("test.sleep")
        until(lambda: second.refresh().message == "asleep")
        blocker.cancel()
        until(lambda: blocker.refresh().ended)
        blocker = second
    job = bench.submit("test.echo")
    assert job.wait(120) and job.refresh().ran_on == "box"
    blocker.cancel()
    until(lambda: blocker.refresh().ended)


def test_a_killed_agent_s_job_goes_on_elsewhere(
    server: Serving, bench: RemoteWorkbench, box: AgentProcess, tmp_path: Path
) -> None:
    """Behind its last finished step, which is not done again."""
    file, gate = tmp_path / "steps", tmp_path / "gate"
    blockers = [bench.submit("test.sleep") for _ in range(2)]
    for blocker in blockers:
        until(lambda blocker=blocker: blocker.refresh().message == "asleep")
    with agent(server, "brittle") as brittle:
        online(bench, brittle)
        job = bench.submit("test.steps", count=4, file=file, gate=gate)
        until(lambda: job.refresh().message == "step 2 of 4")
        assert job.refresh().ran_on == "brittle"
        assert workers_of(brittle.process.pid)
        brittle.kill()
        until(lambda: job.refresh().state == "queued")
        until(lambda: bench.agents.get("brittle").state == "offline")
    gate.touch()
    for blocker in blockers:
        blocker.cancel()
    assert job.wait(120) == 6
    assert job.refresh().ran_on != "brittle"
    steps = [line.split()[1] for line in file.read_text().splitlines()]
    assert [step for step in steps if step in "01"] == ["0", "1"]
    assert steps[-2:] == ["2", "3"]
    wanted = [("lost", job.id)]
    until(lambda: [(each.state, each.job_id) for each in bench.agents.tasks("brittle")] == wanted)


def test_a_frozen_agent_loses_its_job_and_comes_back(
    server: Serving, bench: RemoteWorkbench
) -> None:
    """Silence is noticed by the lease; what the frozen one says later is not believed."""
    with agent(server, "ice") as ice:
        online(bench, ice)
        job = bench.submit("test.sleep", options=on("ice", max_attempts=1), seconds=1)
        until(lambda: job.refresh().message == "asleep")
        ice.hold()
        until(lambda: job.refresh().state == "queued")
        until(lambda: bench.agents.get("ice").state == "offline")
        ice.go_on()
        online(bench, ice, 1)
        assert job.wait(120) >= 1
        wanted = ["succeeded", "lost"]
        until(lambda: [task.state for task in bench.agents.tasks("ice")] == wanted)


def test_a_drained_agent_finishes_and_ends(
    server: Serving, bench: RemoteWorkbench, tmp_path: Path
) -> None:
    """Its process ends by itself, with what it had done and nothing new begun."""
    gate = tmp_path / "gate"
    with agent(server, "tired") as tired:
        online(bench, tired)
        job = bench.submit("test.gate", options=on("tired"), file=gate)
        until(lambda: job.refresh().state == "running")
        bench.agents.drain("tired")
        assert bench.agents.get("tired").state == "draining"
        later = bench.submit("test.echo", options=on("tired"))
        gate.write_text("100")
        assert job.wait(120) == 100
        assert tired.process.wait(120) == 0
        assert later.refresh().state == "queued"
        later.cancel()
        assert "takes no more jobs" in tired.said()


def test_a_drain_is_taken_back(server: Serving, bench: RemoteWorkbench, tmp_path: Path) -> None:
    """The agent goes on as if nothing had been said; once it has ended it is too late."""
    gate = tmp_path / "gate"
    with agent(server, "wavering") as wavering:
        online(bench, wavering)
        with pytest.raises(Conflict, match="is not drained"):
            bench.agents.resume("wavering")
        job = bench.submit("test.gate", options=on("wavering"), file=gate)
        until(lambda: job.refresh().state == "running")
        bench.agents.drain("wavering")
        later = bench.submit("test.echo", options=on("wavering"))
        bench.agents.resume("wavering")
        assert bench.agents.get("wavering").state == "online"
        gate.write_text("100")
        assert job.wait(120) == 100
        assert later.wait(120) == {"text": "hello"}
        until(lambda: "takes jobs again" in wavering.said())
        bench.agents.drain("wavering")
        assert wavering.process.wait(120) == 0
        until(lambda: bench.agents.get("wavering").state == "offline")
        with pytest.raises(Conflict, match="is offline; start it again"):
            bench.agents.resume("wavering")


def alarms(bench: RemoteWorkbench) -> set[str]:
    """Name the agents that an alert of the server speaks of."""
    told = bench.jobs.ask("GET", "/api/alerts")["alerts"]
    return {each["text"].split("'")[1] for each in told if each["name"] == "agent_offline"}


def aged(server: Serving, name: str) -> bool:
    """Let it be a minute since a lost agent was heard, once it is known to be lost."""
    with closing(Database(server.settings().database)) as database, database.write() as tx:
        changed = tx.execute(
            "UPDATE agent SET last_beat = last_beat - 60 WHERE state = 'lost' AND name = :name",
            {"name": name},
        )
    return changed == 1


def test_a_lost_agent_is_missed_and_a_drained_one_is_not(
    server: Serving, bench: RemoteWorkbench
) -> None:
    """One that was killed is told of until somebody says that it is not to come back."""
    with agent(server, "missed") as missed:
        online(bench, missed)
        missed.kill()
        until(lambda: bench.agents.get("missed").state == "offline")
        until(lambda: aged(server, "missed"))
        until(lambda: "missed" in alarms(bench))
        bench.agents.drain("missed")
        until(lambda: "missed" not in alarms(bench))
    with pytest.raises(Conflict, match="there is nothing to drain"):
        bench.agents.drain("missed")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://127.0.0.1:9", "the server at http://127.0.0.1:9 does not answer (Connection re"),
        (None, "no server serves this workspace; calling again until one does."),
    ],
)
def test_who_calls_in_vain_is_told_so_once(
    tmp_path: Path, address: str | None, sentence: str
) -> None:
    """An address where nobody answers is named at the first call, and not at each."""
    where = ServerAddress(url=address, token="fk_none", pid=1) if address else None
    calls, said = [], []

    def find() -> ServerAddress | None:
        calls.append(len(calls))
        if len(calls) == 3:
            lost.stop()
        return where

    settings = load_settings(data=tmp_path / "data")
    lost = Agent(settings, "lost", ["fractal.*"], 1, find, patient=False, say=said.append)
    lost.run()
    assert len(calls) == 3 and len(said) == 1
    assert said[0].startswith(sentence)


def test_agents_outlive_their_server(
    server: Serving, bench: RemoteWorkbench, box: AgentProcess, tmp_path: Path
) -> None:
    """After SIGKILL of the server, the agent finds the next one, and the job goes on there."""
    file, gate = tmp_path / "steps", tmp_path / "gate"
    job = bench.submit("test.steps", options=on("box"), count=4, file=file, gate=gate)
    until(lambda: job.refresh().message == "step 2 of 4")
    epoch = bench.agents.get("box").epoch
    server.kill()
    server.start()
    until(lambda: bench.jobs.follow_server() or bench.health()["ok"])
    online(bench, box, epoch)
    gate.touch()
    assert job.wait(120) == 6
    assert [line.split()[1] for line in file.read_text().splitlines()][-2:] == ["2", "3"]
    until(lambda: "calling again" in box.said())


def test_a_server_that_stops_in_order_blames_no_job(
    server: Serving, bench: RemoteWorkbench, box: AgentProcess
) -> None:
    """The job goes back into the queue as if it had run on the server's own worker."""
    job = bench.submit("test.sleep", options=on("box"), seconds=1)
    until(lambda: job.refresh().message == "asleep")
    epoch = bench.agents.get("box").epoch
    server.stop()
    server.start()
    until(lambda: bench.jobs.follow_server() or bench.health()["ok"])
    online(bench, box, epoch)
    assert job.wait(120) >= 1
    reasons = [
        event["payload"].get("reason")
        for event in bench.jobs.ask(
            "GET", "/api/events", params={"topic": "jobs.state", "subject": str(job.id)}
        )["events"]
    ]
    assert "the server stopped" in reasons
    assert not [reason for reason in reasons if reason and "died" in reason]
