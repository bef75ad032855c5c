"""What the bus keeps: messages in one order, how far each group is, and who has what.

A group reads the order of messages from its position on. What it takes gets a delivery, a row
with a lease; handled, the row goes, and after a failure or a lost consumer it is due again.
Where a broker brings the messages (the group is *fed*), its copies become deliveries directly,
and the rows of what was handled stay, so that a second copy is recognised.
"""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from fraktal_kernel.agents.bus.message import Message, Written, write_body
from fraktal_kernel.agents.bus.upkeep import Upkeep, among, message_of
from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.topics import topic_condition

#: Failed so often, a message is a dead letter.
MOST_ATTEMPTS = 5
MAX_DELAY_S = 60.0
#: How far behind what it has seen a group's position may stay.
SLACK = 10_000
LOST = "its consumer was lost, or took longer than the lease"
UNREADABLE = "bus.unreadable"
_ROWS = 50
_COLUMNS = ("id", "owner_id", "topic", "body", "headers", "created_at", "relay_at")
_READ = "SELECT seq, id, topic, body, headers, created_at FROM bus_message WHERE seq "


class Claimed(NamedTuple):
    """A message in the hands of one consumer."""

    seq: int
    message: Message


class Failed(NamedTuple):
    """A delivery that went wrong."""

    seq: int
    attempt: int
    error: str
    #: whether another try can help
    again: bool = True


class Unsent(NamedTuple):
    """A message that has not reached the broker."""

    seq: int
    message: Written
    time: float


@cache
def _insert(count: int) -> str:
    rows = ", ".join(
        "(" + ", ".join(f":{name}{number}" for name in _COLUMNS) + ")" for number in range(count)
    )
    names = ", ".join(_COLUMNS)
    return f"INSERT INTO bus_message({names}) VALUES {rows} ON CONFLICT(id) DO NOTHING"


