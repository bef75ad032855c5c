"""What events promise: one order for all, and nobody who reads on misses anything."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events, EventView, topic_condition
from fraktal_kernel.core.monitoring import metrics
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import InvalidInput

WRITERS, EACH = 6, 50


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a database of each kind, with the user 1 whom events need as owner."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    else:
        url = request.getfixturevalue("new_postgres_url")
    database = Database(url)
    database.migrate()
    assert Security(database, 1).local_user().user_id == 1
    yield database
    database.close()


@pytest.fixture
def events(database: Database) -> Events:
    """Give the events of that database."""
    return Events(database)


def publish(events: Events, database: Database, topic: str, subject: str = "1", **what: object):  # type: ignore[no-untyped-def]
    """Write one event in a transaction of its own."""
    with database.write() as tx:
        events.append(tx, topic, subject, 1, what)


def write_much(events: Events, database: Database) -> list[threading.Thread]:
    """Let many threads write, each numbering what it says; some of it is taken back."""

    def work(writer: int) -> None:
        for number in range(EACH):
            with database.write() as tx:
                events.append(tx, "test.count", str(writer), 1, {"number": number})
            with pytest.raises(KeyError), database.write() as tx:
                events.append(tx, "test.undone", str(writer), 1, {})
                raise KeyError

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    return threads


def check_whole(found: list[EventView]) -> None:
    """Say that all came, once, in order, and each writer's in the order that it wrote them."""
    assert len(found) == WRITERS * EACH
    numbers = [event.seq for event in found]
    assert numbers == sorted(set(numbers))
    for writer in range(WRITERS):
        mine = [event.payload["number"] for event in found if event.subject == str(writer)]
        assert mine == list(range(EACH))


def test_a_follower_loses_nothing_while_many_write(events: Events, database: Database) -> None:
    """The order in which events become visible is the order of their numbers."""
    threads = write_much(events, database)
    found = []
    for event in events.follow(0):
        found.append(event)
        if len(found) == WRITERS * EACH:
            break
    for thread in threads:
        thread.join()
    check_whole(found)
    assert events.page(0, "test.undone") == []


def test_pages_lose_nothing_while_many_write(events: Events, database: Database) -> None:
    """The server's way of reading is as complete."""

    async def read() -> list[EventView]:
        found: list[EventView] = []
        async for page in events.pages(0):
            found += page
            if len(found) == WRITERS * EACH:
                break
        return found

    threads = write_much(events, database)
    check_whole(asyncio.run(asyncio.wait_for(read(), 240)))
    for thread in threads:
        thread.join()


def test_a_reader_that_comes_back_reads_on(events: Events, database: Database) -> None:
    """The number of the last event read is all that one has to remember."""
    for number in range(25):
        publish(events, database, "test.a", number=number)
    read: list[EventView] = []
    while page := events.page(read[-1].seq if read else 0, limit=7):
        assert len(page) <= 7
        read += page
    assert [event.payload["number"] for event in read] == list(range(25))
    assert events.last() == read[-1].seq


def test_a_follower_begins_where_it_was_asked_for(events: Events, database: Database) -> None:
    """What happens between asking for events and reading the first one is not lost."""
    publish(events, database, "test.before")
    following = events.follow()
    publish(events, database, "test.after")
    assert next(following).topic == "test.after"


def test_a_reader_from_before_a_restored_backup_hears_what_comes(
    events: Events, database: Database
) -> None:
    """Who is ahead of us is told what happens from now on, and not once the numbers are there."""
    publish(events, database, "test.old")
    follower = events.follow(after=1_000_000)
    publish(events, database, "test.new")
    assert next(follower).topic == "test.new"

    async def first() -> str:
        async for page in events.pages(after=1_000_000):
            if page:
                return page[0].topic
            publish(events, database, "test.newer")
        return ""

    assert asyncio.run(first()) == "test.newer"


def test_followers_end(events: Events) -> None:
    """One ends when it is told to, all end when the workbench closes."""
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(list, events.follow(stop=stop))
        stop.set()
        assert one.result(60) == []
        all_others = pool.submit(list, events.follow())
        time.sleep(0.05)
        events.close()
        assert all_others.result(60) == []

    async def read() -> list[list[EventView]]:
        return [page async for page in events.pages()]

    assert asyncio.run(asyncio.wait_for(read(), 10)) == []


def test_topics_and_patterns(events: Events, database: Database) -> None:
    """A pattern takes what lies below it, and nothing that only begins alike."""
    for topic in ("jobs.state", "jobs.state.more", "jobs", "jobsx.state", "jobs.log", "agents.up"):
        publish(events, database, topic)

    def topics(pattern: str) -> set[str]:
        return {event.topic for event in events.page(0, pattern)}

    assert topics("jobs.*") == {"jobs.state", "jobs.state.more", "jobs.log"}
    assert topics("jobs.state") == {"jobs.state"}
    assert topics("jobs.state.*") == {"jobs.state.more"}
    assert topics("nobody.*") == set()
    assert len(topics("*")) == 6


@pytest.mark.parametrize("topic", ["", "jobs*", "*.state", "Jobs.state", "a b", "jobs.%", "x" * 99])
def test_a_topic_of_no_use_is_refused(events: Events, topic: str) -> None:
    """A mistyped pattern is refused at once, not read as one that nothing matches."""
    with pytest.raises(InvalidInput, match="expected a name such as"):
        events.page(0, topic)
    with pytest.raises(InvalidInput):
        events.follow(0, topic)


@given(st.text(max_size=20))
def test_any_topic_is_taken_or_refused(topic: str) -> None:
    """Nothing that a client says as a topic becomes part of a statement."""
    try:
        sql, values = topic_condition(topic)
    except InvalidInput:
        return
    assert sql in ("TRUE", "topic = :topic", "topic > :low AND topic < :high")
    assert all(value.rstrip("/.") in topic for value in values.values())


def test_everybody_reads_their_own(events: Events, database: Database) -> None:
    """An owner's events are for that owner; a subject's for who asks for it."""
    other = Security(database, 1).add_user("other", "correct horse battery").user_id
    with database.write() as tx:
        events.append(tx, "test.a", "1", 1, {})
        events.append(tx, "test.a", "2", other, {})
    assert [event.subject for event in events.page(owner_id=1)] == ["1"]
    assert [event.subject for event in events.page(owner_id=other)] == ["2"]
    assert [event.subject for event in events.page(subject="2")] == ["2"]
    assert events.page(owner_id=1, subject="2") == []


def test_no_number_is_given_twice(events: Events, database: Database) -> None:
    """However much is forgotten, the next event has a number that none had before."""
    seen = []
    for _ in range(3):
        for _ in range(4):
            publish(events, database, "test.a")
        seen += [event.seq for event in events.page(max(seen, default=0))]
        forgotten = events.prune(time.time() + 1)
        assert forgotten >= 3 and len(events.page(0)) == 1, "the newest stays"
    assert len(set(seen)) == 12 and seen == sorted(seen)
    assert events.prune(0) == 0


def test_published_events_are_counted(events: Events, database: Database) -> None:
    """The numbers tell what was written, and not what was taken back."""

    def count() -> float:
        for line in metrics.render()[0].decode().splitlines():
            if line.startswith('fraktal_events_total{topic="test.counted"}'):
                return float(line.rpartition(" ")[2])
        return 0

    before = count()
    with database.write() as tx:
        for _ in range(3):
            events.append(tx, "test.counted", "1", 1, {})
    with pytest.raises(KeyError), database.write() as tx:
        events.append(tx, "test.counted", "1", 1, {})
        raise KeyError
    assert count() - before == 3
