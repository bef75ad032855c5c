"""What the bus promises, over every engine: once to each group, again after failures, no loss."""

from __future__ import annotations

import base64
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field

from fraktal_kernel.agents.bus import Draft, Message, engines
from fraktal_kernel.agents.bus.consumer import BATCH
from fraktal_kernel.agents.bus.ledger import MOST_ATTEMPTS
from fraktal_kernel.agents.bus.message import MOST_BYTES, Written, envelope
from fraktal_kernel.core.monitoring import metrics
from fraktal_kernel.core.settings import BROKERS, load_settings
from fraktal_kernel.errors import InvalidInput, MissingExtra, NotFound, Unavailable
from tests.agents.bus.conftest import Desk, Heard, until

# --- delivery -----------------------------------------------------------------------------


def test_every_group_gets_every_message_once(desk: Desk) -> None:
    """Each group sees all that is for it, in the order of publishing, and nothing twice."""
    bus = desk.open()
    first, second, other = Heard(), Heard(), Heard()
    bus.subscribe("jobs.*", "first", first)
    bus.subscribe("*", "second", second)
    bus.subscribe("jobs.log", "other", other)
    ids = [bus.publish("jobs.state", number) for number in range(5)]
    ids += bus.publish_many([Draft("jobs.log", "ż\0" * 3), Draft("agents.state", None)])
    bus.publish("jobs.state", "end")
    expected = [0, 1, 2, 3, 4, "ż\0" * 3, None, "end"]
    wanted = [body for body in expected if body is not None]
    assert sorted(first.wait(7), key=str) == sorted(wanted, key=str)
    assert sorted(second.wait(8), key=str) == sorted(expected, key=str)
    assert other.wait(1) == ["ż\0" * 3]
    if desk.broker is None:  # a broker may mix what is under way at once
        assert first.bodies == wanted
    assert {message.id for message in second.messages} >= set(ids)
    assert {message.attempt for message in second.messages} == {1}
    until(lambda: [state.waiting for state in bus.groups()] == [0, 0, 0])


def test_consumers_of_a_group_share(desk: Desk) -> None:
    """Two consumers of one group, in two workbenches on one database, do each message once."""
    bus, beside = desk.open(), desk.open()
    one, two = Heard(), Heard()
    bus.subscribe("work", "workers", one)
    beside.subscribe("work", "workers", two)
    bus.publish_many([Draft("work", number) for number in range(500)])
    until(lambda: len(one.messages) + len(two.messages) >= 500)
    until(lambda: bus.groups()[0].waiting == 0)
    assert sorted(one.bodies + two.bodies) == list(range(500))


def test_a_known_id_is_dropped(desk: Desk) -> None:
    """Who publishes again after a failure, with the same id, doubles nothing."""
    bus = desk.open()
    heard = Heard()
    bus.subscribe("orders", "till", heard)
    for _ in range(3):
        assert bus.publish("orders", 1, message_id="order-1") == "order-1"
    bus.publish_many([Draft("orders", 2, "order-2"), Draft("orders", 3, "order-2")])
    bus.publish("orders", "end")
    heard.wait(3)
    until(lambda: bus.groups()[0].waiting == 0)
    assert sorted(heard.bodies, key=str) == [1, 2, "end"]


def test_headers_and_time_travel_along(desk: Desk) -> None:
    """What stands beside the body arrives as it was given."""
    bus = desk.open()
    heard = Heard()
    bus.subscribe("notes", "reader", heard)
    name = bus.publish("notes", {"a": [1.5, "ü"]}, headers={"from": "Łucja"})
    heard.wait(1)
    message = heard.messages[0]
    assert (message.id, message.topic, message.body) == (name, "notes", {"a": [1.5, "ü"]})
    assert message.headers == {"from": "Łucja"}
    assert 0 < message.time