class Ledger(Upkeep):
    """The bus's tables.

    Parameters
    ----------
    owner_id : whose all that is written here is
    lease_s : how long a consumer may have a message
    retry_delay_s : before the first new try; doubles with each, up to a minute
    clock : tells the time in seconds since 1970
    """

    def __init__(
        self,
        database: Database,
        owner_id: int,
        lease_s: float = 15.0,
        retry_delay_s: float = 1.0,
        clock: Callable[[], float] = time.time,
        events: Events | None = None,
    ) -> None:
        super().__init__(database, clock, events)
        self.lease_s = lease_s
        self._owner_id = owner_id
        self._retry_delay_s = retry_delay_s
        self._seen: dict[str, int] = {}

    # ------------------------------------------------------------------ in

    def add(
        self,
        tx: Transaction,
        messages: Sequence[Written],
        relay: bool = False,
        time_s: float | None = None,
    ) -> int:
        """Write messages down, but for those whose id is known; returns how many were new.

        Parameters
        ----------
        relay : whether they are to be sent to a broker as well
        """
        now = self._clock() if time_s is None else time_s
        new = 0
        for begin in range(0, len(messages), _ROWS):
            part = messages[begin : begin + _ROWS]
            values: dict[str, object] = {}
            for number, message in enumerate(part):
                row = (message.id, self._owner_id, *message[1:], now, now if relay else None)
                for name, value in zip(_COLUMNS, row, strict=True):
                    values[f"{name}{number}"] = value
            new += tx.execute(_insert(len(part)), values)
        return new

    def take(self, group: str, messages: Sequence[tuple[Written, float]]) -> int:
        """Write down what a broker brought for a group; returns how many were new to it."""
        new = 0
        with self.database.write() as tx:
            for message, time_s in messages:
                self.add(tx, [message], time_s=time_s)
                # What lies at or below the position was read in the days before the broker.
                new += tx.execute(
                    "INSERT INTO bus_delivery(group_name, seq, owner_id, attempts, due_at)"
                    " SELECT g.name, m.seq, :owner, 0, :now FROM bus_message m, bus_group g"
                    " WHERE m.id = :id AND g.name = :group AND m.seq > g.position"
                    " ON CONFLICT DO NOTHING",
                    self._values(group, id=message.id),
                )
        return new

    def bury(self, group: str, data: bytes, why: str) -> None:
        """Keep what a broker brought and nobody can read, as a dead letter."""
        digest = hashlib.sha256(data).hexdigest()
        shown = {"bytes": len(data), "base64": base64.b64encode(data[:65_536]).decode()}
        letter = Written(f"unreadable-{digest}", UNREADABLE, write_body(shown), "{}")
        with self.database.write() as tx:
            self.add(tx, [letter])
            new = tx.execute(
                "INSERT INTO bus_delivery(group_name, seq, owner_id, attempts, dead_at, error)"
                " SELECT g.name, m.seq, :owner, 1, :now, :error FROM bus_message m, bus_group g"
                " WHERE m.id = :id AND g.name = :group"
                " ON CONFLICT DO NOTHING",
                self._values(group, id=letter.id, error=why),
            )
            self._tell(tx, "dead", [group] * new)

    # ------------------------------------------------------------------ groups

    def join(self, group: str, pattern: str, fed: bool = False) -> None:
        """Make a group, or go on with it; nothing is lost where a broker came or went since.

        Parameters
        ----------
        fed : whether a broker brings its messages
        """
        condition, words = topic_condition(pattern)
        values = self._values(group, pattern=pattern, fed=fed, **words)
        last = "(SELECT COALESCE(MAX(seq), 0) FROM bus_message)"
        with self.database.write() as tx:
            row = tx.row("SELECT pattern, fed, position FROM bus_group WHERE name = :group", values)
            if row is None:
                tx.execute(
                    "INSERT INTO bus_group(name, owner_id, pattern, position, fed)"
                    f" VALUES(:group, :owner, :pattern, {last}, :fed)",
                    values,
                )
                return
            if fed and not row[1]:
                tx.execute(
                    "INSERT INTO bus_delivery(group_name, seq, owner_id, attempts, due_at)"
                    " SELECT :group, seq, :owner, 0, :now FROM bus_message"
                    f" WHERE seq > :position AND {condition} ON CONFLICT DO NOTHING",
                    {**values, "position": row[2]},
                )
                tx.execute(f"UPDATE bus_group SET position = {last} WHERE name = :group", values)
            if row[0] != pattern or bool(row[1]) != fed:
                tx.execute(
                    "UPDATE bus_group SET pattern = :pattern, fed = :fed WHERE name = :group",
                    values,
                )

    # ------------------------------------------------------------------ out

    def ready_in(self, group: str) -> float | None:
        """Tell in how many seconds there may be something to claim, None for nobody knows."""
        with self.database.read() as tx:
            row = tx.row(
                "SELECT pattern, fed, position, (SELECT MIN(due_at) FROM bus_delivery"
                " WHERE group_name = :group AND due_at IS NOT NULL)"
                " FROM bus_group WHERE name = :group",
                {"group": group},
            )
            if row is None:
                return None
            pattern, fed, position, due_at = row
            if not fed and self._unread(tx, group, pattern, position):
                return 0.0
        return None if due_at is None else max(0.0, due_at - self._clock())

    def _unread(self, tx: Transaction, group: str, pattern: str, position: int) -> bool:
        """Look behind the position, but not again at what was looked at and was not for it."""
        condition, words = topic_condition(pattern)
        after = max(position, self._seen.get(group, 0))
        values = {"after": after, **words}
        if tx.row(f"SELECT 1 FROM bus_message WHERE seq > :after AND {condition} LIMIT 1", values):
            return True
        last = tx.row("SELECT COALESCE(MAX(seq), 0) FROM bus_message")
        self._seen[group] = last[0] if last else 0
        return self._seen[group] - position > SLACK  # a claim moves the position

    def claim(self, group: str, count: int = 1) -> tuple[list[Claimed], int]:
        """Take the lease of the next messages, and find those that have become dead letters.

        At most one of them was tried before. It may be the one that kills its consumers; then
        none of the others loses more than one try to it.

        Returns
        -------
        what was claimed, the one tried before first; and how many became dead letters
        """
        with self.database.write() as tx:
            row = tx.row(
                "SELECT pattern, fed, position FROM bus_group WHERE name = :group",
                {"group": group},
            )
            if row is None:
                return [], 0
            taken, dead = self._claim_due(tx, group, count)
            if not row[1] and len(taken) < count:
                for seq in self._read_on(tx, group, row[0], row[2], count - len(taken)):
                    taken[seq] = 1
            which, seqs = among(tx, list(taken))
            rows = tx.rows(f"{_READ}{which} ORDER BY seq", {"seqs": seqs}) if taken else []
        claimed = [Claimed(row[0], message_of(row, taken[row[0]])) for row in rows]
        claimed.sort(key=lambda one: -one.message.attempt)
        return claimed, dead

    def _claim_due(self, tx: Transaction, group: str, count: int) -> tuple[dict[int, int], int]:
        due = tx.rows(
            "SELECT seq, attempts FROM bus_delivery WHERE group_name = :group AND due_at <= :now"
            " ORDER BY due_at, seq LIMIT :count",
            self._values(group, count=count),
        )
        spent = [seq for seq, attempts in due if attempts >= MOST_ATTEMPTS]
        if spent:
            which, seqs = among(tx, spent)
            tx.execute(
                "UPDATE bus_delivery SET due_at = NULL, dead_at = :now, error = :error"
                f" WHERE group_name = :group AND seq {which}",
                self._values(group, seqs=seqs, error=LOST),
            )
            self._tell(tx, "dead", [group] * len(spent))
        tried = [row for row in due if 0 < row[1] < MOST_ATTEMPTS][:1]
        fresh = [row for row in due if row[1] == 0]
        taken = {seq: attempts + 1 for seq, attempts in tried + fresh}
        if taken:
            which, seqs = among(tx, list(taken))
            tx.execute(
                "UPDATE bus_delivery SET attempts = attempts + 1, due_at = :until"
                f" WHERE group_name = :group AND seq {which}",
                self._values(group, seqs=seqs),
            )
        return taken, len(spent)

    def _read_on(
        self, tx: Transaction, group: str, pattern: str, position: int, count: int
    ) -> list[int]:
        condition, words = topic_condition(pattern)
        values = self._values(group, position=position, count=count, **words)
        found = [
            row[0]
            for row in tx.rows(
                f"SELECT seq FROM bus_message WHERE seq > :position AND {condition}"
                " ORDER BY seq LIMIT :count",
                values,
            )
        ]
        values["end"] = found[-1] if len(found) == count else None
        tx.execute(
            "UPDATE bus_group SET position = COALESCE(:end,"
            " (SELECT MAX(seq) FROM bus_message), position) WHERE name = :group",
            values,
        )
        if not found:
            return []
        which, values["seqs"] = among(tx, found)
        # A delivery that is there already came from a broker, in the days of one.
        return [
            row[0]
            for row in tx.rows(
                "INSERT INTO bus_delivery(group_name, seq, owner_id, attempts, due_at)"
                f" SELECT :group, seq, :owner, 1, :until FROM bus_message WHERE seq {which}"
                " ON CONFLICT DO NOTHING RETURNING seq",
                values,
            )
        ]

    def settle(self, group: str, done: Sequence[int], failed: Sequence[Failed] = ()) -> int:
        """Write how deliveries ended; returns how many became dead letters."""
        dead = 0
        with self.database.write() as tx:
            if done:
                listed, seqs = among(tx, done)
                which = f"WHERE group_name = :group AND seq {listed}"
                values = self._values(group, seqs=seqs)
                fed = tx.row("SELECT fed FROM bus_group WHERE name = :group", values)
                tx.execute(
                    f"UPDATE bus_delivery SET due_at = NULL, dead_at = NULL, error = NULL {which}"
                    if fed and fed[0]
                    else f"DELETE FROM bus_delivery {which}",
                    values,
                )
            for one in failed:
                dead += self._fail(tx, group, one)
            self._tell(tx, "dead", [group] * dead)
        return dead

    def _fail(self, tx: Transaction, group: str, failed: Failed) -> int:
        last = not failed.again or failed.attempt >= MOST_ATTEMPTS
        delay_s = min(self._retry_delay_s * 2 ** (failed.attempt - 1), MAX_DELAY_S)
        now = self._clock()
        due_at = None if last else now + delay_s * random.uniform(0.75, 1.25)
        changed = tx.execute(
            "UPDATE bus_delivery SET due_at = :due_at, dead_at = :dead_at, error = :error"
            " WHERE group_name = :group AND seq = :seq AND attempts = :attempt"
            " AND due_at IS NOT NULL",
            {
                "group": group,
                "seq": failed.seq,
                "attempt": failed.attempt,
                "error": failed.error,
                "due_at": due_at,
                "dead_at": now if last else None,
            },
        )
        return changed if last else 0

    def extend(self, group: str, seqs: Sequence[int]) -> None:
        """Prolong leases."""
        with self.database.write() as tx:
            which, listed = among(tx, seqs)
            tx.execute(
                "UPDATE bus_delivery SET due_at = :until"
                f" WHERE group_name = :group AND seq {which} AND due_at IS NOT NULL",
                self._values(group, seqs=listed),
            )

    def release(self, group: str, seqs: Sequence[int]) -> None:
        """Give back what was claimed and not begun."""
        with self.database.write() as tx:
            which, listed = among(tx, seqs)
            tx.execute(
                "UPDATE bus_delivery SET due_at = :now, attempts = attempts - 1"
                f" WHERE group_name = :group AND seq {which} AND due_at IS NOT NULL",
                self._values(group, seqs=listed),
            )

    # ------------------------------------------------------------------ on to the broker

    def unsent(self, count: int) -> list[Unsent]:
        """Take the lease of the next messages for the broker, but of none behind one under way.

        So the broker gets them in their order, whoever sends: a program that was lost in the
        middle keeps the others waiting until its lease has ended.
        """
        under_way = "SELECT MIN(seq) FROM bus_message WHERE relay_at > :now"
        with self.database.write() as tx:
            rows = tx.rows(
                "UPDATE bus_message SET relay_at = :until WHERE seq IN (SELECT seq FROM"
                f" bus_message WHERE relay_at <= :now AND seq < COALESCE(({under_way}), :all)"
                " ORDER BY seq LIMIT :count)"
                " RETURNING seq, id, topic, body, headers, created_at",
                self._values("", count=count, all=2**62),
            )
        return [Unsent(row[0], Written(*row[1:5]), row[5]) for row in sorted(rows)]

    def sent(self, seqs: Sequence[int], arrived: bool = True) -> None:
        """Write that messages have reached the broker, or have not and are to be sent again."""
        with self.database.write() as tx:
            which, listed = among(tx, seqs)
            tx.execute(
                f"UPDATE bus_message SET relay_at = :again WHERE seq {which}"
                " AND relay_at IS NOT NULL",
                {"again": None if arrived else self._clock(), "seqs": listed},
            )

    def _values(self, group: str, **more: object) -> dict[str, object]:
        now = self._clock()
        until = now + self.lease_s
        return {"group": group, "owner": self._owner_id, "now": now, "until": until, **more}


__all__ = ["Claimed", "Failed", "Ledger", "Unsent"]
