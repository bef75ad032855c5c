"""What happened, in one order that everybody sees: an append-only table with a sequence.

An event is written in the transaction of the change it tells of. Readers go by sequence
number, so one that was away reads on where it stopped and misses nothing.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.monitoring.metrics import observe_event
from fraktal_kernel.core.topics import EventView, topic_condition

INSERT = (
    "INSERT INTO event(time, topic, subject, owner_id, payload) "
    "VALUES(:time, :topic, :subject, :owner_id, :payload)"
)
PAGE = 500
#: The owner of an event that tells of nobody's own things, such as the list of language models.
EVERYBODY = 0
#: Other servers may write to the same PostgreSQL; nobody wakes us for their events.
POLL_S = 0.5


def _written(topic: str, payload: dict[str, Any]) -> str:
    """Write a payload as JSON; the few that tell of states come thousands of times a second."""
    if topic != "jobs.state" or "error" in payload:
        return json.dumps(payload)
    return _state_written(tuple(payload.items()))


@lru_cache(maxsize=1000)
def _state_written(items: tuple[tuple[str, Any], ...]) -> str:
    return json.dumps(dict(items))


class Events:
    """The table of events, and the news that something was added to it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news = threading.Condition()
        self._version = 0
        self._sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False

    def append(
        self, tx: Transaction, topic: str, subject: str, owner_id: int, payload: dict[str, Any]
    ) -> None:
        """Add one event in an open transaction; after the commit all who wait are woken."""
        if not tx.topics:
            tx.afterwards.append(partial(self._published, tx.topics))
        tx.topics.append(topic)
        tx.execute(
            INSERT,
            {
                "time": time.time(),
                "topic": topic,
                "subject": subject,
                "owner_id": owner_id,
                "payload": _written(topic, payload),
            },
        )

    def _published(self, topics: list[str]) -> None:
        for topic, count in Counter(topics).items():
            observe_event(topic, count)
        self.announce()

    def announce(self) -> None:
        """Wake everybody who waits for events."""
        with self._news:
            self._version += 1
            self._news.notify_all()
            sleepers = list(self._sleepers)
        for loop, sleeper in sleepers:
            try:
                loop.call_soon_threadsafe(sleeper.set)
            except RuntimeError:  # that loop is closed, and its reader with it
                with self._news:
                    self._sleepers.discard((loop, sleeper))

    def close(self) -> None:
        """Let every follower end."""
        self._closed = True
        self.announce()

    def last(self) -> int:
        """Return the newest sequence number, 0 before the first event."""
        with self._database.read() as tx:
            row = tx.row("SELECT COALESCE(MAX(seq), 0) FROM event")
        return int(row[0]) if row else 0

    def page(
        self,
        after: int = 0,
        topics: str | Sequence[str] = "*",
        owner_id: int | None = None,
        subject: str | None = None,
        limit: int = PAGE,
    ) -> list[EventView]:
        """Read the events behind a sequence number, oldest first.

        Parameters
        ----------
        after : read what has a greater sequence number
        topics : a topic or a pattern such as ``jobs.*``, or several
        owner_id : only this owner's and those that are everybody's, None for all
        subject : only of this subject, such as a job's number
        limit : at most so many
        """
        condition, values = topic_condition(topics)
        sql = "SELECT seq, time, topic, subject, payload FROM event WHERE seq > :after AND "
        sql += condition
        if owner_id is not None:
            sql += f" AND owner_id IN (:owner_id, {EVERYBODY})"
        if subject is not None:
            sql += " AND subject = :subject"
        with self._database.read() as tx:
            rows = tx.rows(
                sql + " ORDER BY seq LIMIT :limit",
                {
                    "after": after,
                    "owner_id": owner_id,
                    "subject": subject,
                    "limit": limit,
                    **values,
                },
            )
        return [
            EventView(
                seq=seq,
                time=datetime.fromtimestamp(at, UTC),
                topic=topic,
                subject=about,
                payload=json.loads(payload),
            )
            for seq, at, topic, about, payload in rows
        ]

    def follow(
        self,
        after: int | None = None,
        topics: str | Sequence[str] = "*",
        owner_id: int | None = None,
        subject: str | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[EventView]:
        """Yield events as they happen, beginning behind ``after`` (None: from this call on)."""
        topic_condition(topics)
        return self._follow(self._begin(after), topics, owner_id, subject, stop)

    def _begin(self, after: int | None) -> int:
        """Choose where a reader begins.

        One who is ahead of us has read what a restored backup or a power cut took away; to wait
        until the numbers have caught up would be to miss what happens until then.
        """
        last = self.last()
        return last if after is None else min(after, last)

    def _follow(
        self,
        after: int,
        topics: str | Sequence[str],
        owner_id: int | None,
        subject: str | None,
        stop: threading.Event | None,
    ) -> Iterator[EventView]:
        while not (self._closed or (stop and stop.is_set())):
            version = self._version
            found = self.page(after, topics, owner_id, subject)
            for event in found:
                after = event.seq
                yield event
            if not found:
                self.wait(version)

    @property
    def version(self) -> int:
        """Grows with every announcement; see :meth:`wait`."""
        return self._version

    def wait(self, version: int) -> None:
        """Wait for news since a version, for half a second at most."""
        with self._news:
            if self._version == version:
                self._news.wait(POLL_S)

    async def pages(
        self,
        after: int | None = None,
        topics: str | Sequence[str] = "*",
        owner_id: int | None = None,
        subject: str | None = None,
    ) -> AsyncIterator[list[EventView]]:
        """Yield pages of events as they happen; an empty page every few seconds of silence.

        The empty pages let a server find out that its client is gone.
        """
        topic_condition(topics)
        sleeper = asyncio.Event()
        entry = (asyncio.get_running_loop(), sleeper)
        with self._news:
            self._sleepers.add(entry)
        silent_s = 0.0
        try:
            after = await asyncio.to_thread(self._begin, after)
            while not self._closed:
                sleeper.clear()
                found = await asyncio.to_thread(self.page, after, topics, owner_id, subject)
                if found:
                    after = found[-1].seq
                    silent_s = 0.0
                    yield found
                    continue
                try:
                    await asyncio.wait_for(sleeper.wait(), POLL_S)
                except TimeoutError:
                    silent_s += POLL_S
                    if silent_s >= 5:
                        silent_s = 0.0
                        yield []
        finally:
            with self._news:
                self._sleepers.discard(entry)

    def prune(self, before: float) -> int:
        """Forget events older than a time in seconds since 1970; returns how many.

        The newest always stays, so that no sequence number is ever given twice.
        """
        with self._database.write() as tx:
            return tx.execute(
                "DELETE FROM event WHERE time < :before AND seq < (SELECT MAX(seq) FROM event)",
                {"before": before},
            )


__all__ = ["EventView", "Events", "topic_condition"]
