"""Which queued job goes to which agent: the executor that the dispatcher has for all agents.

An agent does jobs of its owner only: those that name it, and those that anybody may do and it
offers, unless they say to avoid it. The most urgent goes first, to the agent with most room.
A job that avoids the server's own workers is left to the agents for a while; what nobody else
can do is done by anybody.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fraktal_kernel.core.database import Row
from fraktal_kernel.core.jobs.journal import Claimed, Fenced
from fraktal_kernel.core.jobs.lines import Running, WorkerLine

if TYPE_CHECKING:
    from fraktal_kernel.agents.desk import AgentLine, Desk
    from fraktal_kernel.core.local import Engine

#: So far into the queue one looks for jobs that an agent may do.
WINDOW = 1000
#: So long a job that avoids our own workers waits for an agent that is busy.
PATIENCE_S = 30.0
_QUEUED = (
    "SELECT id, owner_id, capability, agent, avoid, priority, created_at FROM job"
    " WHERE state = 'queued' AND {which} AND not_before <= :now"
    " ORDER BY priority DESC, id LIMIT :window"
)
_LEFT = (
    "SELECT id, owner_id, capability, avoid FROM ("
    + _QUEUED.format(which="agent = ''")
    + ") AS head WHERE avoid LIKE '%\"\"%' AND created_at > :since"
)


@dataclass
class Task:
    """One try of a job on one agent."""

    line: AgentLine
    job: Claimed
    running: Running
    started_at: float = field(default_factory=time.time)
    #: the number of its row and the state that stands there, once that is written
    id: int | None = None
    told: str = ""

    @property
    def state(self) -> str:
        """How it stands."""
        outcome = self.running.outcome
        if outcome == "cancelled" and self.running.verdict is not None:
            return "failed"  # stopped after its time limit
        return outcome or "running"

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return max(0.0, (self.running.ended_at or time.time()) - self.started_at)


class AgentExecutor:
    """Places jobs on agents; all calls come from the dispatcher's thread."""

    def __init__(self, desk: Desk, engine: Engine) -> None:
        self._desk = desk
        self._database = engine.database
        self._journal = engine.journal
        self._chosen: dict[int, AgentLine] = {}
        self._tasks: list[Task] = []

    def tick(self) -> None:
        """See which workers' agents were heard, and which tasks have ended."""
        self._desk.look_after()
        for line in self._desk.online():
            for number, worker in list(line.workers.items()):
                running = worker.running
                if running is not None and number not in line.stopped:
                    running.beat = max(running.beat, line.heard)
        for task in [task for task in self._tasks if task.running.outcome is not None]:
            self._tasks.remove(task)
            self._desk.scribe.task(task)

    def free(self) -> int:
        """Return how many workers of agents wait for a job."""
        return sum(len(line.idle()) for line in self._desk.online())

    def choose(self) -> Mapping[int, str]:
        """Match the jobs at the head of the queue with agents that have room."""
        room = {line: len(line.idle()) for line in self._desk.online()}
        room = {line: count for line, count in room.items() if count}
        if not room:
            return {}
        named = {line.key: line for line in room}
        able: dict[tuple[int, str], list[AgentLine]] = defaultdict(list)
        for line in room:
            for capability in line.capabilities:
                able[line.who.user_id, capability].append(line)
        self._chosen = {}
        for job_id, owner_id, capability, agent, avoid, *_ in self._queued(list(room)):
            if agent:
                mine = [named[owner_id, agent]] if (owner_id, agent) in named else []
            else:
                shunned = json.loads(avoid)
                mine = able[owner_id, capability]
                if "" not in shunned or self._others(owner_id, capability, shunned):
                    mine = [one for one in mine if one.name not in shunned]
            best = max(mine, key=lambda line: room[line], default=None)
            if best is not None and room[best]:
                room[best] -= 1
                self._chosen[job_id] = best
                if not any(room.values()):
                    break
        return {job_id: line.name for job_id, line in self._chosen.items()}

    def left(self) -> list[int]:
        """Name the jobs that our own workers leave alone: an agent may do better, and soon."""
        if not self._desk.lines:
            return []
        now = time.time()
        values = {"now": now, "window": WINDOW, "since": now - PATIENCE_S}
        with self._database.read() as tx:
            rows = tx.rows(_LEFT, values)
        return [row[0] for row in rows if self._others(row[1], row[2], json.loads(row[3]))]

    def _others(self, owner_id: int, capability: str, shunned: Collection[str]) -> bool:
        """Tell whether an agent offers that which is not to be avoided."""
        return any(
            line.who.user_id == owner_id
            and capability in line.capabilities
            and line.name not in shunned
            and not line.draining
            for line in self._desk.online()
        )

    def _queued(self, lines: list[AgentLine]) -> list[Row]:
        names = {f"a{number}": line.name for number, line in enumerate(lines)}
        values = {"now": time.time(), "window": WINDOW}
        which = f"agent IN ({', '.join(f':{key}' for key in names)})"
        with self._database.read() as tx:
            rows = tx.rows(_QUEUED.format(which="agent = ''"), values)
            rows += tx.rows(_QUEUED.format(which=which), {**values, **names})
        rows.sort(key=lambda row: (-row[5], row[0]))
        return rows

    def place(self, job: Claimed) -> bool:
        """Send a job to a worker of the agent that was chosen for it."""
        line = self._chosen.pop(job.id, None)
        if line is None:
            return False
        if job.capability not in line.capabilities:
            self._refuse(line, job)
            return True
        for worker in line.idle():
            running = self._desk.hub.running[job.id]
            task = Task(line, job, running)
            self._tasks.append(task)
            self._desk.scribe.task(task)
            self._desk.hub.assign(worker, job)
            return True
        return False

    def _refuse(self, line: AgentLine, job: Claimed) -> None:
        """End a job that names an agent which cannot do it."""
        sentence = (
            f"agent {line.name!r} does not offer {job.capability!r}; it has: "
            f"{', '.join(sorted(line.capabilities))[:500]}."
        )
        try:
            self._journal.fail(job.id, job.fence, sentence, again=False)
        except Fenced:
            pass
        self._desk.hub.forget(self._desk.hub.running[job.id])

    def _find(self, job_id: int) -> tuple[AgentLine, WorkerLine] | None:
        for line in self._desk.online():
            for worker in line.busy():
                if worker.running is not None and worker.running.job.id == job_id:
                    return line, worker
        return None

    def kill(self, job_id: int) -> None:
        """Have the process of a job ended by its agent; its line is given up at once."""
        found = self._find(job_id)
        if found is not None:
            found[0].kill(found[1])

    def state(self) -> dict[str, int]:
        """Count the workers of all agents."""
        busy = sum(len(line.busy()) for line in self._desk.online())
        return {"idle": self.free(), "busy": busy}

    def close(self) -> None:
        """Leave the agents alone: the desk says good-bye to them."""