def test_a_group_goes_on_where_it_stopped(desk: Desk) -> None:
    """What is published while nobody of a group is there waits for it; a new group begins now."""
    bus = desk.open()
    before, after, late = Heard(), Heard(), Heard()
    away = bus.subscribe("news", "readers", before)
    bus.publish("news", 1)
    before.wait(1)
    until(lambda: bus.groups()[0].waiting == 0)
    away.close()
    for number in (2, 3):
        bus.publish("news", number)
    bus.subscribe("news", "readers", after)
    assert sorted(after.wait(2)) == [2, 3]
    bus.subscribe("news", "latecomers", late)
    bus.publish("news", 4)
    assert late.wait(1) == [4]
    after.wait(3)
    assert before.bodies == [1]


def test_what_is_told_reaches_those_who_listen_now(desk: Desk) -> None:
    """A message that is kept nowhere goes to one consumer of each group in this process."""
    bus = desk.open()
    one, two, other = Heard(), Heard(), Heard()
    bus.publish("progress", "nobody hears this", durable=False)
    bus.subscribe("progress", "bars", one)
    bus.subscribe("progress", "bars", two)
    bus.subscribe("*", "all", other)
    bus.publish_many([Draft("progress", number) for number in range(99)], durable=False)
    for number in range(99, 200):
        bus.publish("progress", number, durable=False)
    assert other.wait(200) == list(range(200))
    until(lambda: len(one.messages) + len(two.messages) >= 200)
    assert sorted(one.bodies + two.bodies) == list(range(200))
    assert one.bodies and two.bodies
    assert len({message.id for message in other.messages}) == 200


# --- transactions -------------------------------------------------------------------------


def test_a_fact_and_its_message_are_one(desk: Desk) -> None:
    """A message published in a transaction comes with its commit, and never without it."""
    bus = desk.open()
    database, _ = desk.database()
    heard = Heard()
    bus.subscribe("*", "all", heard)

    def note(name: str, tx: Any) -> None:
        tx.execute(
            "INSERT INTO user_account(name, is_admin, created_at) VALUES(:name, FALSE, 0)",
            {"name": name},
        )
        bus.publish("users.new", name, tx=tx)
        bus.publish("users.told", name, tx=tx, durable=False)

    with pytest.raises(ZeroDivisionError), database.write() as tx:
        note("never", tx)
        _ = 1 / 0
    with database.write() as tx:
        note("ada", tx)
    assert heard.wait(2) == ["ada", "ada"]
    assert {message.topic for message in heard.messages} == {"users.new", "users.told"}


# --- failures -----------------------------------------------------------------------------


def test_a_failure_is_tried_again(desk: Desk) -> None:
    """After a handler raised, the same message comes again, numbered; others go on meanwhile."""

    def fail(message: Message) -> None:
        if message.body == "shy" and message.attempt < 3:
            raise OSError("not yet")

    bus = desk.open()
    heard = Heard(fail)
    bus.subscribe("work", "workers", heard)
    bus.publish_many([Draft("work", "shy"), Draft("work", "bold")])
    heard.wait(4)
    until(lambda: bus.groups()[0].waiting == 0)
    shy = [message.attempt for message in heard.messages if message.body == "shy"]
    assert shy == [1, 2, 3]
    assert heard.bodies.count("bold") == 1
    assert bus.dead_letters() == []


def test_what_never_works_is_a_dead_letter(desk: Desk) -> None:
    """After so many tries a message waits for a person, who can deliver it again."""
    broken = threading.Event()
    broken.set()

    def fail(message: Message) -> None:
        if broken.is_set() and message.body == "bad":
            raise RuntimeError(f"no way: {message.attempt}")

    bus = desk.open()
    heard, beside = Heard(fail), Heard()
    bus.subscribe("work", "workers", heard)
    bus.subscribe("work", "watchers", beside)
    ids = bus.publish_many([Draft("work", "bad"), Draft("work", "good")])
    until(lambda: len(bus.dead_letters()) == 1)
    letter = bus.dead_letters("workers")[0]
    assert (letter.group, letter.message.id, letter.message.body) == ("workers", ids[0], "bad")
    assert letter.error == f"RuntimeError: no way: {MOST_ATTEMPTS}"
    assert heard.bodies.count("bad") == MOST_ATTEMPTS
    assert bus.dead_letters("watchers") == []
    assert {state.group: state.dead for state in bus.groups()} == {"workers": 1, "watchers": 0}
    assert bus.redrive("watchers") == bus.redrive("workers", ["no-such-id"]) == 0
    broken.clear()
    assert bus.redrive("workers", [ids[0]]) == 1
    heard.wait(MOST_ATTEMPTS + 2)
    until(lambda: [state.waiting for state in bus.groups()] == [0, 0])
    assert bus.dead_letters() == [] and sorted(beside.bodies) == ["bad", "good"]


