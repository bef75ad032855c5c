"""A served workbench and a real broker: what happens is told there, whatever dies in between."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fraktal_kernel.agents.bus.carrier import CARRIED, LEFT
from fraktal_kernel.agents.bus.message import Message, matches
from fraktal_kernel.core.remote import RemoteWorkbench
from tests.agents.bus.brokers import Broker
from tests.system.serving import serving, until


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Start a Redis of its own, and end it."""
    pytest.importorskip("faststream.redis", reason="pip install 'fraktal[bus]'")
    started = Broker("redis")
    yield started
    started.stop()


def number(bench: RemoteWorkbench, name: str) -> float:
    """Read one number of Prometheus' text."""
    head = {"Authorization": f"Bearer {bench.address.token}"}
    text = httpx.get(f"{bench.address.url}/metrics", headers=head, trust_env=False, timeout=60).text
    found = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0].rpartition(" ")[2]) if found else -1.0


def in_redis(broker: Broker) -> list[dict[str, Any]]:
    """Read what another program finds in the stream, with Redis' own client."""
    import redis

    with redis.Redis(port=broker.port) as client:
        return [json.loads(entry[b"__data__"]) for _, entry in client.xrange("fraktal")]


def test_a_broker_that_is_away_or_dies_costs_no_event(tmp_path: Path, broker: Broker) -> None:
    """The server starts without its broker and says so; all events arrive there, in order."""
    broker.kill()
    heard: list[Message] = []
    with serving(tmp_path / "data", workers=1, bus=broker.url) as server:
        with server.workbench() as bench:
            until(lambda: bench.health()["ok"])  # the rest works
            assert bench.health()["bus"] == "does not answer"
            stands = bench.bus.state()
            assert not stands.connected and f"redis://127.0.0.1:{broker.port} " in stands.problem
            assert number(bench, "fraktal_bus_connected") == 0
            assert bench.jobs.ask("GET", "/api/alerts")["alerts"] == []  # not yet for long
            subscription = bench.bus.subscribe("*", "watcher", heard.append)
            bench.bus.publish("orders.new", {"item": "before"}, message_id="order-1")
            bench.submit("test.echo", text="before").wait(120)
            until(lambda: number(bench, "fraktal_bus_outbox_age_seconds") > 0)
            broker.start()
            until(lambda: bench.health()["bus"] == "ok")
            bench.submit("test.echo", text="between").wait(120)
            until(lambda: any(one.topic == "orders.new" for one in heard))
            broker.kill()
            bench.bus.publish("orders.new", {"item": "while it is dead"}, message_id="order-2")
            bench.bus.publish("orders.new", {"item": "again"}, message_id="order-1")
            bench.submit("test.echo", text="while it is dead").wait(120)
            until(lambda: bench.health()["bus"] != "ok")
            broker.start()
            bench.bus.publish("orders.new", {"item": "last"}, message_id="order-3")
            events = [
                event
                for event in bench.jobs.ask("GET", "/api/events", params={"topic": "*"})["events"]
                if event["topic"] not in LEFT
                and any(matches(pattern, event["topic"]) for pattern in CARRIED)
            ]
            assert len(events) > 9
            until(lambda: len({one.id for one in heard}) >= len(events) + 3)
            until(lambda: number(bench, "fraktal_bus_outbox_age_seconds") == 0)
            until(lambda: number(bench, 'fraktal_bus_waiting{group="watcher"}') == 0)
            assert number(bench, "fraktal_bus_connected") == 1
            assert number(bench, "fraktal_bus_published_total") == len(events) + 3
            assert number(bench, 'fraktal_bus_deduplicated_total{group=""}') == 1
            assert number(bench, 'fraktal_bus_delivered_total{group="watcher"}') == len(heard)
            subscription.close()
            orders = [one.body["item"] for one in heard if one.topic == "orders.new"]
            assert sorted(orders) == ["before", "last", "while it is dead"]
            assert len({one.id for one in heard}) == len(heard) == len(events) + 3
            _as_told(in_redis(broker), events)
        server.stop()
        assert server.process is not None and server.process.returncode == 0


def _as_told(entries: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    """Check that a stream has every event, in the order of each topic where first seen."""
    first: dict[str, list[int]] = defaultdict(list)
    for entry in {one["id"]: one for one in reversed(entries)}.values():
        if entry["id"].startswith("event-"):
            first[entry["topic"]].append(entry["body"]["seq"])
    expected: dict[str, list[int]] = defaultdict(list)
    for event in events:
        expected[event["topic"]].append(event["seq"])
    assert {topic: seqs[::-1] for topic, seqs in first.items()} == expected
