"""The bus of a workbench: its database keeps the messages, a broker may carry them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, ValidationError

from fraktal_kernel.agents.bus.consumer import Consumer
from fraktal_kernel.agents.bus.ledger import Ledger
from fraktal_kernel.agents.bus.message import (
    Draft,
    Message,
    Written,
    check_body,
    check_group,
    check_id,
    check_pattern,
    check_topic,
    matches,
    new_id,
    write,
    write_headers,
)
from fraktal_kernel.agents.bus.protocol import DeadLetter, GroupState, Handler
from fraktal_kernel.agents.bus.relay import Relay
from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.core.monitoring.metrics import Gauges, observe_bus, register_gauge_source
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.errors import InvalidInput

DAY_S = 86_400.0
#: Every so often old messages are forgotten.
PRUNE_S = 3_600.0
MOST_ROUTES = 10_000


def open_bus(
    settings: Settings,
    database: Database,
    owner_id: int,
    *,
    channel: str = "fraktal",
    patient: bool = False,
    events: Events | None = None,
) -> DatabaseBus:
    """Open the bus that the settings name.

    Parameters
    ----------
    database : the workbench's own; it keeps the messages even where a broker carries them
    owner_id : whose all that is published and subscribed here is
    channel : the name, at the broker, of what all workbenches share
    patient : whether a broker that is away is waited for; what is published waits with us
    events : of the workbench, where the fate of dead letters is told

    Raises
    ------
    InvalidInput
        a URL of no broker that we know
    MissingExtra
        a broker without the package for it
    Unavailable
        the broker does not answer, and we are not patient
    """
    ledger = Ledger(database, owner_id, settings.lease_s, settings.retry_delay_s, events=events)
    relay = None
    if settings.bus:
        from fraktal_kernel.agents.bus.link import Link

        link = Link(settings.bus, channel, settings.event_days * DAY_S, patient)
        relay = Relay(ledger, link)
    return DatabaseBus(ledger, relay, settings.event_days * DAY_S)


class DatabaseBus:
    """Implements :class:`~fraktal_kernel.agents.bus.protocol.Bus`, with a broker or without.

    Parameters
    ----------
    relay : brings messages to the broker and back; None to deliver from the database
    keep_s : how long handled messages are kept, and so their ids known
    """

    def __init__(self, ledger: Ledger, relay: Relay | None, keep_s: float) -> None:
        self._ledger = ledger
        self._relay = relay
        self._keep_s = keep_s
        self._prune_at = 0.0
        self._lock = threading.Lock()
        self._consumers: list[Consumer] = []
        self._patterns: dict[str, str] = {}
        #: topic -> for each group that reads it, its consumers in turn
        self._routes: dict[str, list[Iterator[Consumer]]] = {}
        self._models: dict[str, type[BaseModel]] = {}
        self._count = itertools.count(1)
        self._name = new_id()
        self._forget_gauges: Callable[[], None] = register_gauge_source(self._gauges)

    # ------------------------------------------------------------------ in

    def publish(
        self,
        topic: str,
        body: Any,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        durable: bool = True,
        tx: Transaction | None = None,
    ) -> str:
        """Publish one message."""
        if durable or tx is not None:
            draft = Draft(topic, body, message_id, headers)
            return self.publish_many([draft], durable=durable, tx=tx)[0]
        message = self._told(topic, body, message_id, headers)
        self._hand_over(topic, (message,))
        return message.id

    def publish_many(
        self, drafts: Sequence[Draft], *, durable: bool = True, tx: Transaction | None = None
    ) -> list[str]:
        """Publish all of these or, where one is at fault, none."""
        if not durable:
            return self._tell(drafts, tx)
        for draft in drafts if self._models else ():
            self._check(draft.topic, draft.body)
        written = [write(draft) for draft in drafts]
        if not written:
            return []
        if tx is not None:
            self._put(tx, written)
        else:
            with self._ledger.database.write() as own:
                self._put(own, written)
        return [message.id for message in written]

    def _put(self, tx: Transaction, written: Sequence[Written]) -> None:
        new = self._ledger.add(tx, written, relay=self._relay is not None)
        topics = {message.topic for message in written}
        tx.afterwards.append(partial(self._published, topics, new, len(written) - new))

    def _published(self, topics: set[str], count: int, known: int) -> None:
        observe_bus("published", "", count)
        observe_bus("deduplicated", "", known)
        if self._relay is not None:
            self._relay.wake()
            return
        with self._lock:
            listeners = [
                consumer
                for consumer in self._consumers
                if any(matches(self._patterns[consumer.group], topic) for topic in topics)
            ]
        for consumer in listeners:
            consumer.wake()

    def _tell(self, drafts: Sequence[Draft], tx: Transaction | None) -> list[str]:
        """Give messages to those who listen here, without keeping them."""
        messages = [self._told(*draft) for draft in drafts]
        for topic, of_topic in itertools.groupby(messages, attrgetter("topic")):
            hand_over = partial(self._hand_over, topic, list(of_topic))
            if tx is None:
                hand_over()
            else:
                tx.afterwards.append(hand_over)
        return [message.id for message in messages]

    def _told(
        self,
        topic: str,
        body: object,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Message:
        if topic not in self._routes:  # whose topics were looked at
            check_topic(topic)
        if topic in self._models:
            self._check(topic, body)
        check_body(body)
        if headers:
            write_headers(headers)
        if message_id is None:
            message_id = f"{self._name}-{next(self._count)}"
        else:
            check_id(message_id)
        return Message(message_id, topic, body, headers or {}, time.time(), 1)

    def _hand_over(self, topic: str, messages: Sequence[Message]) -> None:
        observe_bus("published", "", len(messages))
        route = self._routes.get(topic)
        for turn in self._route(topic) if route is None else route:
            next(turn).tell(messages)

    def _route(self, topic: str) -> list[Iterator[Consumer]]:
        """Find those who read a topic; without any, the answer is remembered as well."""
        with self._lock:
            groups = dict.fromkeys(
                one.group for one in self._consumers if matches(self._patterns[one.group], topic)
            )
            found: list[Iterator[Consumer]] = [
                itertools.cycle([one for one in self._consumers if one.group == group])
                for group in groups
            ]
            if len(self._routes) > MOST_ROUTES:
                self._routes = {}
            self._routes[topic] = found
        return found

    def declare(self, topic: str, model: type[BaseModel]) -> None:
        """Publish to and deliver from this topic only what the model takes."""
        check_topic(topic)
        self._models[topic] = model

    def _check(self, topic: str, body: object) -> None:
        model = self._models.get(topic)
        if model is not None:
            try:
                model.model_validate(body)
            except ValidationError as error:
                said = sentence_of(error.errors(include_url=False))
                raise InvalidInput(f"a message to {topic!r}: {said}") from None

    # ------------------------------------------------------------------ out

    def subscribe(self, pattern: str, group: str, handler: Handler) -> Consumer:
        """Handle the messages of a topic or pattern in a thread."""
        check_pattern(pattern)
        check_group(group)
        consumer = Consumer(self._ledger, group, handler, self._check, self.tidy, self._left)
        with self._lock:
            first = group not in self._patterns
            if self._patterns.setdefault(group, pattern) != pattern:
                raise InvalidInput(
                    f"group {group!r} reads {self._patterns[group]!r} here already; "
                    f"choose another group for {pattern!r}."
                )
        try:
            if first:
                self._ledger.join(group, pattern, fed=self._relay is not None)
                if self._relay is not None:
                    self._relay.listen(group, pattern, partial(self._arrived, group))
        except BaseException:
            with self._lock:
                del self._patterns[group]
            raise
        with self._lock:
            self._consumers.append(consumer)
            self._routes = {}
        consumer.start()
        return consumer

    def _arrived(self, group: str) -> None:
        for consumer in list(self._consumers):
            if consumer.group == group:
                consumer.wake()

    def _left(self, consumer: Consumer) -> None:
        with self._lock:
            if consumer not in self._consumers:
                return
            self._consumers.remove(consumer)
            self._routes = {}
            last = all(other.group != consumer.group for other in self._consumers)
            if last:
                del self._patterns[consumer.group]
        if last and self._relay is not None:
            self._relay.leave(consumer.group)

    # ------------------------------------------------------------------ looking after it

    def dead_letters(
        self, group: str | None = None, limit: int = 100, topic: str | None = None
    ) -> list[DeadLetter]:
        """List what could not be handled, the oldest first."""
        return self._ledger.dead_letters(group, limit, topic)

    def redrive(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Deliver dead letters again, with all their tries."""
        count = self._ledger.redrive(group, message_ids, topic)
        for consumer in list(self._consumers):
            consumer.wake()
        return count

    def discard(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Put dead letters away."""
        return self._ledger.discard(group, message_ids, topic)

    def restore(self, group: str | None = None, message_ids: Sequence[str] | None = None) -> int:
        """Take a discard back."""
        return self._ledger.restore(group, message_ids)

    def groups(self) -> list[GroupState]:
        """Tell of every group how far it is."""
        return self._ledger.groups()

    def forget(self, group: str) -> None:
        """Drop a group that nobody reads any more."""
        self._ledger.forget(group)

    def outbox_age_s(self) -> float:
        """Tell how old the oldest message is that has not reached the broker; 0 for none."""
        return self._ledger.outbox_age_s()

    def check(self) -> None:
        """Raise ``Unavailable`` where database or broker do not answer."""
        self._ledger.database.check()
        if self._relay is not None:
            self._relay.link.check()

    def _gauges(self) -> Gauges:
        waiting = {state.group: state.waiting for state in self._ledger.groups()}
        return Gauges(
            bus_waiting=waiting,
            bus_connected=not self.problem,
            outbox_age_s=self._ledger.outbox_age_s(),
        )

    @property
    def problem(self) -> str:
        """What keeps messages from the broker now, in one sentence; empty for nothing."""
        return "" if self._relay is None else self._relay.link.problem

    @property
    def brokered(self) -> bool:
        """Whether a broker carries what is published."""
        return self._relay is not None

    def tidy(self) -> None:
        """Forget old messages, every so often; called whenever there is nothing else to do."""
        if time.monotonic() > self._prune_at:
            now = time.time()
            pruned = self._ledger.prune(now - self._keep_s, now - min(self._keep_s, DAY_S))
            self._prune_at = time.monotonic() + (PRUNE_S if not pruned else 0)

    def close(self) -> None:
        """Stop all consumers, and the way to the broker."""
        self._forget_gauges()
        for consumer in list(self._consumers):
            consumer.close()
        if self._relay is not None:
            self._relay.close()
