"""The bus as one person uses it: ``wb.bus``, here or on a server.

Everybody sees their own: the events of their jobs and agents, and what they have published.
What other programs and workbenches put into a broker has no owner here; administrators see it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Event as Signal
from typing import Any, Protocol

from pydantic import BaseModel

from fraktal_kernel.agents.bus.house import House, house_of
from fraktal_kernel.agents.bus.message import Message, check_group, check_id, check_pattern
from fraktal_kernel.agents.bus.protocol import DeadLetter, Handler, Subscription
from fraktal_kernel.agents.bus.upkeep import OTHERS, message_of
from fraktal_kernel.core.security import Principal
from fraktal_kernel.core.topics import topic_condition
from fraktal_kernel.core.values import LISTED_MAX, checked_limit
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import InvalidInput

#: Topics below these tell what the workbench did; nobody else may say so in its name.
OWN = {"jobs", "agents", "approvals", "plans", "alerts", "chat", "bus", "models"}
STAMPS = {"origin", "owner"}
#: So many of the newest messages are looked through for the topics that there are.
NEWEST = 10_000
TAIL_S = 0.25


class MessageView(BaseModel):
    """A message, as others see it."""

    id: str
    topic: str
    body: Any
    headers: dict[str, str]
    #: seconds since 1970
    time: float
    attempt: int = 1


class TopicView(BaseModel):
    """A topic of the newest messages."""

    topic: str
    messages: int
    last: datetime


class GroupView(BaseModel):
    """How far a group is."""

    group: str
    pattern: str
    waiting: int
    dead: int


class LetterView(BaseModel):
    """A message that a group could not handle."""

    group: str
    message: MessageView
    error: str
    died_at: datetime


class BusState(BaseModel):
    """How the bus stands."""

    engine: str
    connected: bool
    problem: str
    outbox_age_s: float
    groups: list[GroupView]


class UserBus(Protocol):
    """One person's bus, here or on a server; bad input is refused as by :class:`~.Bus`."""

    def state(self) -> BusState:
        """Tell what carries messages, whether it does now, and how far one's groups are."""

    def topics(self) -> list[TopicView]:
        """List the topics of the newest messages that one may see."""

    def publish(
        self,
        topic: str,
        body: Any,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Publish one message and return its id; it is safe once this returns.

        Raises
        ------
        InvalidInput
            also for topics in which the workbench speaks of itself, such as ``jobs.state``
        """

    def subscribe(self, pattern: str, group: str, handler: Handler) -> Subscription:
        """Handle the messages of a topic or pattern in a thread, until it is closed."""

    def tail(self, pattern: str = "*", stop: Signal | None = None) -> Iterator[MessageView]:
        """Yield what is published from now on, without being a group."""

    def dead_letters(
        self, group: str | None = None, limit: int = 100, topic: str | None = None
    ) -> list[LetterView]:
        """List what one's groups could not handle, the oldest first."""

    def redrive(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Deliver dead letters again; returns how many.

        Parameters
        ----------
        topic : only those of this topic or pattern, such as ``orders.*``
        """

    def discard(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Put dead letters away; returns how many."""

    def restore(self, group: str | None = None, message_ids: Sequence[str] | None = None) -> int:
        """Take a discard back, as long as the messages are kept; returns how many."""

    def forget(self, group: str) -> None:
        """Drop a group that nobody reads any more."""


def seen(message: Message) -> MessageView:
    """Make what others see of a message."""
    return MessageView(**message._asdict())


class LocalBus:
    """One person's bus where the database is at hand; see :class:`UserBus`."""

    def __init__(self, house: House, who: Principal) -> None:
        self._house = house
        self._who = who
        self._prefix = "" if who.user_id == house.local_id else f"u{who.user_id}-"

    def state(self) -> BusState:
        """Tell how the bus stands."""
        bus = self._house.bus
        problem = bus.problem
        return BusState(
            engine=self._house.engine,
            connected=not problem,
            problem=problem,
            outbox_age_s=bus.outbox_age_s(),
            groups=self._groups(),
        )

    def _groups(self) -> list[GroupView]:
        return [
            GroupView(group=name, pattern=state.pattern, waiting=state.waiting, dead=state.dead)
            for state in self._house.bus.groups()
            if (name := self._own_name(state.group)) is not None
        ]

    def _own_name(self, group: str) -> str | None:
        if self._prefix:
            return group.removeprefix(self._prefix) if group.startswith(self._prefix) else None
        return None if OTHERS.match(group) else group

    def _named(self, group: str) -> str:
        check_group(group)
        if not self._prefix and OTHERS.match(group):
            raise InvalidInput(
                f"group: given {group[:80]!r}; names such as 'u7-' begin those of other people."
            )
        check_group(self._prefix + group)
        return self._prefix + group

    def _sees(self, headers: Mapping[str, str]) -> bool:
        if headers.get("origin") == self._house.origin:
            return headers.get("owner") == str(self._who.user_id)
        return self._who.is_admin

    def topics(self) -> list[TopicView]:
        """List topics, by name."""
        counts: Counter[str] = Counter()
        last: dict[str, float] = {}
        for message in self._newest():
            counts[message.topic] += 1
            last[message.topic] = max(message.time, last.get(message.topic, 0.0))
        return [
            TopicView(topic=name, messages=counts[name], last=datetime.fromtimestamp(at, UTC))
            for name, at in sorted(last.items())
        ]

    def _newest(self) -> list[Message]:
        with self._house.database.read() as tx:
            rows = tx.rows(
                "SELECT seq, id, topic, 'null', headers, created_at FROM bus_message"
                " ORDER BY seq DESC LIMIT :count",
                {"count": NEWEST},
            )
        found = [message_of(row, 1) for row in rows]
        return [message for message in found if self._sees(message.headers)]

    def publish(
        self,
        topic: str,
        body: Any,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Publish one message."""
        if isinstance(topic, str) and topic.partition(".")[0] in OWN:
            raise InvalidInput(
                f"topic: {topic[:80]!r} is the workbench's own to speak of; choose one whose "
                f"first word is none of {', '.join(sorted(OWN))}."
            )
        if taken := STAMPS & set(headers or ()):
            raise InvalidInput(
                f"headers: {min(taken)!r} says who published, which the bus writes itself; "
                "leave it out."
            )
        if message_id is not None:
            check_id(message_id)
            if message_id.startswith("event-"):
                raise InvalidInput("message_id: 'event-' begins those of events; choose another.")
            message_id = self._prefix + message_id
        stamps = {"origin": self._house.origin, "owner": str(self._who.user_id)}
        told = {**headers, **stamps} if headers else stamps
        return self._house.bus.publish(topic, body, message_id=message_id, headers=told)

    def subscribe(self, pattern: str, group: str, handler: Handler) -> Subscription:
        """Handle messages in a thread; what is somebody else's passes by."""

        def mine(message: Message) -> None:
            if self._sees(message.headers):
                handler(message)

        check_pattern(pattern)
        return self._house.bus.subscribe(pattern, self._named(group), mine)

    def page(
        self, pattern: str = "*", after: int | None = None, limit: int = 100
    ) -> tuple[list[MessageView], int]:
        """Read messages behind a number, oldest first; and the number to go on behind.

        Parameters
        ----------
        after : None for no messages, only the number of the newest
        """
        check_pattern(pattern)
        checked_limit(limit)
        self._house.carrier.look(pattern)
        condition, words = topic_condition(pattern)
        with self._house.database.read() as tx:
            row = tx.row("SELECT COALESCE(MAX(seq), 0) FROM bus_message")
            last = int(row[0]) if row else 0
            if after is None:
                return [], last
            rows = tx.rows(
                "SELECT seq, id, topic, body, headers, created_at FROM bus_message"
                f" WHERE seq > :after AND {condition} ORDER BY seq LIMIT :limit",
                {"after": after, "limit": limit, **words},
            )
        messages = [message_of(row, 1) for row in rows]
        end = rows[-1][0] if len(rows) == limit else max(last, after)
        return [seen(one) for one in messages if self._sees(one.headers)], end

    def tail(self, pattern: str = "*", stop: Signal | None = None) -> Iterator[MessageView]:
        """Yield what is published from now on."""
        return follow(self, pattern, stop)

    def dead_letters(
        self, group: str | None = None, limit: int = 100, topic: str | None = None
    ) -> list[LetterView]:
        """List dead letters."""
        _check_chosen(topic)
        checked_limit(limit)
        names = [one.group for one in self._groups() if one.dead] if group is None else [group]
        found: list[tuple[str, DeadLetter]] = []
        for name in names:
            letters = self._house.bus.dead_letters(self._named(name), limit, topic)
            found += [(name, one) for one in letters if self._sees(one.message.headers)]
        found.sort(key=lambda pair: pair[1].died_at)
        return [
            LetterView(
                group=name,
                message=seen(letter.message),
                error=letter.error,
                died_at=datetime.fromtimestamp(letter.died_at, UTC),
            )
            for name, letter in found[:limit]
        ]

    def redrive(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Deliver dead letters again."""
        _check_chosen(topic)
        redrive = self._house.bus.redrive
        return sum(redrive(name, message_ids, topic) for name in self._meant(group))

    def discard(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Put dead letters away."""
        _check_chosen(topic)
        discard = self._house.bus.discard
        return sum(discard(name, message_ids, topic) for name in self._meant(group))

    def restore(self, group: str | None = None, message_ids: Sequence[str] | None = None) -> int:
        """Take a discard back."""
        return sum(self._house.bus.restore(name, message_ids) for name in self._meant(group))

    def _meant(self, group: str | None) -> list[str]:
        """Give the groups that somebody means, as the bus names them."""
        names = [one.group for one in self._groups()] if group is None else [group]
        return [self._named(name) for name in names]

    def forget(self, group: str) -> None:
        """Drop a group."""
        self._house.bus.forget(self._named(group))


def _check_chosen(topic: str | None) -> None:
    if topic is not None:
        check_pattern(topic)


class Pages(Protocol):
    """What :func:`follow` reads."""

    def page(
        self, pattern: str = "*", after: int | None = None, limit: int = 100
    ) -> tuple[list[MessageView], int]:
        """Read messages behind a number, and the number to go on behind."""


def follow(pages: Pages, pattern: str, stop: Signal | None) -> Iterator[MessageView]:
    """Yield messages as they come, from now on; what is wrong with the pattern is said now."""
    stop = stop or Signal()
    _, after = pages.page(pattern)

    def go_on() -> Iterator[MessageView]:
        nonlocal after
        while not stop.is_set():
            found, after = pages.page(pattern, after, LISTED_MAX)
            yield from found
            if not found:
                stop.wait(TAIL_S)

    return go_on()


def bus_of(workbench: Workbench) -> UserBus:
    """Return the bus of a workbench's user."""
    from fraktal_kernel.core.remote import RemoteWorkbench

    if isinstance(workbench, RemoteWorkbench):
        from fraktal_kernel.agents.bus.remote import RemoteBus

        return RemoteBus(workbench)
    from fraktal_kernel.core.local import LocalWorkbench

    assert isinstance(workbench, LocalWorkbench)
    return LocalBus(house_of(workbench.engine), workbench.user)
