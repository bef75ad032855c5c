"""Events are carried once and in order, whatever fails, and only where somebody reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fraktal_kernel.agents.bus.carrier import BATCH, Carrier
from fraktal_kernel.agents.bus.house import House, house_of, origin_of
from fraktal_kernel.agents.bus.message import MOST_BYTES
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import Unavailable
from tests.agents.bus.conftest import Heard, until


def opened(folder: Path) -> LocalWorkbench:
    """Open a workspace that no server runs."""
    return LocalWorkbench(load_settings(data=folder, retry_delay_s=0.02), may_run=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LocalWorkbench]:
    """Open a new workspace."""
    with opened(tmp_path) as workbench:
        yield workbench


def happen(bench: LocalWorkbench, *numbers: int, topic: str = "jobs.state") -> None:
    """Let something happen."""
    with bench.database.write() as tx:
        for number in numbers:
            payload = {"number": number}
            bench.engine.events.append(tx, topic, "7", bench.user.user_id, payload)


def told(heard: Heard) -> list[int]:
    """List the numbers in what was heard."""
    return [body["payload"]["number"] for body in heard.bodies]


def test_what_happens_while_nothing_runs_is_carried_later(tmp_path: Path) -> None:
    """Each event comes once and in order, over an end and a start, for those who subscribed."""
    heard = Heard()
    with opened(tmp_path) as bench:
        happen(bench, -1)
        house_of(bench.engine)  # begins with what comes
        bench.bus.subscribe("jobs.*", "watcher", heard)
        happen(bench, *range(BATCH + 5))
        happen(bench, 99, topic="agents.beat")
        heard.wait(BATCH + 5)
    with opened(tmp_path) as bench:
        happen(bench, 1000, 1001)
        bench.bus.subscribe("jobs.*", "watcher", heard)
        happen(bench, 1002)
        heard.wait(BATCH + 8)
    assert told(heard) == [*range(BATCH + 5), 1000, 1001, 1002]
    assert len({message.id for message in heard.messages}) == len(heard.messages)


def test_a_failure_moves_nothing(bench: LocalWorkbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event whose publishing fails is carried by the next try, and once."""
    house: House = house_of(bench.engine)
    heard = Heard()
    bench.bus.subscribe("jobs.*", "watcher", heard)
    put, failures = house.bus._put, iter([True, True])

    def fail_twice(*given: object) -> None:
        put(*given)  # type: ignore[arg-type]
        if next(failures, False):
            raise Unavailable("the disk is full.")

    monkeypatch.setattr(house.bus, "_put", fail_twice)
    happen(bench, 1, 2, 3)
    heard.wait(3)
    assert told(heard) == [1, 2, 3]
    assert next(failures, None) is None


def test_two_that_carry_double_nothing(bench: LocalWorkbench) -> None:
    """Two programs on one workspace carry each event once between them."""
    house = house_of(bench.engine)
    heard = Heard()
    bench.bus.subscribe("jobs.*", "watcher", heard)
    origin = origin_of(bench.database)
    with closing(
        Carrier(bench.engine.events, house.bus, bench.database, origin, bench.user.user_id)
    ):
        for number in range(30):
            happen(bench, number)
        heard.wait(30)
        until(lambda: bench.bus.state().groups[0].waiting == 0)
    assert told(heard) == list(range(30))


def test_what_no_message_can_hold_says_so(bench: LocalWorkbench) -> None:
    """An event that is too long or half a character is told without its payload, in its place."""
    heard = Heard()
    bench.bus.subscribe("jobs.*", "watcher", heard)
    with bench.database.write() as tx:
        for text in ("x" * MOST_BYTES, "half \ud800", "whole"):
            payload = {"text": text}
            bench.engine.events.append(tx, "jobs.said", "7", bench.user.user_id, payload)
    long, half, whole = heard.wait(3)
    assert long["payload"] is None and "more than a message may have" in long["left_out"]
    assert half["payload"] is None and "half a character" in half["left_out"]
    assert whole["payload"] == {"text": "whole"} and "left_out" not in whole


def test_what_nobody_reads_costs_no_message(bench: LocalWorkbench) -> None:
    """Without a broker, events are copied only where a group or somebody who looks reads them."""
    bus = bench.bus
    bus.subscribe("orders.*", "till", Heard())
    happen(bench, 1)
    read = "SELECT position FROM bus_group WHERE name = 'fraktal.events'"
    last = bench.engine.events.last()

    def passed() -> bool:
        with bench.database.read() as tx:
            return tx.rows(read) == [(last,)]

    until(passed)
    assert bus.topics() == []
    tail = bus.tail("jobs.*")
    happen(bench, 2)
    message = next(tail)
    assert json.loads(message.model_dump_json())["body"]["payload"] == {"number": 2}
