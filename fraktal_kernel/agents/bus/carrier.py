"""Carries the workbench's events to the bus, each once and in their order, from where it stopped.

The table of events is the outbox: how far it was read stands in the database, and moves in the
transaction that publishes what was read. So an event is carried that happened while nothing ran,
and none twice; a message's id names the workbench and the event, for whoever sees it again.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from fraktal_kernel.agents.bus.bus import DatabaseBus
from fraktal_kernel.agents.bus.message import MOST_BYTES, Draft, matches, write
from fraktal_kernel.core.database import Database, Row
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.errors import FraktalError, InvalidInput

#: What travels. Conversations stay at home: they are long, and nobody else's.
CARRIED = ("jobs.*", "agents.*", "approvals.*", "plans.*", "alerts.*")
#: What is old a moment later, and comes every second.
LEFT = {"agents.beat"}
#: Under this name, which no group can have, the table of groups keeps how far we are.
PLACE = "fraktal.events"
BATCH = 200
#: Many events come together; a short rest carries them together.
REST_S = 0.02
IDLE_S = 0.5
#: Somebody who looks at messages now and then is taken to look on for so long.
LOOKS_S = 15.0
_INSERT = (
    "INSERT INTO bus_group(name, owner_id, pattern, position, fed) VALUES(:name, :owner, '*',"
    " (SELECT COALESCE(MAX(seq), 0) FROM event), :fed) ON CONFLICT(name) DO NOTHING"
)
_READ = (
    "SELECT seq, time, topic, subject, owner_id, payload FROM event WHERE seq > :after"
    " ORDER BY seq LIMIT :count"
)
_MOVE = "UPDATE bus_group SET position = :end WHERE name = :name AND position = :begin"

log = get_logger("bus")


def overlap(one: str, other: str) -> bool:
    """Tell whether two patterns may take in the same topic.

    >>> overlap("jobs.*", "jobs.state"), overlap("*", "jobs"), overlap("jobs.*", "orders.*")
    (True, True, False)
    """
    if "*" in (one, other):
        return True
    bases = one.removesuffix("*"), other.removesuffix("*")
    return matches(one, bases[1]) or matches(other, bases[0]) or bases[0] == bases[1]


class Carrier:
    """Publishes events in a thread of its own.

    Parameters
    ----------
    origin : names this workbench among those that share a broker
    owner_id : whose the note is of how far it came
    """

    def __init__(
        self, events: Events, bus: DatabaseBus, database: Database, origin: str, owner_id: int
    ) -> None:
        self._events = events
        self._bus = bus
        self._database = database
        self._origin = origin
        self._looks: dict[str, float] = {}
        with database.write() as tx:
            tx.execute(_INSERT, {"name": PLACE, "owner": owner_id, "fed": True})
        self._at = self._place()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-carrier", daemon=True)
        self._thread.start()

    def look(self, pattern: str) -> None:
        """Say that somebody looks at messages of a pattern without being a group."""
        now = time.monotonic()
        self._looks = {kept: until for kept, until in self._looks.items() if until > now}
        self._looks[pattern] = now + LOOKS_S

    def close(self) -> None:
        """Carry no more; the next start goes on from here."""
        self._stopping.set()
        self._events.announce()
        self._thread.join()

    def _place(self) -> int:
        with self._database.read() as tx:
            row = tx.row("SELECT position FROM bus_group WHERE name = :name", {"name": PLACE})
        return int(row[0]) if row else 0

    def _run(self) -> None:
        stuck = False
        while not self._stopping.is_set():
            version = self._events.version
            try:
                awaited = self._awaited()
                count = self.carry() if awaited else self._skip()
                if not count:
                    self._bus.tidy()
            except FraktalError as error:
                if not stuck:
                    log.warning("events wait for the bus", error=str(error))
                stuck = True
                self._stopping.wait(IDLE_S)
                continue
            stuck = False
            if not awaited:
                self._stopping.wait(IDLE_S)
            elif not count:
                self._events.wait(version)
            if count < BATCH:
                self._stopping.wait(REST_S)

    def _awaited(self) -> bool:
        """Tell whether anybody would get an event: a broker takes them all."""
        if self._bus.brokered:
            return True
        now = time.monotonic()
        patterns = [pattern for pattern, until in self._looks.copy().items() if until > now]
        with self._database.read() as tx:
            rows = tx.rows("SELECT pattern FROM bus_group WHERE name <> :name", {"name": PLACE})
        patterns += [row[0] for row in rows]
        return any(overlap(pattern, carried) for pattern in patterns for carried in CARRIED)

    def _skip(self) -> int:
        """Pass over what nobody reads: who subscribes later begins with what comes then."""
        last = self._events.last()
        if last > self._at:
            with self._database.write() as tx:
                tx.execute(_MOVE, {"name": PLACE, "begin": self._at, "end": last})
            self._at = self._place()
        return 0

    def carry(self) -> int:
        """Publish the next events, and note in the same transaction that they are; how many."""
        with self._database.read() as tx:
            rows = tx.rows(_READ, {"after": self._at, "count": BATCH})
        if not rows:
            return 0
        drafts = [
            self._draft(row)
            for row in rows
            if row[2] not in LEFT and any(matches(one, row[2]) for one in CARRIED)
        ]
        move = {"name": PLACE, "begin": self._at, "end": rows[-1][0]}
        with self._database.write() as tx:
            moved = tx.execute(_MOVE, move)
            if moved:
                self._bus.publish_many(drafts, tx=tx)
        # Where another program of this workspace was first, we go on behind it.
        self._at = rows[-1][0] if moved else self._place()
        return len(rows)

    def _draft(self, row: Row) -> Draft:
        seq, at, topic, subject, owner_id, payload = row
        body: dict[str, Any] = {"seq": seq, "time": at, "subject": subject}
        headers = {"origin": self._origin, "owner": str(owner_id)}
        message_id = f"event-{self._origin}-{seq}"
        try:
            if len(payload) > MOST_BYTES:
                raise InvalidInput(f"{len(payload):,} bytes are more than a message may have.")
            draft = Draft(topic, body | {"payload": json.loads(payload)}, message_id, headers)
            write(draft)
        except InvalidInput as error:
            left_out = {"payload": None, "left_out": str(error)}
            return Draft(topic, body | left_out, message_id, headers)
        return draft