def test_bad_input_is_not_tried_again(desk: Desk) -> None:
    """What a handler refuses as bad input is dead at once: another try would not help."""

    def refuse(message: Message) -> None:
        raise InvalidInput("volume: given 12, expected 0 to 11.")

    bus = desk.open()
    heard = Heard(refuse)
    bus.subscribe("knobs", "amplifier", heard)
    bus.publish("knobs", 12)
    until(lambda: bus.dead_letters())
    assert bus.dead_letters()[0].error == "volume: given 12, expected 0 to 11."
    assert len(heard.messages) == 1


def test_a_message_outlives_a_consumer_that_hangs(desk: Desk) -> None:
    """When the lease is over, another consumer gets what the first still holds."""
    bus, beside = desk.open(lease_s=1), desk.open()
    free = threading.Event()
    stuck, lively = Heard(lambda message: free.wait(60) and None), Heard()
    bus.subscribe("work", "workers", stuck)
    bus.publish("work", 1)
    stuck.wait(1)
    beside.subscribe("work", "workers", lively)
    lively.wait(1)
    free.set()
    assert lively.messages[0].attempt == 2
    assert stuck.messages[0].id == lively.messages[0].id
    until(lambda: bus.groups()[0].waiting == 0)


def test_many_slow_messages_keep_their_leases(embedded: Desk) -> None:
    """A batch that takes longer than the lease is not delivered twice: it is renewed on the way."""
    bus, beside = embedded.open(lease_s=3), embedded.open()
    pause = threading.Event()
    slow, other = Heard(lambda message: pause.wait(0.1) and None), Heard()
    bus.subscribe("work", "workers", slow)
    bus.publish_many([Draft("work", number) for number in range(34)])
    slow.wait(1)
    beside.subscribe("work", "workers", other)
    until(lambda: bus.groups()[0].waiting == 0)
    assert sorted(slow.bodies + other.bodies) == list(range(34))


# --- bad input ----------------------------------------------------------------------------


