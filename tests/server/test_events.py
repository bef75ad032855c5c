"""Events come in order, from any number on, to their owner alone, and none is lost."""

from __future__ import annotations

import json
import random
import time
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.server.served import SECRET, Served


def follow(
    served: Served, token: str = SECRET, **query: object
) -> AbstractContextManager[ClientConnection]:
    """Open the WebSocket of events; use it in a ``with`` block."""
    address = str(httpx.URL(served.websocket + "/api/events", params=query))  # type: ignore[arg-type]
    opened: AbstractContextManager[ClientConnection] = connect(
        address,
        additional_headers={"Authorization": f"Bearer {token}"},
        proxy=None,
        max_queue=1,
        close_timeout=0.2,
    )
    return opened


def receive(line: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Receive so many events."""
    return [json.loads(line.recv(timeout=120)) for _ in range(count)]


def recorded(served: Served, after: int = 0) -> list[int]:
    """Read the numbers of all of the local user's events of jobs from the database."""
    found: list[int] = []
    while page := served.workbench.engine.events.page(
        found[-1] if found else after, "jobs.*", served.workbench.user.user_id
    ):
        found += [event.seq for event in page]
    return found


def test_what_happens_is_told_live(served: Served) -> None:
    """A listener hears of a job from its queueing to its end, one JSON text an event."""
    with follow(served, topic="jobs.*") as line:
        heard = []
        while not heard:  # "from now on" begins when the server has looked
            served.run("served.count", times=1)
            with suppress(TimeoutError):
                heard.append(line.recv(timeout=0.2))
        number = served.run("served.count", times=2)
        mine: list[dict[str, Any]] = []
        while not mine or mine[-1]["payload"].get("state") != "succeeded":
            mine += [event for event in receive(line, 1) if event["subject"] == str(number)]
    states = [event["payload"]["state"] for event in mine if event["topic"] == "jobs.state"]
    assert states == ["queued", "running", "succeeded"]
    assert {"jobs.progress", "jobs.log"} <= {event["topic"] for event in mine}
    assert set(mine[0]) == {"seq", "time", "topic", "subject", "payload"}


def test_reconnecting_loses_nothing(served: Served) -> None:
    """A client that is cut off again and again reads every event once, in order."""
    dice = random.Random(7)
    start = served.workbench.engine.events.last()
    jobs = [served.workbench.submit("served.count", times=20) for _ in range(10)]
    seen: list[int] = []
    done = 0
    while done < len(jobs):
        with follow(served, after=seen[-1] if seen else start) as line:
            for _ in range(dice.randint(1, 60)):
                (event,) = receive(line, 1)
                seen.append(event["seq"])
                done += event["payload"].get("state") == "succeeded"
                if done == len(jobs):
                    break
            if dice.random() < 0.5:
                line.socket.close()  # a cable that is pulled says no goodbye
    expected = recorded(served, start)
    assert seen == expected[: len(seen)]
    assert len(seen) == len(set(seen)) >= 10 * 20


def test_replay_begins_anywhere(served: Served) -> None:
    """From each number on, the WebSocket tells exactly what the database holds behind it."""
    served.run("served.count", times=5)
    numbers = recorded(served)
    for after in (0, numbers[len(numbers) // 2], numbers[-2]):
        expected = [number for number in numbers if number > after]
        with follow(served, after=after) as line:
            assert [event["seq"] for event in receive(line, len(expected))] == expected


def test_topics_and_subjects_choose(served: Served) -> None:
    """A topic, a pattern and a subject each narrow what is told."""
    number = served.run("served.count", times=2)
    with follow(served, topic="jobs.state", subject=number, after=0) as line:
        told = receive(line, 3)
    assert {event["topic"] for event in told} == {"jobs.state"}
    assert {event["subject"] for event in told} == {str(number)}


def test_events_of_others_are_not_told(served: Served) -> None:
    """Another user hears nothing of my jobs, and I nothing of theirs."""
    engine = served.workbench.engine
    hedy = served.workbench.security.add_user("hedy", "correct horse battery")
    served.run("served.count", times=1)
    with engine.database.write() as tx:
        engine.events.append(tx, "jobs.log", "0", hedy.user_id, {"text": "of hedy"})
    engine.events.announce()
    with follow(served, served.token("read", user_id=hedy.user_id), after=0) as line:
        (first,) = receive(line, 1)
    assert first["payload"] == {"text": "of hedy"}
    assert first["seq"] not in recorded(served)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"topic": "jobs*"}, "topic: given 'jobs*'"),
        ({"topic": "';--"}, "topic"),
        ({"after": "x"}, "after: given 'x'"),
        ({"after": "-1"}, "after"),
        ({"after": "1e3"}, "after"),
        ({"after": "9" * 100}, "after"),
        ({"after": "\u0661"}, "after"),
    ],
)
def test_bad_queries_close_with_a_sentence(
    served: Served, query: dict[str, object], says: str
) -> None:
    """What cannot be followed is told in the closing frame."""
    with follow(served, **query) as line, pytest.raises(ConnectionClosed) as closed:
        line.recv(timeout=120)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008 and says in closed.value.rcvd.reason


