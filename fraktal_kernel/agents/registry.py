"""What is known of one's agents: the one read model that lists, widgets and commands show.

It reads the database alone, so it is the same in the serving process, beside it and, over REST,
far from it; only to drain an agent one needs the server that has its line.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, Field

from fraktal_kernel.agents import samples
from fraktal_kernel.agents.line import Machine
from fraktal_kernel.agents.samples import Sample
from fraktal_kernel.core.values import checked_limit
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound
from fraktal_kernel.registry import unknown_name

if TYPE_CHECKING:
    from fraktal_kernel.agents.desk import Desk
    from fraktal_kernel.core.database import Database, Row, Transaction
    from fraktal_kernel.core.workbench import Workbench

AgentState = Literal["online", "draining", "offline"]
AGENT_STATES: tuple[AgentState, ...] = ("online", "draining", "offline")
#: An agent that has not been heard for so long is offline, whatever was written last.
OFFLINE_S = 5.0
#: Error rates and response times are those of the last hour, of at most so many tasks of all.
WINDOW_S, WINDOW_TASKS = 3600.0, 20_000
MOST_POINTS = 5000
_AGENT = (
    "id, name, epoch, state, offers, capabilities, slots, machine, registered_at, last_beat,"
    " connections, refusals, done, failed"
)
_TASK = (
    "SELECT t.id, a.name, t.job_id, t.capability, t.state, t.started_at, t.ended_at, t.error"
    " FROM agent_task t JOIN agent a ON a.id = t.agent_id WHERE t.owner_id = :owner"
)


class TaskView(BaseModel):
    """One try of a job on one agent: running, or how it ended."""

    id: int
    agent: str
    job_id: int
    capability: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    error: str | None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None


class AgentView(BaseModel):
    """An agent as its owner sees it.

    ``error_rate`` (0 to 1) and the response times are those of the last hour, None where nothing
    ended in it; a response time is that from giving a job to the agent to its end.
    """

    id: int = Field(description="Its number, the same as long as it is known.")
    name: str
    state: AgentState
    epoch: int
    offers: list[str]
    capabilities: list[str]
    slots: int
    machine: Machine
    registered_at: datetime
    last_beat: datetime
    connections: int
    refusals: int
    done: int
    failed: int
    error_rate: float | None
    response_p50_s: float | None
    response_p95_s: float | None
    cpu_share: float | None
    memory_bytes: int | None
    gpu_share: float | None
    doing: list[TaskView] = Field(description="What it does now.")


AgentViews = list[AgentView]
TaskViews = list[TaskView]
Samples = list[Sample]
Ended = list[tuple[str, float]]


class Agents(Protocol):
    """One user's agents, here or on a server.

    All methods raise :class:`~fraktal_kernel.errors.NotFound` for a name that no agent has.
    """

    def list(self) -> AgentViews:
        """List the agents by name, those too that are offline."""

    def get(self, name: str) -> AgentView:
        """Return one agent."""

    def history(self, name: str, since: float | None = None, points: int = 600) -> Samples:
        """Return how an agent fared since a time (by default for 15 minutes), oldest first.

        Parameters
        ----------
        since : seconds since 1970
        points : at most so many; where there are more samples, each is the mean of several
        """

    def tasks(
        self,
        name: str | None = None,
        *,
        state: str | None = None,
        capability: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> TaskViews:
        """List what agents did, newest first; ``before`` a task's number gives the next page.

        Parameters
        ----------
        since, until : only what began in this time, in seconds since 1970
        """

    def drain(self, name: str, now: bool = False) -> None:
        """Give an agent no more jobs; it ends when it has finished those that it has.

        Parameters
        ----------
        now : take those back as well

        A lost one is not missed any more.
        """

    def resume(self, name: str) -> None:
        """Give an agent jobs again that is drained and has not ended."""


def percentile(sorted_values: list[float], share: float) -> float | None:
    """Return the smallest value that at least this share of all does not exceed.

    Examples
    --------
    >>> percentile([1.0, 2.0, 3.0, 10.0], 0.5), percentile([1.0, 2.0, 3.0, 10.0], 0.95)
    (2.0, 10.0)
    """
    if not sorted_values:
        return None
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


def state_of(written: str, last_beat: float, now: float) -> AgentState:
    """Say how an agent stands: what was written last holds only while it is heard.

    Examples
    --------
    >>> state_of("online", 100.0, 101.0), state_of("draining", 100.0, 110.0)
    ('online', 'offline')
    """
    if now - last_beat > OFFLINE_S or written not in AGENT_STATES:
        return "offline"
    return "draining" if written == "draining" else "online" if written == "online" else "offline"


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _task(row: Row) -> TaskView:
    number, agent, job_id, capability, state, began, ended, error = row
    return TaskView(
        id=number,
        agent=agent,
        job_id=job_id,
        capability=capability,
        state=state,
        started_at=_time(began),
        ended_at=None if ended is None else _time(ended),
        error=error,
    )


class LocalAgents:
    """One user's agents where the database is at hand; see :class:`Agents`."""

    def __init__(self, database: Database, owner_id: int, parts: dict[str, Any]) -> None:
        self._database = database
        self._owner_id = owner_id
        self._parts = parts

    def list(self) -> AgentViews:
        """List the agents by name."""
        return self._views("", {})

    def get(self, name: str) -> AgentView:
        """Return one agent."""
        found = self._views(" AND name = :name", {"name": name})
        if not found:
            raise self._missing(name)
        return found[0]

    def _missing(self, name: str) -> NotFound:
        with self._database.read() as tx:
            owner = {"owner": self._owner_id}
            rows = tx.rows("SELECT name FROM agent WHERE owner_id = :owner", owner)
        if not rows:
            return NotFound(f"there is no agent {name[:80]!r}; fraktal agent start makes one.")
        return NotFound(str(unknown_name("agent", name, [row[0] for row in rows])))

    def _views(self, which: str, values: dict[str, Any]) -> AgentViews:
        now = time.time()
        with self._database.read() as tx:
            rows = tx.rows(
                f"SELECT {_AGENT} FROM agent WHERE owner_id = :owner{which} ORDER BY name",
                {"owner": self._owner_id, **values},
            )
            if not rows:
                return []
            fares = samples.latest(tx, self._owner_id)
            ended = self._ended(tx, now)
            doing: dict[str, TaskViews] = defaultdict(list)
            running = f"{_TASK} AND t.state = 'running' ORDER BY t.id"
            for row in tx.rows(running, {"owner": self._owner_id}):
                doing[row[1]].append(_task(row))
        return [
            self._view(row, now, fares.get(row[0]), ended.get(row[0], []), doing[row[1]])
            for row in rows
        ]

    def _ended(self, tx: Transaction, now: float) -> dict[int, Ended]:
        """Return how the tasks of the last hour ended and how long they took, by agent."""
        found: dict[int, Ended] = defaultdict(list)
        for agent_id, state, seconds in tx.rows(
            "SELECT agent_id, state, ended_at - started_at FROM agent_task WHERE id >"
            " (SELECT COALESCE(MAX(id), 0) FROM agent_task) - :most AND owner_id = :owner"
            " AND ended_at >= :since AND state IN ('succeeded', 'failed', 'lost')",
            {"most": WINDOW_TASKS, "owner": self._owner_id, "since": now - WINDOW_S},
        ):
            found[agent_id].append((state, seconds))
        return found

    @staticmethod
    def _view(
        row: Row,
        now: float,
        fares: Sample | None,
        ended: Ended,
        doing: TaskViews,
    ) -> AgentView:
        state = state_of(row[3], row[9], now)
        took = sorted(max(0.0, seconds) for how, seconds in ended if how == "succeeded")
        wrong = sum(1 for how, _ in ended if how != "succeeded")
        live = fares if state != "offline" else None
        return AgentView(
            id=row[0],
            name=row[1],
            state=state,
            epoch=row[2],
            offers=json.loads(row[4]),
            capabilities=json.loads(row[5]),
            slots=row[6],
            machine=Machine.model_validate_json(row[7]),
            registered_at=_time(row[8]),
            last_beat=_time(row[9]),
            connections=row[10],
            refusals=row[11],
            done=row[12],
            failed=row[13],
            error_rate=wrong / len(ended) if ended else None,
            response_p50_s=percentile(took, 0.5),
            response_p95_s=percentile(took, 0.95),
            cpu_share=live.cpu_share if live else None,
            memory_bytes=live.memory_bytes if live else None,
            gpu_share=live.gpu_share if live else None,
            doing=doing,
        )

    def history(self, name: str, since: float | None = None, points: int = 600) -> Samples:
        """Return how an agent fared since a time, oldest first."""
        if not 1 <= points <= MOST_POINTS:
            raise InvalidInput(f"points: given {points}, expected 1 to {MOST_POINTS}.")
        since = time.time() - samples.FULL_S if since is None else since
        with self._database.read() as tx:
            row = tx.row(
                "SELECT id FROM agent WHERE owner_id = :owner AND name = :name",
                {"owner": self._owner_id, "name": name},
            )
            if row is not None:
                return samples.history(tx, row[0], since, points)
        raise self._missing(name)

    def tasks(
        self,
        name: str | None = None,
        *,
        state: str | None = None,
        capability: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> TaskViews:
        """List what agents did, newest first."""
        if name is not None:
            self.get(name)
        wanted = {
            "a.name = :name": name,
            "t.state = :state": state,
            "t.capability = :capability": capability,
            "t.started_at >= :since": since,
            "t.started_at <= :until": until,
            "t.id < :before": before,
        }
        sql = _TASK + "".join(f" AND {each}" for each, value in wanted.items() if value is not None)
        values = {
            "owner": self._owner_id,
            "name": name,
            "state": state,
            "capability": capability,
            "since": since,
            "until": until,
            "before": before,
            "limit": checked_limit(limit),
        }
        with self._database.read() as tx:
            rows = tx.rows(sql + " ORDER BY t.id DESC LIMIT :limit", values)
        return [_task(row) for row in rows]

    def drain(self, name: str, now: bool = False) -> None:
        """Give an agent no more jobs."""
        self._desk(name).drain(self._owner_id, name, now)

    def resume(self, name: str) -> None:
        """Give an agent jobs again."""
        self._desk(name).resume(self._owner_id, name)

    def _desk(self, name: str) -> Desk:
        desk: Desk | None = self._parts.get("agents")
        if desk is None:
            self.get(name)
            raise Conflict("no server runs here, so no agent is online; start one: fraktal serve.")
        return desk


class RemoteAgents:
    """One user's agents on a server; see :class:`Agents`."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    @staticmethod
    def _path(name: str) -> str:
        from urllib.parse import quote

        return f"/api/agents/{quote(name, safe='')}"

    def list(self) -> AgentViews:
        """List the agents by name."""
        return [AgentView(**each) for each in self._ask("GET", "/api/agents")["agents"]]

    def get(self, name: str) -> AgentView:
        """Return one agent."""
        return AgentView(**self._ask("GET", self._path(name)))

    def history(self, name: str, since: float | None = None, points: int = 600) -> Samples:
        """Return how an agent fared since a time, oldest first."""
        wanted = {"points": points} | ({} if since is None else {"since": since})
        found = self._ask("GET", f"{self._path(name)}/samples", params=wanted)
        return [Sample(**each) for each in found["samples"]]

    def tasks(self, name: str | None = None, **wanted: Any) -> TaskViews:
        """List what agents did, newest first."""
        path = "/api/agent-tasks" if name is None else f"{self._path(name)}/tasks"
        query = {key: value for key, value in wanted.items() if value is not None}
        return [TaskView(**each) for each in self._ask("GET", path, params=query)["tasks"]]

    def drain(self, name: str, now: bool = False) -> None:
        """Give an agent no more jobs."""
        self._ask("POST", f"{self._path(name)}/drain", json={"now": now})

    def resume(self, name: str) -> None:
        """Give an agent jobs again."""
        self._ask("POST", f"{self._path(name)}/resume")


def agents_of(workbench: Workbench) -> Agents:
    """Return the agents of a workbench's user."""
    from fraktal_kernel.core.remote import RemoteWorkbench

    if isinstance(workbench, RemoteWorkbench):
        return RemoteAgents(workbench.jobs.ask)
    from fraktal_kernel.core.local import LocalWorkbench

    assert isinstance(workbench, LocalWorkbench)
    engine = workbench.engine
    return LocalAgents(engine.database, workbench.user.user_id, engine.parts)