def circle() -> list[Any]:
    """Make a list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


def deep() -> list[Any]:
    """Make a list in a list in a list."""
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "100 MB": (lambda: "x" * 100_000_000, "body: 100,000,000 bytes, expected at most"),
    "100 MB in a record": (lambda: {"text": "x" * 100_000_000}, "bytes, expected at most"),
    "too long as UTF-8": (lambda: ["ü" * (MOST_BYTES // 2)], "bytes, expected at most"),
    "NaN": (lambda: {"power_w": float("nan")}, "a number is NaN or endless"),
    "endless": (lambda: [float("-inf")], "a number is NaN or endless"),
    "half a character": (lambda: "half \ud800", "half a character"),
    "half a character in a name": (lambda: {"half \ud800": 1}, "half a character"),
    "bytes that are no UTF-8": (lambda: b"\xff\xfe", "expected a JSON value"),
    "a set": (lambda: {1, 2}, "expected a JSON value"),
    "a circle": (circle, "a value holds itself"),
    "too deep": (deep, "nested too deeply"),
    "capitals": (lambda: Draft("Work", 1), "topic: given 'Work', expected a name"),
    "two dots": (lambda: Draft("work..late", 1), "topic: given"),
    "a pattern": (lambda: Draft("work.*", 1), "topic: given"),
    "a long topic": (lambda: Draft("w" * 61, 1), "topic: given"),
    "no id": (lambda: Draft("work", 1, ""), "message_id: given ''"),
    "two words": (lambda: Draft("work", 1, "two words"), "message_id: given 'two words'"),
    "a long id": (lambda: Draft("work", 1, "x" * 201), "message_id: given"),
    "numbers as headers": (
        lambda: Draft("work", 1, None, {"n": 1}),  # type: ignore[dict-item]
        "headers: expected texts",
    ),
    "long headers": (lambda: Draft("work", 1, None, {"n": "x" * 9000}), "headers: 9"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_messages_are_refused_at_the_door(embedded: Desk, name: str) -> None:
    """One sentence, nothing published of the whole lot, and the bus runs on."""
    make, words = BAD[name]
    bad = make()
    draft = bad if isinstance(bad, Draft) else Draft("work", bad)
    bus = embedded.open()
    heard = Heard()
    bus.subscribe("*", "all", heard)
    for durable in (True, False):
        with pytest.raises(InvalidInput, match=words) as refusal:
            bus.publish_many([Draft("work", "with it"), draft], durable=durable)
        assert len(str(refusal.value)) < 300 and "\n" not in str(refusal.value)
    bus.publish("work", "after it")
    assert heard.wait(1) == ["after it"]


class Order(BaseModel):
    """What may be said on one topic."""

    item: str
    count: int = Field(ge=1)


def test_a_topic_takes_only_what_its_model_takes(desk: Desk) -> None:
    """A wrong schema is refused where it is published, and is dead where it comes in."""
    careless, bus = desk.open(), desk.open()
    bus.declare("orders", Order)
    heard = Heard()
    bus.subscribe("orders", "till", heard)
    with pytest.raises(InvalidInput, match=r"a message to 'orders': .*count"):
        bus.publish("orders", {"item": "tea", "count": 0})
    bus.publish("orders", Order(item="tea", count=2))
    careless.publish("orders", {"item": "coal"})
    assert heard.wait(1) == [{"item": "tea", "count": 2}]
    until(lambda: bus.dead_letters())
    assert "count" in bus.dead_letters()[0].error
    assert len(heard.messages) == 1


@pytest.mark.parametrize("pattern", ["", "*.state", "jobs.", "jobs.**", "Jobs", "jobs *"])
def test_bad_patterns_are_refused(embedded: Desk, pattern: str) -> None:
    """A pattern is a topic, a topic with all below it, or everything."""
    bus = embedded.open()
    with pytest.raises(InvalidInput, match="topic: given"):
        bus.subscribe(pattern, "group", Heard())
    with pytest.raises(InvalidInput, match="group: given"):
        bus.subscribe("jobs.*", pattern, Heard()) if pattern != "Jobs" else bus.subscribe(
            "jobs.*", "my group", Heard()
        )
    assert bus.groups() == []


def test_a_group_has_one_pattern(embedded: Desk) -> None:
    """Two consumers of a group cannot read different things; another start may."""
    bus = embedded.open()
    sub = bus.subscribe("jobs.*", "group", Heard())
    with pytest.raises(InvalidInput, match=r"group 'group' reads 'jobs\.\*' here already"):
        bus.subscribe("agents.*", "group", Heard())
    sub.close()
    heard = Heard()
    bus.subscribe("agents.*", "group", heard)
    bus.publish("agents.state", 1)
    heard.wait(1)


def test_a_listener_that_hangs_does_not_fill_the_memory(
    embedded: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who tells more than a consumer can hear is made to wait, and then told so."""
    monkeypatch.setattr("fraktal_kernel.agents.bus.consumer.MOST_TOLD", 10)
    monkeypatch.setattr("fraktal_kernel.agents.bus.consumer.ROOM_S", 0.1)
    bus = embedded.open()
    free = threading.Event()
    heard = Heard(lambda message: free.wait(60) and None)
    bus.subscribe("flood", "slow", heard)
    bus.publish("flood", "first", durable=False)
    heard.wait(1)
    bus.publish_many([Draft("flood", number) for number in range(10)], durable=False)
    with pytest.raises(Unavailable, match="group 'slow' is 10 messages behind"):
        bus.publish("flood", "too much", durable=False)
    free.set()
    assert heard.wait(11) == ["first", *range(10)]


# --- looking after it ---------------------------------------------------------------------


def test_a_group_that_nobody_reads_can_be_forgotten(desk: Desk) -> None:
    """Its messages are kept for it until somebody says that it will not come back."""
    bus = desk.open()
    bus.subscribe("news", "readers", Heard()).close()
    bus.forget("readers")
    assert bus.groups() == []
    with pytest.raises(NotFound, match="no group named 'readers'"):
        bus.forget("readers")


