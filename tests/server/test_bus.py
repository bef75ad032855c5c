"""The bus over the web: everybody sees their own, bad input is one sentence, nothing is lost."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from fraktal_kernel.agents.bus.message import MOST_BYTES, Message
from fraktal_kernel.agents.bus.user import bus_of
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.workspace import ServerAddress
from fraktal_kernel.errors import InvalidInput
from tests.agents.bus.conftest import Heard, until
from tests.server.served import SECRET, Served


@pytest.fixture
def group(client: httpx.Client) -> Iterator[str]:
    """Name a group that no other test has, and forget it."""
    name = f"g{secrets.token_hex(4)}"
    yield name
    client.delete(f"/api/bus/groups/{name}")


@pytest.fixture
def bench(served: Served) -> Iterator[RemoteWorkbench]:
    """Open the served workbench from outside, as a notebook does."""
    address = ServerAddress(url=served.url, token=SECRET, pid=1)
    with RemoteWorkbench(served.workbench.settings, address) as opened:
        yield opened


def line(served: Served, token: str, topic: str, group: str) -> ClientConnection:
    """Open the line of a consumer."""
    url = f"{served.websocket}/api/bus/line?topic={topic}&group={group}"
    head = {"authorization": f"Bearer {token}"}
    return connect(url, additional_headers=head, proxy=None, legacy=True)


def test_a_notebook_publishes_and_handles(bench: RemoteWorkbench, group: str) -> None:
    """``wb.bus`` is the same here and there: publish, subscribe, once by id, topics, state."""
    topic = f"orders.{group}"
    heard = Heard()
    subscription = bench.bus.subscribe("orders.*", group, heard)
    made = bench.bus.publish(topic, {"item": "żółty"}, message_id=f"{group}-1", headers={"a": "b"})
    bench.bus.publish(topic, "again", message_id=made)
    bench.bus.publish(topic, None)
    assert heard.wait(2) == [{"item": "żółty"}, None]
    first = heard.messages[0]
    assert (first.id, first.topic, first.attempt) == (f"{group}-1", topic, 1)
    assert first.headers["a"] == "b" and set(first.headers) == {"a", "origin", "owner"}
    state = bench.bus.state()
    assert state.connected and state.engine == "database" and state.problem == ""
    until(lambda: next(g for g in bench.bus.state().groups if g.group == group).waiting == 0)
    assert next(one for one in bench.bus.topics() if one.topic == topic).messages == 2
    subscription.close()


def test_a_job_is_told(served: Served, bench: RemoteWorkbench, group: str) -> None:
    """Who subscribes to ``jobs.*`` gets each event of one's jobs, in order, with its number."""
    heard = Heard()
    subscription = bench.bus.subscribe("jobs.*", group, heard)
    number = str(served.run("fractal.render", scene="seahorse", width=16, height=16))
    told = served.workbench.engine.events.page(0, "jobs.*", subject=number)
    until(lambda: len([one for one in heard.bodies if one["subject"] == number]) >= len(told))
    mine = [one for one in heard.messages if one.body["subject"] == number]
    assert [one.body["seq"] for one in mine] == [event.seq for event in told]
    assert [one.topic for one in mine] == [event.topic for event in told]
    assert [one.body["payload"] for one in mine] == [event.payload for event in told]
    subscription.close()


def test_what_fails_is_seen_and_driven_again(bench: RemoteWorkbench, group: str) -> None:
    """A consumer elsewhere that cannot handle a message makes a dead letter, until it can."""
    broken = threading.Event()
    broken.set()

    def fail(message: Message) -> None:
        if broken.is_set():
            raise InvalidInput("the till is empty")

    heard = Heard(fail)
    subscription = bench.bus.subscribe(f"sales.{group}", group, heard)
    made = bench.bus.publish(f"sales.{group}", {"item": "tea"})
    until(lambda: bench.bus.dead_letters(group))
    (letter,) = bench.bus.dead_letters(group)
    assert (letter.message.id, letter.error) == (made, "the till is empty")
    assert letter.message.body == {"item": "tea"}
    broken.clear()
    assert (
        bench.bus.dead_letters(topic="other.*") == bench.bus.dead_letters(group, 1, "other") == []
    )
    assert bench.bus.discard(topic=f"sales.{group}") == 1
    assert bench.bus.dead_letters(group) == [] and bench.bus.redrive(group) == 0
    assert bench.bus.restore(group, [made]) == 1 and bench.bus.restore(group) == 0
    assert bench.bus.dead_letters(group) == [letter]
    assert bench.bus.redrive(group, [made]) == 1
    assert heard.wait(2) == [{"item": "tea"}] * 2
    until(lambda: bench.bus.dead_letters(group) == [])
    assert bench.bus.redrive(group) == 0
    subscription.close()
    audit = bench.jobs.ask("GET", "/api/audit", params={"limit": 100})["entries"]
    until(
        lambda: (
            {"bus.publish", "bus.redrive", "bus.restore", "bus.subscribe"} <= _actions(bench, group)
        )
    )
    assert all("tea" not in json.dumps(entry) for entry in audit)


