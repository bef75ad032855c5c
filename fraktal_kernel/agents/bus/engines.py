"""The brokers that can carry messages: how FastStream is to be used with each of them.

Every group of a channel gets all that is published there, as bytes; which of it is for the
group is decided here, not at the broker. Whatever the broker, a message is acknowledged to it
once our function has returned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from fraktal_kernel.errors import InvalidInput, MissingExtra

#: So many messages may be on their way to us at once.
BATCH = 200
#: After so long a broker brings again what a lost process had and did not acknowledge.
AGAIN_S = 5
#: So many messages are sent at once, and acknowledged at once where each takes a connection.
AT_ONCE = 50
#: Redis knows no other measure of how much to keep.
REDIS_KEEPS = 1_000_000
#: Redis tells the consumers of a group apart; we take back whatever any of ours has left.
REDIS_CONSUMER = "fraktal"
#: Where in an entry of a stream FastStream looks for the message.
REDIS_FIELD = "__data__"


class Engine(Protocol):
    """What differs from broker to broker."""

    #: FastStream's broker, not connected yet
    broker: Any

    async def declare(self) -> None:
        """Make what all groups share, once connected."""

    async def publish(self, payloads: Sequence[bytes]) -> None:
        """Send messages; returns once the broker has them all safe."""

    def subscribers(self, group: str) -> list[Any]:
        """Make what brings a group its messages, not started yet."""


async def _raw(message: Any) -> Any:
    """Leave a payload as it came, instead of guessing what is in it."""
    return message.body


async def _each(
    payloads: Sequence[bytes], send: Callable[[bytes], Coroutine[Any, Any, object]]
) -> None:
    """Send all, some of them at once but one behind the other, and none behind one that failed.

    All go through one connection, so that their order is the broker's. The first goes alone:
    with it a client makes ready what it needs, and others could overtake it meanwhile.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    failed = False

    async def one(payload: bytes) -> None:
        nonlocal failed
        async with gate:
            if not failed:
                try:
                    await send(payload)
                except BaseException:
                    failed = True
                    raise

    for first in payloads[:1]:
        await send(first)
    async with asyncio.TaskGroup() as tasks:
        for payload in payloads[1:]:
            tasks.create_task(one(payload))


#: FastStream's own words go nowhere: what matters of them, the relay says. Those of the clients
#: go to the log of a server, and nowhere where there is none.
_PLAIN: dict[str, Any] = {"apply_types": False, "logger": None, "decoder": _raw}
for _client in ("aio_pika", "aiormq", "nats", "redis", "aiokafka"):
    logging.getLogger(_client).addHandler(logging.NullHandler())


class Rabbit:
    """RabbitMQ: an exchange to which every group binds a durable queue."""

    def __init__(self, url: str, channel: str, keep_s: float) -> None:
        from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange

        self._channel = channel
        self._exchange = RabbitExchange(channel, type=ExchangeType.FANOUT, durable=True)
        window = Channel(prefetch_count=BATCH)
        self.broker = RabbitBroker(url, default_channel=window, reconnect_interval=1.0, **_PLAIN)

    async def declare(self) -> None:
        """Make the exchange."""
        await self.broker.declare_exchange(self._exchange)

    async def publish(self, payloads: Sequence[bytes]) -> None:
        """Send messages, to be kept on disk, and wait for the broker's word on each."""
        how: dict[str, Any] = {"exchange": self._exchange, "persist": True, "mandatory": False}
        await _each(payloads, partial(self.broker.publish, timeout=AGAIN_S, **how))

    def subscribers(self, group: str) -> list[Any]:
        """Make a consumer of the group's queue."""
        from faststream import AckPolicy
        from faststream.rabbit import RabbitQueue

        queue = RabbitQueue(f"{self._channel}.{group}", durable=True)
        policy = AckPolicy.NACK_ON_ERROR
        return [self.broker.subscriber(queue, self._exchange, ack_policy=policy)]


class Nats:
    """NATS JetStream: a stream on disk from which every group reads as a durable consumer."""

    def __init__(self, url: str, channel: str, keep_s: float) -> None:
        from faststream.nats import JStream, NatsBroker

        self._subject = f"{channel}.messages"
        self._stream = JStream(channel, max_age=keep_s)
        self.broker = NatsBroker(
            url, max_reconnect_attempts=-1, reconnect_time_wait=1, connect_timeout=3, **_PLAIN
        )
        self.broker.publisher(self._subject, stream=self._stream)

    async def declare(self) -> None:
        """Nothing: the stream is made when the broker starts."""

    async def publish(self, payloads: Sequence[bytes]) -> None:
        """Send messages and wait until the stream has them."""
        how: dict[str, Any] = {"subject": self._subject, "stream": self._stream.name}
        await _each(payloads, partial(self.broker.publish, timeout=AGAIN_S, **how))

    def subscribers(self, group: str) -> list[Any]:
        """Make a puller that goes on where the group's durable consumer stopped."""
        from faststream import AckPolicy
        from faststream.nats import PullSub
        from nats.js.api import ConsumerConfig, DeliverPolicy

        return [
            self.broker.subscriber(
                self._subject,
                stream=self._stream,
                durable=group,
                config=ConsumerConfig(ack_wait=AGAIN_S, max_ack_pending=5 * BATCH),
                deliver_policy=DeliverPolicy.NEW,
                pull_sub=PullSub(batch_size=BATCH, timeout=1.0),
                ack_policy=AckPolicy.NACK_ON_ERROR,
            )
        ]


