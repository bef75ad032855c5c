"""A bus in the server for a moment: messages that are handled, tried again, and given up."""

from __future__ import annotations

import threading

from pydantic import BaseModel

from fraktal_kernel.core.capability import Run, capability
from fraktal_kernel.core.services import Asked, service
from fraktal_kernel.errors import InvalidInput

WAIT_S = 60.0


@service("watched.talk")
def talk(asked: Asked) -> bool:
    """Publish three messages, of which one fails once and one always, and wait for their end."""
    from fraktal_kernel.agents.bus.bus import open_bus

    first, ended = threading.Event(), threading.Semaphore(0)

    def handle(message: object) -> None:
        kind = message.body["kind"]  # type: ignore[attr-defined]
        if kind == "again" and not first.is_set():
            first.set()
            raise RuntimeError("not yet")
        ended.release()
        if kind == "bad":
            raise InvalidInput("nobody can handle this.")

    bus = open_bus(asked.engine.settings, asked.engine.database, asked.owner_id)
    try:
        bus.subscribe("watched.told", "watched", handle)
        for kind in ("good", "again", "bad"):
            bus.publish("watched.told", {"kind": kind})
        return all(ended.acquire(timeout=WAIT_S) for _ in range(3))
    finally:
        bus.close()


@service("watched.listen")
def listen(asked: Asked) -> bool:
    """Keep a bus open, so that its numbers are shown."""
    from fraktal_kernel.agents.bus.bus import open_bus

    if "watched" not in asked.engine.parts:
        bus = open_bus(asked.engine.settings, asked.engine.database, asked.owner_id)
        asked.engine.parts["watched"] = bus
    return True


class Nothing(BaseModel):
    """There is nothing to say."""


@capability("watched.bus", title="Use the bus", examples=[{}])
def use_bus(params: Nothing, run: Run) -> bool:
    """Let the server publish and handle messages."""
    return bool(run.request("watched.listen") and run.request("watched.talk"))