def _actions(bench: RemoteWorkbench, group: str) -> set[str]:
    entries = bench.jobs.ask("GET", "/api/audit", params={"limit": 200})["entries"]
    return {one["action"] for one in entries if group in one["subject"]}


def test_who_leaves_gives_back_what_was_not_answered(served: Served, group: str) -> None:
    """A line that ends in the middle costs its message no try: the next consumer has it first."""
    topic = f"parcels.{group}"
    with line(served, SECRET, topic, group) as leaving:
        assert json.loads(leaving.recv()) == {"subscribed": True}
        served.workbench.bus.publish(topic, "fragile")
        assert json.loads(leaving.recv())["attempt"] == 1
    with line(served, SECRET, topic, group) as staying:
        staying.recv()
        again = json.loads(staying.recv())
        assert (again["body"], again["attempt"]) == ("fragile", 1)
        staying.send(json.dumps({"id": "another", "attempt": 1}))  # means nothing
        staying.send(json.dumps({"id": again["id"], "attempt": 1}))
        until(lambda: _waiting(served, group) == 0)


def _waiting(served: Served, group: str) -> int:
    return next(one.waiting for one in served.workbench.bus.state().groups if one.group == group)


def test_the_welcome_comes_before_what_waits(
    served: Served, bench: RemoteWorkbench, group: str
) -> None:
    """Whoever comes back hears first that they are subscribed, however much waits for them."""
    bench.bus.subscribe("orders.*", group, lambda message: None).close()
    bench.bus.publish(f"orders.{group}", "waits")
    for _ in range(5):
        with line(served, SECRET, "orders.*", group) as opened:
            assert json.loads(opened.recv(30)) == {"subscribed": True}
            assert json.loads(opened.recv(30))["body"] == "waits"


def test_everybody_sees_their_own(served: Served, client: httpx.Client, group: str) -> None:
    """Messages, groups and dead letters of one user are nobody else's, whatever they are named."""
    other = served.workbench.security.add_user(f"eve {group}", "a long password").user_id
    topic = f"secrets.{group}"
    _, after = served.workbench.bus.page(topic)
    with (
        served.client(served.token("read", "bus", user_id=other)) as eve,
        line(served, served.token("bus", user_id=other), "*", group) as hers,
    ):
        hers.recv()
        client.post("/api/bus/messages", json={"topic": topic, "body": "mine", "id": group})
        own = eve.post("/api/bus/messages", json={"topic": topic, "body": "hers", "id": group})
        assert own.status_code == 201
        first = json.loads(hers.recv())
        assert first["body"] == "hers"
        query = {"topic": topic, "after": after}
        for person, body in ((client, "mine"), (eve, "hers")):
            found = person.get("/api/bus/messages", params=query).json()["messages"]
            assert [one["body"] for one in found] == [body]
        assert [one["group"] for one in eve.get("/api/bus").json()["groups"]] == [group]
        assert group not in {one["group"] for one in client.get("/api/bus").json()["groups"]}
        assert [one["topic"] for one in eve.get("/api/bus/topics").json()["topics"]] == [topic]


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("read",), set()),
        (("bus:orders.*",), {"orders.new"}),
        (("bus",), {"orders.new", "news"}),
        (("jobs",), set()),
    ],
)
def test_a_token_reaches_its_topics(
    served: Served, group: str, scopes: tuple[str, ...], allowed: set[str]
) -> None:
    """To publish and to read needs ``bus``, or ``bus:PATTERN`` for some topics."""
    token = served.token(*scopes)
    with served.client(token) as program:
        for topic in ("orders.new", "news"):
            status = 201 if topic in allowed else 403
            given = {"topic": topic, "body": 1}
            assert program.post("/api/bus/messages", json=given).status_code == status
            read = program.get("/api/bus/messages", params={"topic": topic})
            assert read.status_code == (200 if topic in allowed else 403)
            with line(served, token, topic, f"{group}{topic[:2]}") as opened:
                if topic in allowed:
                    assert json.loads(opened.recv()) == {"subscribed": True}
                else:
                    with pytest.raises(ConnectionClosed, match="needs the scope 'bus:"):
                        opened.recv()
    for begin in ("or", "ne"):
        with served.client() as client:
            client.delete(f"/api/bus/groups/{group}{begin}")


