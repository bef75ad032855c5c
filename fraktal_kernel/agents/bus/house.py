"""The bus of a running workspace: one for all its users, with what carries its events there."""

from __future__ import annotations

import hashlib
import threading

from fraktal_kernel.agents.bus.bus import open_bus
from fraktal_kernel.agents.bus.carrier import Carrier
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.local import Engine
from fraktal_kernel.core.monitoring.logs import get_logger

_opening = threading.Lock()
log = get_logger("bus")


class House:
    """An open bus; a broker that is away is waited for.

    Raises
    ------
    MissingExtra
        the setting names a broker whose client is not installed
    """

    def __init__(self, engine: Engine) -> None:
        self.database = engine.database
        self.local_id = engine.security.local_user().user_id
        self.origin = origin_of(engine.database)
        self.engine = engine.settings.bus.partition("://")[0] or "database"
        self.lease_s = engine.settings.lease_s
        self.bus = open_bus(
            engine.settings, engine.database, self.local_id, patient=True, events=engine.events
        )
        self.carrier = Carrier(engine.events, self.bus, engine.database, self.origin, self.local_id)
        if self.bus.brokered:
            engine.reports["bus"] = lambda: self.bus.problem

    def close(self) -> None:
        """Stop what brings events first, then who reads, then the way to the broker."""
        self.carrier.close()
        self.bus.close()


def house_of(engine: Engine) -> House:
    """Return the bus of a workspace; the first who asks opens it, the engine closes it."""
    with _opening:
        if "bus" not in engine.parts:
            engine.parts["bus"] = House(engine)
            log.info("bus opened", engine=engine.parts["bus"].engine)
        house: House = engine.parts["bus"]
    return house


def origin_of(database: Database) -> str:
    """Name a workbench among others: by the microsecond in which its first user was made."""
    with database.read() as tx:
        row = tx.row("SELECT id, created_at FROM user_account ORDER BY id LIMIT 1")
    return hashlib.sha256(repr(row).encode()).hexdigest()[:12]
