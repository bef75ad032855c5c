"""Pages of events for one subject are read as such, and do not pass over the others' one by one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import PAGE, Events, EventView
from fraktal_kernel.core.security import Security


def test_pages_hold_one_subject_only(tmp_path: Path) -> None:
    """Behind many pages of others' events, the first page already has what was asked for."""
    database = Database(f"sqlite:///{tmp_path / 'fraktal.db'}")
    database.migrate()
    events = Events(database)
    owner_id = Security(database).local_user().user_id
    with database.write() as tx:
        for number in range(3 * PAGE):
            events.append(tx, "jobs.progress", str(number % 7 + 2), owner_id, {"number": number})
        for number in range(2):
            events.append(tx, "jobs.log", "1", owner_id, {"number": number})

    async def first() -> list[EventView]:
        pages = events.pages(0, "jobs.*", owner_id, "1")
        found = await anext(pages)
        await pages.aclose()  # type: ignore[attr-defined]
        return found

    assert [event.payload for event in asyncio.run(first())] == [{"number": 0}, {"number": 1}]
    database.close()