def test_the_bus_says_that_it_answers(desk: Desk) -> None:
    """What runs answers; the health of the workbench can ask."""
    desk.open().check()


def test_the_numbers_tell_what_became_of_messages(embedded: Desk) -> None:
    """Published, delivered, delivered again and given up are counted, and what waits is seen."""

    def fail(message: Message) -> None:
        if message.body == "bad":
            raise OSError("no")

    group = f"counted{secrets.token_hex(4)}"

    def number(name: str, labels: str = f'{{group="{group}"}}') -> float:
        lines = metrics.render()[0].decode().splitlines()
        name = f"fraktal_bus_{name}{labels} "
        return next((float(line[len(name) :]) for line in lines if line.startswith(name)), 0.0)

    bus = embedded.open()
    published = number("published_total", "")
    sub = bus.subscribe("work", group, Heard(fail))
    bus.publish_many([Draft("work", "good"), Draft("work", "bad"), Draft("work", "bad", "known")])
    bus.publish("work", "again", message_id="known")
    bus.publish("work", "told", durable=False)
    until(lambda: number("dead_total") == 2)
    until(lambda: number("delivered_total") == 2)
    assert number("redelivered_total") == 2 * (MOST_ATTEMPTS - 1)
    assert number("published_total", "") == published + 4
    sub.close()
    bus.publish("work", "later")
    assert number("waiting") == 1
    assert number("outbox_age_seconds", "") == 0


# --- engines that are not there -----------------------------------------------------------