BAD: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "no UTF-8": (b'{"topic": "news", "body": "\xff"}', "is not UTF-8 text"),
    "NaN": (b'{"topic": "news", "body": NaN}', "NaN, which is not JSON"),
    "no body": ({"topic": "news"}, "body: missing, and needed"),
    "another field": ({"topic": "news", "body": 1, "to": "all"}, "to: there is no such field"),
    "a long body": ({"topic": "news", "body": "x" * MOST_BYTES}, "bytes, expected at most"),
    "a pattern": ({"topic": "news.*", "body": 1}, "topic: given 'news.*'"),
    "in our name": ({"topic": "jobs.state", "body": 1}, "is the workbench's own"),
    "as another": ({"topic": "news", "body": 1, "headers": {"owner": "1"}}, "leave it out"),
    "as an event": ({"topic": "news", "body": 1, "id": "event-1"}, "those of events"),
    "a bad id": ({"topic": "news", "body": 1, "id": "two words"}, "message_id: given"),
    "a number as header": ({"topic": "news", "body": 1, "headers": {"a": 1}}, "headers"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_messages_are_one_sentence(client: httpx.Client, name: str) -> None:
    """What cannot be carried is refused with 422, and nothing is published."""
    given, words = BAD[name]
    before = client.get("/api/bus/messages").json()["last"]
    content = given if isinstance(given, bytes) else json.dumps(given).encode()
    answer = client.post(
        "/api/bus/messages", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["error"] and "\n" not in answer.json()["error"]
    assert client.get("/api/bus/messages").json()["last"] == before


def test_a_hundred_megabytes_are_refused_at_the_door(served: Served, client: httpx.Client) -> None:
    """More than a request may have is 413, more than a message may have is said before sending."""
    answer = client.post("/api/bus/messages", content=b'"' + b"x" * 100_000_000)
    assert answer.status_code == 413
    address = ServerAddress(url=served.url, token=SECRET, pid=1)
    with RemoteWorkbench(served.workbench.settings, address) as bench:
        with pytest.raises(InvalidInput, match="100,000,000 bytes, expected at most"):
            bus_of(bench).publish("news", "x" * 100_000_000)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\xff\xfe", "an answer is a JSON text"),
        ("x" * 20_000, "an answer is a JSON text"),
        ("[]", "an answer has the form"),
        ('{"id": "a", "attempt": "1"}', "an answer has the form"),
    ],
)
def test_a_bad_answer_ends_the_line(
    served: Served, group: str, said: str | bytes, words: str
) -> None:
    """The sentence comes with the end, and the message that waited is the next one's."""
    topic = f"answers.{group}"
    with line(served, SECRET, topic, group) as bad:
        bad.recv()
        served.workbench.bus.publish(topic, 1)
        bad.recv()
        bad.send(said)
        with pytest.raises(ConnectionClosed, match=words):
            bad.recv()
    heard = Heard()
    with closing(served.workbench.bus.subscribe(topic, group, heard)):
        heard.wait(1)
    assert heard.messages[0].attempt == 1


@pytest.mark.parametrize("group_name", ["", "two words", "u7-till"])
def test_a_bad_group_is_refused(bench: RemoteWorkbench, group_name: str) -> None:
    """A group that is none, or that looks like another person's, is a sentence."""
    with pytest.raises(InvalidInput, match="group: given"):
        bench.bus.subscribe("news", group_name, Heard())
