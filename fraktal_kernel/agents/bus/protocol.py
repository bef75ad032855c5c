"""What every bus can do, whatever carries its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from fraktal_kernel.agents.bus.message import Draft, Message
from fraktal_kernel.core.database import Transaction

Handler = Callable[[Message], object]


class GiveBack(Exception):
    """A handler raises it for a message that it could not even begin: nothing was tried."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a group could not handle; it waits for a person."""

    group: str
    message: Message
    #: why, in the words of the last try
    error: str
    #: when the bus gave up, in seconds since 1970
    died_at: float


@dataclass(frozen=True, slots=True)
class GroupState:
    """How far one group is."""

    group: str
    pattern: str
    #: messages that nobody of the group has handled yet, those in work included
    waiting: int
    #: dead letters
    dead: int


class Subscription(Protocol):
    """One consumer of one group."""

    def close(self) -> None:
        """Stop after the message in work; what was not begun goes to the others, or waits."""


class Bus(Protocol):
    """Carries messages from those who publish to every group that subscribed, at least once."""

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
        """Publish one message; it is safe once this returns.

        Parameters
        ----------
        topic : such as ``agents.state``
        body : any JSON value, or a pydantic model
        message_id : a second message of the same id is dropped; a new one by default
        headers : texts by name
        durable : False to reach only those who listen in this process now, tried once and kept
            nowhere: for what is old a moment later, such as progress
        tx : an open transaction of the workbench's database; the message is published when, and
            only if, that is committed

        Returns
        -------
        message_id

        Raises
        ------
        InvalidInput
            a topic, body, id or header that cannot be carried; nothing is published
        Unavailable
            the database does not take it, or a listener is too far behind
        """

    def publish_many(
        self, drafts: Sequence[Draft], *, durable: bool = True, tx: Transaction | None = None
    ) -> list[str]:
        """Publish all of these or, where one is at fault, none; much faster than one by one."""

    def declare(self, topic: str, model: type[BaseModel]) -> None:
        """Publish to and deliver from this topic only what the model takes."""

    def subscribe(self, pattern: str, group: str, handler: Handler) -> Subscription:
        """Handle the messages of a topic, or of a pattern such as ``jobs.*``, in a thread.

        A new group begins with what is published from now on; a known one goes on where it
        stopped. Each message goes to one consumer of every group. A handler that returns has
        handled it. After one that raises, or that takes longer than the lease, it is delivered
        again, later each time, and is a dead letter in the end; after ``InvalidInput``, at once.

        Raises
        ------
        InvalidInput
            a pattern or group that is none, or another pattern than this group has here
        Unavailable
            the broker does not answer
        """

    def dead_letters(
        self, group: str | None = None, limit: int = 100, topic: str | None = None
    ) -> list[DeadLetter]:
        """List what could not be handled, the oldest first."""

    def redrive(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Deliver dead letters again, with all their tries; returns how many.

        Parameters
        ----------
        group, message_ids, topic : only those of this group, with these ids, of this topic or
            pattern; None for all
        """

    def discard(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Put dead letters away, chosen as by :meth:`redrive`; returns how many."""

    def restore(self, group: str | None = None, message_ids: Sequence[str] | None = None) -> int:
        """Take a discard back, as long as the messages are kept; returns how many."""

    def groups(self) -> list[GroupState]:
        """Tell of every group how far it is."""

    def forget(self, group: str) -> None:
        """Drop a group that nobody reads any more, with its dead letters.

        Raises
        ------
        NotFound
            there is no such group
        """

    def check(self) -> None:
        """Raise :class:`~fraktal_kernel.errors.Unavailable` where the bus does not answer."""

    def close(self) -> None:
        """Stop all consumers; what was published stays."""
