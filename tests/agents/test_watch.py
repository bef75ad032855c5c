"""What a server watches: a rule is silent below its limit, tells above it, and is over again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.agents import watch
from fraktal_kernel.agents.bus.ledger import Ledger
from fraktal_kernel.agents.models.answers import breakers_of
from fraktal_kernel.agents.models.breaker import FAILURES
from fraktal_kernel.agents.watch import Waiting, Watch, Watched, watch_alerts
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.monitoring.alerts import rules
from fraktal_kernel.core.monitoring.metrics import render
from fraktal_kernel.core.settings import load_settings

SETTINGS = load_settings()
HOUR = 3600.0
ABOVE: dict[str, Watched] = {
    "agent_offline": Watched(lost={(1, "box"): 60.0}),
    "agent_fails": Watched(tasks={(1, "box"): Counter(failed=2, lost=1, succeeded=2)}),
    "approval_waits": Watched(waiting=[Waiting("question", 1, 2, 5 * HOUR)]),
    "plan_stands": Watched(standing={(1, 7): 5 * HOUR}),
    "bus_away": Watched(outbox_age_s=61),
    "bus_lags": Watched(bus_age_s=301),
    "bus_dead_letters": Watched(dead_letters={"mail": 2}),
    "model_rests": Watched(resting=["ollama:qwen3"]),
}
BELOW = Watched(
    tasks={(1, "half"): Counter(failed=3, succeeded=3), (1, "few"): Counter(failed=4)},
    waiting=[Waiting("approval", 1, 1, 3 * HOUR)],
    standing={(1, 7): 3 * HOUR},
    outbox_age_s=60,
    bus_age_s=300,
)


def test_nothing_is_told_below_the_limits() -> None:
    """Half of the tasks, few tasks, and all that has waited as long as it may."""
    assert list(watch_alerts(BELOW, SETTINGS)) == []


@pytest.mark.parametrize("name", ABOVE)
def test_each_rule_tells_what_to_do(name: str) -> None:
    """One alert under its own name, in one sentence, to whom it concerns."""
    (alert,) = watch_alerts(ABOVE[name], SETTINGS)
    assert alert.name == name and alert.severity == rules[name].severity
    assert alert.text.endswith(".") and "\n" not in alert.text
    theirs = name in ("agent_offline", "agent_fails", "approval_waits", "plan_stands")
    assert alert.owner_id == (1 if theirs else None)
    assert "owner_id" not in alert.model_dump()


def test_every_rule_of_the_room_is_tried() -> None:
    """A rule that is added here needs its line above."""
    ours = {each.name for each in vars(watch).values() if type(each).__name__ == "Rule"}
    assert ours == set(ABOVE)


@pytest.fixture(params=["sqlite", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalWorkbench]:
    """Open a workbench without workers on each kind of database."""
    more: dict[str, Any] = {"models": ["ollama:qwen3", "offline"]}
    if request.param == "postgres":
        more["database_url"] = request.getfixturevalue("new_postgres_url")
    with LocalWorkbench(load_settings(data=tmp_path, **more), may_run=False) as workbench:
        yield workbench


def test_facts_are_what_the_database_says(bench: LocalWorkbench) -> None:
    """A lost agent, its failures, a question, a plan, dead letters: seen, told, and over again."""
    engine, me, now = bench.engine, bench.user.user_id, time.time()
    plan = bench.jobs.submit(
        "plan.run", {"plan": {"name": "p", "steps": [{"id": "a", "ask": "?"}]}}
    )
    asking = bench.jobs.submit("plan.ask", {"question": "Deploy?"})
    ledger = Ledger(engine.database, me, 5.0, 1.0)
    ledger.join("mail", "news.*")
    with engine.database.write() as tx:
        for name, state, ago_s in (
            ("box", "lost", 60),
            ("gone", "lost", 2e5),
            ("off", "offline", 60),
        ):
            tx.execute(
                "INSERT INTO agent(owner_id, name, epoch, state, offers, capabilities, slots,"
                " machine, registered_at, last_beat, connections, refusals, done, failed)"
                " VALUES(:me, :name, 1, :state, '[]', '[]', 1, '{}', :at, :at, 1, 0, 0, 0)",
                {"me": me, "name": name, "state": state, "at": now - ago_s},
            )
        row = tx.row("SELECT id FROM agent WHERE name = 'box'")
        assert row is not None
        for state in ("failed", "failed", "lost", "lost", "succeeded"):
            tx.execute(
                "INSERT INTO agent_task(owner_id, agent_id, job_id, capability, state, started_at,"
                " ended_at) VALUES(:me, :agent, 1, 'a.b', :state, :now, :now)",
                {"me": me, "agent": row[0], "state": state, "now": now},
            )
        tx.execute("UPDATE job SET state = 'waiting', started_at = :at", {"at": now - 5 * HOUR})
        tx.execute(
            "INSERT INTO job_question(job_id, name, owner_id, text, choices, asked_at)"
            " VALUES(:job, 'q', :me, 'Deploy?', '[]', :at)",
            {"job": asking.id, "me": me, "at": now - 5 * HOUR},
        )
        tx.execute(
            "INSERT INTO bus_message(id, owner_id, topic, body, headers, created_at)"
            " VALUES('m1', :me, 'news.a', '{}', '{}', :at), ('m2', :me, 'news.a', '{}', '{}', :at)",
            {"me": me, "at": now - 400},
        )
        tx.execute(
            "INSERT INTO bus_delivery(group_name, seq, owner_id, attempts, dead_at)"
            " SELECT 'mail', seq, owner_id, 5, created_at FROM bus_message WHERE id = 'm1'"
        )
    for _ in range(FAILURES):
        breakers_of(engine).tell("ollama:qwen3", failed=True)
    watching = Watch(engine)
    try:
        seen = watching.see()
        assert set(seen.lost) == {(me, "box")}
        assert seen.tasks == {(me, "box"): Counter(failed=2, lost=2, succeeded=1)}
        assert [(each.kind, each.count) for each in seen.waiting] == [("question", 1)]
        assert seen.plans == {"waiting": 1} and set(seen.standing) == {(me, plan.id)}
        assert seen.dead_letters == {"mail": 1} and seen.bus_age_s > 300
        told = {alert.name for alert in engine.alerts()}
        assert told >= set(ABOVE) - {"bus_away"}
        numbers = render()[0].decode()
        for line in (
            'fraktal_agent_lost{agent="box"} 1.0',
            'fraktal_approvals_waiting{kind="question"} 1.0',
            'fraktal_plans{state="waiting"} 1.0',
            "fraktal_bus_dead_letters 1.0",
        ):
            assert line in numbers
        with engine.database.write() as tx:
            tx.execute("UPDATE agent SET state = 'online'")
            tx.execute("DELETE FROM agent_task")
            tx.execute("DELETE FROM job_question")
            tx.execute("UPDATE job SET state = 'cancelled'")
            tx.execute("DELETE FROM bus_delivery")
            tx.execute("DELETE FROM bus_message")
        breakers_of(engine).tell("ollama:qwen3", failed=False)
        assert watching.see() is seen  # looked at a moment ago
        watching._seen_at -= watch.FRESH_S
        assert list(watch_alerts(replace(watching.see(), plans={}), bench.settings)) == []
    finally:
        watching.close()
    assert not engine.watchers and 'agent="box"' not in render()[0].decode()