@pytest.mark.parametrize("scheme", ["amqp", "nats", "redis"])
def test_a_broker_that_does_not_answer_is_a_sentence(
    embedded: Desk, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Whoever opens the bus is told at once, without the password, and nothing is left behind."""
    pytest.importorskip("faststream", reason="pip install 'fraktal[bus]'")
    monkeypatch.setattr("fraktal_kernel.agents.bus.link.ANSWER_S", 2.0)
    threads = threading.active_count()
    words = (
        rf"^the broker at {scheme}://127\.0\.0\.1:1 does not answer \(.*\); start it or mend bus\.$"
    )
    with pytest.raises(Unavailable, match=words) as refusal:
        embedded.open(engine=f"{scheme}://ada:lovelace@127.0.0.1:1")
    assert "lovelace" not in str(refusal.value)
    assert threading.active_count() == threads


def test_a_broker_without_its_client_names_the_extra(
    embedded: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where FastStream is not installed, the sentence says what to type."""
    monkeypatch.setitem(sys.modules, "faststream.nats", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fraktal\[bus\]'"):
        embedded.open(engine="nats://127.0.0.1:1")


@pytest.mark.parametrize("url", ["mqtt://x", "amqp://", "nats://:4222", "redis://h:port", "kafka"])
def test_an_unknown_broker_is_refused(embedded: Desk, url: str) -> None:
    """A URL of something else, or of nowhere, is bad input, at the settings already."""
    with pytest.raises(InvalidInput, match=rf"setting bus .*given '{url}'; expected amqp://HOST"):
        embedded.open(engine=url)


def test_every_engine_may_be_named() -> None:
    """What the settings take is what there is, with names, ports, paths and several hosts."""
    assert set(BROKERS) == set(engines._ENGINES)
    for good in (
        "amqps://me:a%2Fb@lab.example/vhost",
        "kafka://a:9092,b:9092",
        "redis://[::1]:1/2",
    ):
        assert load_settings(bus=good).bus == good


# --- brokers alone ------------------------------------------------------------------------


def test_what_a_broker_brings_twice_is_handled_once(brokered: Desk) -> None:
    """Copies of one message, before it was handled and after, are recognised by its id."""
    bus = brokered.open()
    heard = Heard()
    bus.subscribe("work", "workers", heard)
    link = bus._relay.link  # type: ignore[attr-defined]
    letter = envelope(Written("the-one", "work", '"copied"', "{}"), 1.0)
    link.send([letter] * 20)
    heard.wait(1)
    until(lambda: bus.groups()[0].waiting == 0)
    link.send([letter] * 3)
    bus.publish("work", "end")
    until(lambda: "end" in heard.bodies)
    assert sorted(heard.bodies) == ["copied", "end"]


GARBAGE = [
    *(b"\xff\xfe", b"no json", b"[1]", b"[" * 100_000, b'{"body": 1}'),
    b'{"id": "two words", "topic": "work", "time": 1, "headers": {}, "body": 1}',
    b'{"id": "a", "topic": "work", "time": 1, "headers": {}, "body": NaN}',
    b'{"id": "a", "topic": "work", "time": "noon", "headers": {}, "body": 1}',
]


def test_what_nobody_can_read_is_a_dead_letter(brokered: Desk) -> None:
    """Another program's rubbish is kept for a person to look at, and holds nobody up."""
    bus = brokered.open()
    heard = Heard()
    bus.subscribe("work", "workers", heard)
    bus._relay.link.send(GARBAGE)  # type: ignore[attr-defined]
    bus.publish("work", "after it")
    assert heard.wait(1) == ["after it"]
    until(lambda: len(bus.dead_letters()) == len(GARBAGE))
    letters = bus.dead_letters()
    assert {letter.message.topic for letter in letters} == {"bus.unreadable"}
    kept = [base64.b64decode(letter.message.body["base64"]) for letter in letters]
    assert sorted(kept) == sorted(data[:65_536] for data in GARBAGE)
    assert all(letter.error.endswith(".") for letter in letters)


def test_workbenches_with_databases_of_their_own_meet(brokered: Desk) -> None:
    """Through a broker a message reaches another computer's workbench."""
    here = brokered.open()
    there = brokered.open(f"sqlite:///{brokered.folder / 'there.db'}")
    heard, shared, also = Heard(), Heard(), Heard()
    there.subscribe("greetings", "there", heard)
    there.subscribe("greetings", "shared", shared)
    here.subscribe("greetings", "shared", also)
    for number in range(20):
        here.publish("greetings", number, headers={"from": "here"})
    assert sorted(heard.wait(20)) == list(range(20))
    until(lambda: len(shared.messages) + len(also.messages) >= 20)
    assert sorted(shared.bodies + also.bodies) == list(range(20))


def test_a_broker_that_is_killed_loses_and_doubles_nothing(brokered: Desk) -> None:
    """SIGKILL in the middle of a stream, and a start: every message is handled once."""
    assert brokered.broker is not None
    bus = brokered.open()
    heard = Heard()
    bus.subscribe("stream", "readers", heard)
    numbers = iter(range(400))
    killed = threading.Event()

    def publish() -> None:
        for number in numbers:
            bus.publish("stream", number)
            killed.wait(0.002)

    publisher = threading.Thread(target=publish)
    publisher.start()
    heard.wait(50)
    brokered.broker.kill()
    killed.set()  # from here on as fast as it goes, to a broker that is not there
    publisher.join()
    brokered.broker.start()
    heard.wait(400)
    until(lambda: bus.groups()[0].waiting == 0)
    bus.publish("stream", "end")
    until(lambda: "end" in heard.bodies)
    assert sorted(heard.bodies[:-1]) == list(range(400))
    bus.check()


def test_nothing_is_lost_where_a_broker_comes_or_goes(brokered: Desk) -> None:
    """Messages that wait when the setting changes are delivered by the other engine, once."""
    heard = Heard()
    bus = brokered.open(engine="")
    bus.subscribe("news", "readers", heard).close()
    bus.publish("news", "kept before the broker")
    brokered.close()
    bus = brokered.open()
    sub = bus.subscribe("news", "readers", heard)
    assert heard.wait(1) == ["kept before the broker"]
    bus.publish("news", "through the broker")
    heard.wait(2)
    until(lambda: bus.groups()[0].waiting == 0)
    sub.close()
    bus.publish("news", "at the broker when it goes")
    until(lambda: bus._ledger.outbox_age_s() == 0)  # type: ignore[attr-defined]
    brokered.close()
    bus = brokered.open(engine="")
    bus.subscribe("news", "readers", heard)
    heard.wait(3)
    until(lambda: bus.groups()[0].waiting == 0)
    brokered.close()
    bus = brokered.open()
    bus.subscribe("news", "readers", heard)
    bus.publish("news", "end")
    until(lambda: "end" in heard.bodies)
    words = ["kept before the broker", "through the broker", "at the broker when it goes", "end"]
    assert heard.bodies == words


def test_kafka_carries_messages(kafka: Desk) -> None:
    """Through Kafka's protocol every group gets each message once, rubbish and copies aside."""
    bus = kafka.open()
    first, second = Heard(), Heard()
    bus.subscribe("work", "first", first)
    there = kafka.open(f"sqlite:///{kafka.folder / 'there.db'}")
    there.subscribe("*", "second", second)
    bus.publish_many([Draft("work", number) for number in range(300)])
    bus.publish("work", "again", message_id="known")
    letter = envelope(Written("known", "work", '"again"', "{}"), 1.0)
    bus._relay.link.send([letter, b"\xff\xfe", letter])  # type: ignore[attr-defined]
    bus.publish("other", "for one")
    expected = sorted([*range(300), "again"], key=str)
    assert sorted(first.wait(301), key=str) == expected
    assert sorted(second.wait(302), key=str) == sorted([*expected, "for one"], key=str)
    until(lambda: bus.dead_letters() and there.dead_letters())
    until(lambda: bus.groups()[0].waiting == there.groups()[0].waiting == 0)
    assert (len(first.messages), len(second.messages)) == (301, 302)
    bus.check()
    with pytest.raises(InvalidInput, match="kafka:// takes no user"):
        kafka.open(engine="kafka://ada:lovelace@127.0.0.1:1")


# --- a workbench that is killed ------------------------------------------------------------

WORKBENCH = """
import os
import sys
import time

from fraktal_kernel.agents.bus import open_bus
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.settings import load_settings

url, bus_url, channel = sys.argv[1:]
database = Database(url)
settings = load_settings(bus=bus_url, lease_s=1, heartbeat_s=0.5)
owner_id = Security(database).local_user().user_id
bus = open_bus(settings, database, owner_id, channel=channel)


def say(what, number):
    os.write(1, f"{what} {number}\\n".encode())  # in one piece, whichever thread speaks


bus.subscribe("work", "workers", lambda message: say("handled", message.body))
for number in range(1500):
    bus.publish("work", number)
    say("published", number)
time.sleep(600)
"""


def killed_at(desk: Desk, handled: int) -> tuple[set[int], set[int]]:
    """Run a workbench until it has handled so many; give what it published and handled."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKBENCH, desk.database_url, desk.url, desk.channel],
        stdout=subprocess.PIPE,
        text=True,
    )
    said: dict[str, set[int]] = {"published": set(), "handled": set()}
    assert process.stdout is not None
    for line in process.stdout:
        if not line.endswith("\n"):
            break
        what, number = line.split()
        said[what].add(int(number))
        if len(said["handled"]) == handled and process.poll() is None:
            process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait(60) == -signal.SIGKILL
    return said["published"], said["handled"]


def taken_up(desk: Desk) -> None:
    """Kill a workbench, open another, and compare what both did with what was published."""
    desk.database()  # makes its tables
    published, handled = killed_at(desk, 3 * BATCH)
    assert len(handled) >= 3 * BATCH
    heard = Heard()
    bus = desk.open()
    bus.subscribe("work", "workers", heard)
    until(lambda: published <= handled | set(heard.bodies))
    until(lambda: bus.groups()[0].waiting == 0)
    again = heard.bodies
    assert len(again) == len(set(again))
    # What was settled does not come again: only what it had in hand when it died may.
    assert len(handled & set(again)) <= BATCH
    assert bus.dead_letters() == []


def test_an_embedded_bus_is_taken_up(embedded: Desk) -> None:
    """What a dead process published is delivered, and what it had in hand comes again."""
    taken_up(embedded)


def test_a_bus_with_a_broker_is_taken_up(brokered: Desk) -> None:
    """The same where messages were in the outbox, at the broker and on the way back."""
    taken_up(brokered)