def test_number_beyond_all_waits(served: Served) -> None:
    """The largest number is no mistake; nothing comes behind it."""
    with follow(served, after=2**63 - 1) as line, pytest.raises(TimeoutError):
        line.recv(timeout=0.5)


def test_scope_is_needed(served: Served) -> None:
    """A token that may only submit does not listen."""
    with follow(served, served.token("jobs")) as line, pytest.raises(ConnectionClosed) as closed:
        line.recv(timeout=120)
    assert closed.value.rcvd is not None and "scope 'read'" in closed.value.rcvd.reason


def test_slow_client_does_not_hold_memory(served: Served) -> None:
    """For a client that does not read, the server keeps a page, not the history."""
    import os

    import psutil

    engine = served.workbench.engine
    text = "x" * 2000
    for _ in range(20):
        with engine.database.write() as tx:
            for _ in range(500):
                engine.events.append(
                    tx, "jobs.log", "0", served.workbench.user.user_id, {"text": text}
                )
    engine.events.announce()
    process = psutil.Process(os.getpid())
    start = recorded(served)[-10_000] - 1
    before = process.memory_info().rss
    with ExitStack() as stack:
        lines = [stack.enter_context(follow(served, after=start)) for _ in range(5)]
        time.sleep(2)
        # Five times 20 MB would be told; a page and a socket's buffer each are held.
        assert process.memory_info().rss - before < 50 * 1024**2
        assert len(receive(lines[0], 10_000)) == 10_000, "and who reads at last gets all"


def test_pages_tell_the_same(client: httpx.Client, served: Served) -> None:
    """Read page by page, the events are those of the WebSocket, and the last number is told."""
    served.run("served.count", times=3)
    last = client.get("/api/events", params={"limit": 0}).json()["last"]
    assert last == served.workbench.engine.events.last()
    after, seen = last - 7, []
    while events := (page := _page(client, after))["events"]:
        seen += [event["seq"] for event in events]
        after = page["last"]
    assert seen == recorded(served, last - 7)


def test_several_topics_are_told_in_one_order(client: httpx.Client, served: Served) -> None:
    """Each topic that is named counts, here and over the WebSocket; one bad name refuses all."""
    served.run("served.count", times=2)
    wanted = ["jobs.progress", "agents.*", "jobs.state"]
    page = {"limit": 1000}
    each = [client.get("/api/events", params={"topic": topic, **page}).json() for topic in wanted]
    truth = sorted(event["seq"] for one in each for event in one["events"])[:1000]
    told = client.get("/api/events", params={"topic": wanted, **page}).json()["events"]
    assert [event["seq"] for event in told] == truth
    assert {event["topic"] for event in told} >= {"jobs.progress", "jobs.state"}
    with follow(served, topic=wanted, after=0) as line:
        assert [event["seq"] for event in receive(line, len(truth))] == truth
    for bad in (["jobs.*", "';"], ["jobs.*"] * 21):
        assert client.get("/api/events", params={"topic": bad}).status_code == 422


def _page(client: httpx.Client, after: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/events", params={"after": after, "limit": 3}).json()
    return found