class Redis:
    """Redis Streams: one stream that every group reads as a consumer group."""

    def __init__(self, url: str, channel: str, keep_s: float) -> None:
        from faststream.redis import RedisBroker

        self._channel = channel
        self.broker = RedisBroker(url, **_PLAIN)

    async def declare(self) -> None:
        """Nothing: the stream is made with its first message or group."""

    async def publish(self, payloads: Sequence[bytes]) -> None:
        """Send messages in one piece."""
        client = await self.broker.connect()
        async with client.pipeline(transaction=False) as pipeline:
            for payload in payloads:
                # As it is: FastStream would wrap it in a form that is its own.
                pipeline.xadd(self._channel, {REDIS_FIELD: payload}, maxlen=REDIS_KEEPS)
            await pipeline.execute()

    def subscribers(self, group: str) -> list[Any]:
        """Make a reader of what is new, and one of what a lost process left behind."""
        from faststream import AckPolicy
        from faststream.redis import StreamSub

        who: dict[str, Any] = {"group": group, "consumer": REDIS_CONSUMER}
        new = StreamSub(self._channel, polling_interval=500, max_records=BATCH, **who)
        again_ms = AGAIN_S * 1000
        left = StreamSub(self._channel, polling_interval=again_ms, min_idle_time=again_ms, **who)
        policy = AckPolicy.NACK_ON_ERROR
        return [
            self.broker.subscriber(stream=new, max_workers=AT_ONCE, ack_policy=policy),
            self.broker.subscriber(stream=left, ack_policy=policy),
        ]


class Kafka:
    """Kafka: one topic that every group reads as a consumer group.

    A new group begins with the oldest message that Kafka still has: Kafka notes where a group
    begins with the first message that it has handled only, and until then would lose others.
    """

    def __init__(self, url: str, channel: str, keep_s: float) -> None:
        from faststream.kafka import KafkaBroker

        servers = url.partition("://")[2].rstrip("/")
        if "@" in servers:
            raise InvalidInput(
                "bus: kafka:// takes no user and password here; expected kafka://HOST:9092."
            )
        self._channel = channel
        self.broker = KafkaBroker(servers.split(","), acks="all", **_PLAIN)

    async def declare(self) -> None:
        """Nothing: the topic is made with its first message or group."""

    async def publish(self, payloads: Sequence[bytes]) -> None:
        """Send messages and wait until every replica in step has them."""
        # One key, one partition: only there Kafka keeps an order.
        key = self._channel.encode()
        await _each(payloads, partial(self.broker.publish, topic=self._channel, key=key))

    def subscribers(self, group: str) -> list[Any]:
        """Make a reader of the topic that commits what was taken."""
        from faststream import AckPolicy

        return [
            self.broker.subscriber(
                self._channel,
                group_id=f"{self._channel}.{group}",
                auto_offset_reset="earliest",
                batch=True,
                max_records=BATCH,
                ack_policy=AckPolicy.NACK_ON_ERROR,
            )
        ]


_ENGINES: dict[str, Callable[[str, str, float], Engine]] = {
    "amqp": Rabbit,
    "amqps": Rabbit,
    "nats": Nats,
    "redis": Redis,
    "rediss": Redis,
    "kafka": Kafka,
}


def find_engine(url: str, channel: str, keep_s: float) -> Engine:
    """Make the engine for a URL; it must be called where the event loop runs.

    Parameters
    ----------
    keep_s : how long the broker is to keep messages for groups that are away, where it can
        be told

    Raises
    ------
    InvalidInput
        a URL of no broker that we know
    MissingExtra
        FastStream or the broker's client is not installed
    """
    scheme = url.partition("://")[0]
    if scheme not in _ENGINES:
        expected = ", ".join(f"{name}://HOST" for name in _ENGINES)
        raise InvalidInput(f"bus: given a {scheme[:20]!r} URL, expected {expected}.")
    try:
        return _ENGINES[scheme](url, channel, keep_s)
    except ImportError as error:
        raise MissingExtra(
            f"a bus at {scheme}:// needs {error.name or 'FastStream'}: pip install 'fraktal[bus]'."
        ) from None
