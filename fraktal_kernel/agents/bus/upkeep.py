"""Looking after the bus: what waits and what is dead, deliver it again, forget it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fraktal_kernel.agents.bus.message import Message
from fraktal_kernel.agents.bus.protocol import DeadLetter, GroupState
from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.topics import topic_condition
from fraktal_kernel.errors import NotFound

#: Whose a group is that is not the workbench's own user's.
OTHERS = re.compile(r"u(\d+)-")
#: A dead letter that nobody has put away.
DEAD = "dead_at IS NOT NULL AND discarded_at IS NULL"


def among(tx: Transaction, seqs: Sequence[int]) -> tuple[str, object]:
    """Say ``in this list`` so that the statement is the same whatever is in the list."""
    if tx.sqlite:
        return "IN (SELECT value FROM json_each(:seqs))", json.dumps(seqs)
    return "= ANY(:seqs)", list(seqs)


def message_of(row: Sequence[Any], attempt: int) -> Message:
    """Make a message of a row: its number, id, topic, body, headers and time."""
    _, name, topic, body, headers, at = row
    return Message(name, topic, json.loads(body), json.loads(headers), at, attempt)


class Upkeep:
    """What a person does with the bus's tables; needs no broker and no running bus.

    Parameters
    ----------
    events : where the fate of dead letters is told, for those who watch
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        events: Events | None = None,
    ) -> None:
        self.database = database
        self._clock = clock
        self._events = events or Events(database)

    def groups(self) -> list[GroupState]:
        """Count what waits and what is dead, of every group."""
        states = []
        with self.database.read() as tx:
            for name, pattern, fed, position in tx.rows(
                "SELECT name, pattern, fed, position FROM bus_group ORDER BY name"
            ):
                if "." in name:  # no group: the workbench's own note
                    continue
                condition, words = topic_condition(pattern)
                values = {"group": name, "position": position, **words}
                waiting, dead = tx.rows(
                    f"SELECT COUNT(due_at), COUNT(CASE WHEN {DEAD} THEN 1 END) FROM bus_delivery"
                    " WHERE group_name = :group AND (due_at IS NOT NULL OR dead_at IS NOT NULL)",
                    values,
                )[0]
                if not fed:
                    waiting += tx.rows(
                        "SELECT COUNT(*) FROM bus_message m WHERE seq > :position"
                        f" AND {condition} AND NOT EXISTS (SELECT 1 FROM bus_delivery"
                        " WHERE group_name = :group AND seq = m.seq)",
                        values,
                    )[0][0]
                states.append(GroupState(name, pattern, waiting, dead))
        return states

    def dead_letters(
        self, group: str | None = None, limit: int = 100, topic: str | None = None
    ) -> list[DeadLetter]:
        """List dead letters, the oldest first."""
        which = "" if group is None else " AND group_name = :group"
        condition, words = topic_condition(topic or "*")
        with self.database.read() as tx:
            rows = tx.rows(
                "SELECT d.group_name, d.error, d.dead_at, d.attempts, m.seq, m.id, m.topic,"
                " m.body, m.headers, m.created_at"
                " FROM bus_delivery d JOIN bus_message m ON m.seq = d.seq"
                f" WHERE {DEAD}{which} AND {condition} ORDER BY d.dead_at, d.seq"
                " LIMIT :limit",
                {"group": group, "limit": limit, **words},
            )
        return [DeadLetter(row[0], message_of(row[4:], row[3]), row[1], row[2]) for row in rows]

    def redrive(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Make dead letters due again, as if never tried."""
        again = "due_at = :now, dead_at = NULL, error = NULL, attempts = 0"
        return self._change("redriven", again, DEAD, group, message_ids, topic)

    def discard(
        self,
        group: str | None = None,
        message_ids: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> int:
        """Put dead letters away; they can be restored as long as their messages are kept."""
        return self._change("discarded", "discarded_at = :now", DEAD, group, message_ids, topic)

    def restore(self, group: str | None = None, message_ids: Sequence[str] | None = None) -> int:
        """Take back that dead letters were put away."""
        which = "discarded_at IS NOT NULL"
        return self._change("restored", "discarded_at = NULL", which, group, message_ids, None)

    def _change(
        self,
        what: str,
        change: str,
        which: str,
        group: str | None,
        message_ids: Sequence[str] | None,
        topic: str | None,
    ) -> int:
        """Change the letters that all of these choose, and tell of it; returns how many."""
        values: dict[str, object] = {"group": group, "now": self._clock()}
        if group is not None:
            which += " AND group_name = :group"
        if topic is not None:
            condition, words = topic_condition(topic)
            which += f" AND seq IN (SELECT seq FROM bus_message WHERE {condition})"
            values |= words
        of_id = " AND seq = (SELECT seq FROM bus_message WHERE id = :id)"
        changed: list[str] = []
        with self.database.write() as tx:
            for message_id in [None] if message_ids is None else message_ids:
                rows = tx.rows(
                    f"UPDATE bus_delivery SET {change} WHERE {which}"
                    f"{'' if message_id is None else of_id} RETURNING group_name",
                    values | {"id": message_id},
                )
                changed += [row[0] for row in rows]
            self._tell(tx, what, changed)
        return len(changed)

    def _tell(self, tx: Transaction, what: str, groups: Iterable[str]) -> None:
        """Tell those who watch what became of dead letters, once for each group."""
        for group, count in Counter(groups).items():
            row = tx.row("SELECT owner_id FROM bus_group WHERE name = :group", {"group": group})
            others = OTHERS.match(group)
            owner_id = int(others[1]) if others else int(row[0]) if row else 0
            subject = group[others.end() :] if others else group
            told = {"what": what, "count": count}
            self._events.append(tx, "bus.letters", subject, owner_id, told)

    def prune(self, before: float, copies_before: float | None = None) -> int:
        """Forget messages older than a time that every group has handled; returns how many.

        Parameters
        ----------
        copies_before : the same for copies of events, which the table of events keeps as well
        """
        old = (
            "SELECT seq FROM bus_message m WHERE relay_at IS NULL AND (created_at < :before"
            " OR (id >= 'event-' AND id < 'event.' AND created_at < :copies))"
            " AND seq < (SELECT MAX(seq) FROM bus_message)"
            " AND NOT EXISTS (SELECT 1 FROM bus_group WHERE NOT fed AND position < m.seq)"
            " AND NOT EXISTS (SELECT 1 FROM bus_delivery d WHERE d.seq = m.seq"
            f" AND (due_at IS NOT NULL OR {DEAD}))"
        )
        times = {"before": before, "copies": before if copies_before is None else copies_before}
        with self.database.write() as tx:
            seqs = [row[0] for row in tx.rows(f"{old} LIMIT 10000", times)]
            if not seqs:
                return 0
            which, listed = among(tx, seqs)
            tx.execute(f"DELETE FROM bus_delivery WHERE seq {which}", {"seqs": listed})
            return tx.execute(f"DELETE FROM bus_message WHERE seq {which}", {"seqs": listed})

    def forget(self, group: str) -> None:
        """Drop a group and its deliveries."""
        with self.database.write() as tx:
            values = {"group": group}
            dead = tx.rows(
                f"SELECT 1 FROM bus_delivery WHERE group_name = :group AND {DEAD}", values
            )
            self._tell(tx, "forgotten", [group] * len(dead))
            tx.execute("DELETE FROM bus_delivery WHERE group_name = :group", values)
            if not tx.execute("DELETE FROM bus_group WHERE name = :group", values):
                raise NotFound(f"no group named {group!r}; fraktal bus show lists them.")

    def outbox_age_s(self) -> float:
        """Tell how old the oldest message is that has not reached the broker; 0 for none."""
        with self.database.read() as tx:
            row = tx.row("SELECT MIN(created_at) FROM bus_message WHERE relay_at IS NOT NULL")
        return 0.0 if not row or row[0] is None else max(0.0, self._clock() - row[0])
