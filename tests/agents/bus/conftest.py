"""The engines of the bus: two databases, and real brokers that start once a session."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.agents.bus import Bus, Message, open_bus
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.settings import load_settings
from tests.agents.bus.brokers import Broker
from tests.conftest import Server

WAIT_S = 120


class Heard:
    """A handler that remembers what it was given, and fails where it is told to."""

    def __init__(self, fail: Callable[[Message], None] = lambda message: None) -> None:
        self.messages: list[Message] = []
        self._fail = fail
        self._news = threading.Condition()

    def __call__(self, message: Message) -> None:
        """Handle one message."""
        with self._news:
            self.messages.append(message)
            self._news.notify_all()
        self._fail(message)

    @property
    def bodies(self) -> list[Any]:
        """What was in the messages."""
        return [message.body for message in self.messages]

    def wait(self, count: int) -> list[Any]:
        """Wait until so many came; return what was in them."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.messages) >= count, WAIT_S), self.bodies
        return self.bodies


def until(done: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@dataclass
class Desk:
    """A place to open buses that meet: one channel, and one database where nothing else is said."""

    kind: str
    url: str
    database_url: str
    folder: Path
    broker: Broker | None
    channel: str = field(default_factory=lambda: f"test{secrets.token_hex(4)}")
    opened: list[Any] = field(default_factory=list)

    def database(self, url: str | None = None) -> tuple[Database, int]:
        """Open a database; give it and its user."""
        database = Database(url or self.database_url)
        database.migrate()
        self.opened.append(database)
        return database, Security(database).local_user().user_id

    def open(
        self, database_url: str | None = None, *, engine: str | None = None, **settings: Any
    ) -> Bus:
        """Open a bus with short waits."""
        wanted = {"lease_s": 5, "heartbeat_s": 1, "retry_delay_s": 0.02, **settings}
        bus_url = self.url if engine is None else engine
        read = load_settings(data=self.folder, bus=bus_url, **wanted)
        database, owner_id = self.database(database_url)
        bus = open_bus(read, database, owner_id, channel=self.channel)
        self.opened.append(bus)
        return bus

    def close(self) -> None:
        """Close all that was opened, the newest first."""
        while self.opened:
            self.opened.pop().close()


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], Broker]]:
    """Give a way to the broker of a kind, which starts at the first call."""
    started: dict[str, Broker] = {}

    def find(kind: str) -> Broker:
        if kind not in started:
            started[kind] = Broker(kind)
        return started[kind]

    yield find
    for broker in started.values():
        broker.stop()


def make_desk(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Desk]:
    """Give a desk of a kind, and close it."""
    url, database_url, broker = "", f"sqlite:///{folder / 'fraktal.db'}", None
    if kind == "postgres":
        database_url = request.getfixturevalue("new_postgres_url")
    elif kind != "sqlite":
        pytest.importorskip("faststream", reason="pip install 'fraktal[bus]'")
        broker = request.getfixturevalue("running")(kind)
        url = broker.url
    desk = Desk(kind, url, database_url, folder, broker)
    yield desk
    desk.close()


@pytest.fixture(params=["sqlite", "postgres", "rabbit", "nats", "redis"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give every engine in turn."""
    yield from make_desk(request.param, request, tmp_path)


@pytest.fixture(params=["rabbit", "nats", "redis"])
def brokered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give every broker in turn."""
    yield from make_desk(request.param, request, tmp_path)


#: The Kafka that librdkafka brings for the tests of its own: the protocol, in memory.
KAFKA = """
import time
from confluent_kafka import Producer
producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
(broker,) = producer.list_topics(timeout=60).brokers.values()
print(f"at kafka://{broker.host}:{broker.port} .", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Desk]:
    """Give what speaks Kafka's protocol; it forgets with its process."""
    pytest.importorskip("faststream", reason="pip install 'fraktal[bus]'")
    pytest.importorskip("confluent_kafka", reason="pip install confluent-kafka")
    server = Server([sys.executable, "-c", KAFKA], tmp_path)
    try:
        server.wait_for(lambda: " ." in server.output.read_text())
        url = server.output.read_text().partition("at ")[2].partition(" .")[0]
        desk = Desk("kafka", url, f"sqlite:///{tmp_path / 'fraktal.db'}", tmp_path, None)
        yield desk
        desk.close()
    finally:
        server.stop()


@pytest.fixture
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give the engine that needs nothing."""
    yield from make_desk("sqlite", request, tmp_path)
