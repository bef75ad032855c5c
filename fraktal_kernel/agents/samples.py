"""How agents fared over time: a sample a second for a while, then means of a minute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from fraktal_kernel.agents.desk import AgentLine
    from fraktal_kernel.agents.line import Beat
    from fraktal_kernel.core.database import Database, Row, Transaction

#: How long each second is kept.
FULL_S = 15 * 60.0
MINUTE_S = 60.0
#: Rows in one statement: databases take only so many values.
ROWS = 100
_COLUMNS = "agent_id, time, owner_id, cpu_share, memory_bytes, gpu_share, busy"


class Sample(BaseModel):
    """How one agent fared at one time, or on the average of a span that began then.

    Shares are from 0 to 1; ``time`` is seconds since 1970, UTC.
    """

    time: float
    cpu_share: float | None
    memory_bytes: int | None
    gpu_share: float | None
    busy: float


def write(tx: Transaction, now: float, rows: Sequence[tuple[AgentLine, Beat, int]]) -> None:
    """Write one sample an agent, and that they were heard."""
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        values: dict[str, Any] = {"now": now}
        places, ids = [], []
        for n, (line, beat, busy) in enumerate(some):
            places.append(f"(:i{n}, :now, :o{n}, :c{n}, :m{n}, :g{n}, :b{n})")
            ids.append(f":i{n}")
            values |= {f"i{n}": line.agent_id, f"o{n}": line.who.user_id, f"b{n}": busy}
            values |= {f"c{n}": beat.cpu_share, f"m{n}": beat.memory_bytes}
            values |= {f"g{n}": beat.gpu_share}
        tx.execute(
            f"INSERT INTO agent_sample({_COLUMNS}) VALUES {', '.join(places)}"
            " ON CONFLICT (agent_id, time) DO NOTHING",
            values,
        )
        tx.execute(f"UPDATE agent SET last_beat = :now WHERE id IN ({', '.join(ids)})", values)


def _mean(rows: Sequence[Row], column: int) -> float | None:
    known = [row[column] for row in rows if row[column] is not None]
    return sum(known) / len(known) if known else None


def thin(database: Database, now: float | None = None) -> int:
    """Replace the samples of each whole minute that is old enough by one mean; returns how many.

    A mean stands at the full minute, so that it is known again and not averaged twice.
    """
    before = ((now or time.time()) - FULL_S) // MINUTE_S * MINUTE_S
    thinned = 0
    with database.read() as tx:
        agents = [(row[0], row[1]) for row in tx.rows("SELECT id, owner_id FROM agent")]
    for agent_id, owner_id in agents:
        values = {"agent": agent_id, "before": before, "minute": MINUTE_S}
        with database.read() as tx:
            rows = tx.rows(
                f"SELECT {_COLUMNS} FROM agent_sample WHERE agent_id = :agent AND time < :before"
                " AND time <> :minute * ROUND(time / :minute) ORDER BY time LIMIT 10000",
                values,
            )
        if not rows:
            continue
        thinned += len(rows)
        with database.write() as tx:
            for minute, group in groupby(rows, lambda row: float(row[1] // MINUTE_S * MINUTE_S)):
                some = list(group)
                span = {"agent": agent_id, "start": minute, "end": some[-1][1]}
                tx.execute(
                    "DELETE FROM agent_sample WHERE agent_id = :agent AND time >= :start"
                    " AND time <= :end",
                    span,
                )
                memory, busy = _mean(some, 4), _mean(some, 6)
                tx.execute(
                    f"INSERT INTO agent_sample({_COLUMNS}) VALUES(:agent, :start, :owner, :cpu,"
                    " :memory, :gpu, :busy)",
                    {
                        **span,
                        "owner": owner_id,
                        "cpu": _mean(some, 3),
                        "memory": None if memory is None else round(memory),
                        "gpu": _mean(some, 5),
                        "busy": round(busy or 0),
                    },
                )
    return thinned


def prune(database: Database, before: float) -> None:
    """Forget what is older than a time: samples, tasks, the audit log, agents long gone."""
    old = {"before": before}
    with database.read() as tx:
        agents = [row[0] for row in tx.rows("SELECT id FROM agent")]
    for agent_id in agents:
        with database.write() as tx:
            values = {**old, "agent": agent_id}
            tx.execute(
                "DELETE FROM agent_sample WHERE agent_id = :agent AND time < :before", values
            )
            tx.execute(
                "DELETE FROM agent_task WHERE agent_id = :agent AND ended_at < :before", values
            )
            gone = "SELECT id FROM agent WHERE id = :agent AND last_beat < :before"
            if tx.row(gone, values) is not None:
                for table, column in (("agent_sample", "agent_id"), ("agent_task", "agent_id")):
                    tx.execute(f"DELETE FROM {table} WHERE {column} = :agent", values)
                tx.execute("DELETE FROM agent WHERE id = :agent", values)
    with database.write() as tx:
        tx.execute("DELETE FROM audit WHERE time < :before", old)


def latest(tx: Transaction, owner_id: int) -> dict[int, Sample]:
    """Return the newest sample of each agent of an owner, by its number."""
    rows = tx.rows(
        "SELECT s.agent_id, s.time, s.cpu_share, s.memory_bytes, s.gpu_share, s.busy"
        " FROM agent a JOIN agent_sample s ON s.agent_id = a.id AND s.time ="
        " (SELECT MAX(time) FROM agent_sample WHERE agent_id = a.id) WHERE a.owner_id = :owner",
        {"owner": owner_id},
    )
    return {row[0]: _sample(row[1:]) for row in rows}


def history(tx: Transaction, agent_id: int, since: float, points: int) -> list[Sample]:
    """Return how an agent fared since a time, as at most so many means, oldest first."""
    rows = tx.rows(
        "SELECT time, cpu_share, memory_bytes, gpu_share, busy FROM agent_sample"
        " WHERE agent_id = :agent AND time >= :since ORDER BY time",
        {"agent": agent_id, "since": since},
    )
    if len(rows) <= points:
        return [_sample(row) for row in rows]
    span = (rows[-1][0] - rows[0][0]) / points
    found = []
    for _, group in groupby(rows, lambda row: min(int((row[0] - rows[0][0]) / span), points - 1)):
        some = list(group)
        means = [_mean(some, column) for column in range(1, 5)]
        found.append(_sample((some[0][0], *means)))
    return found


def _sample(row: Row) -> Sample:
    at, cpu, memory, gpu, busy = row
    memory = None if memory is None else round(memory)
    return Sample(time=at, cpu_share=cpu, memory_bytes=memory, gpu_share=gpu, busy=busy or 0)
