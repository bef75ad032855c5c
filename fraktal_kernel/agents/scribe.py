"""What agents do and how they fare, written down in batches by one thread.

200 agents with a heartbeat a second are one transaction a second, whatever else is written; who
asked for what (the audit log) goes with it, so that a request never waits for its own record.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from fraktal_kernel.agents import samples
from fraktal_kernel.agents.audit import AuditEntry, write_entries
from fraktal_kernel.agents.line import Beat, Register
from fraktal_kernel.core.database import Transaction
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.security import Principal
from fraktal_kernel.errors import FraktalError, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.agents.desk import AgentLine
    from fraktal_kernel.agents.metrics import Numbers
    from fraktal_kernel.agents.placing import Task
    from fraktal_kernel.core.local import Engine

log = get_logger("agents")
FLUSH_S = 0.25
BEATS_S = 1.0
TIDY_S = 60.0
PRUNE_S = 3600.0
#: How long the news of heartbeats stay among the events: each is out of date a second later.
NEWS_S = 60.0
#: What waits while the database cannot be written; older entries are dropped then.
MOST_UNWRITTEN = 100_000
_REGISTER = (
    "INSERT INTO agent(owner_id, name, epoch, state, offers, capabilities, slots, machine,"
    " registered_at, last_beat, connections, refusals, done, failed) VALUES(:owner_id, :name, 1,"
    " :state, :offers, :capabilities, :slots, :machine, :now, :now, 1, 0, 0, 0)"
    " ON CONFLICT (owner_id, name) DO UPDATE SET epoch = agent.epoch + 1, state = excluded.state,"
    " offers = excluded.offers, capabilities = excluded.capabilities, slots = excluded.slots,"
    " machine = excluded.machine, registered_at = excluded.registered_at,"
    " last_beat = excluded.last_beat, connections = agent.connections + 1 RETURNING id, epoch"
)


class Scribe:
    """Writes for the desk; what cannot be written now is written later."""

    def __init__(self, engine: Engine, numbers: Numbers) -> None:
        self._database = engine.database
        self._events = engine.events
        self._keep_s = engine.settings.event_days * 86400
        self._numbers = numbers
        self._lock = threading.Lock()
        self._audit: deque[AuditEntry] = deque(maxlen=MOST_UNWRITTEN)
        self._tasks: deque[Task] = deque(maxlen=MOST_UNWRITTEN)
        self._beats: dict[int, tuple[AgentLine, Beat]] = {}
        self._news: deque[tuple[float, int]] = deque()
        self._stop = threading.Event()
        self._due = {"beats": 0.0, "tidy": time.monotonic() + TIDY_S, "prune": 0.0}
        self._thread = threading.Thread(target=self._loop, name="fraktal-scribe", daemon=True)

    def start(self) -> None:
        """Take note that nobody is online yet, and begin."""
        with self._database.write() as tx:
            # who was at work is missed until it comes back; who was leaving is not
            tx.execute("UPDATE agent SET state = 'offline' WHERE state = 'draining'")
            tx.execute("UPDATE agent SET state = 'lost' WHERE state = 'online'")
            now = {"now": time.time()}
            tx.execute(
                "UPDATE agent_task SET state = 'lost', ended_at = :now,"
                " error = 'the server was gone' WHERE state = 'running'",
                now,
            )
            tx.execute(
                "DELETE FROM event WHERE topic = 'agents.beat'"
                " AND seq < (SELECT MAX(seq) FROM event)"
            )
        self._thread.start()

    # ------------------------------------------------------------------ at once

    def register(self, line: AgentLine, words: Register) -> None:
        """Write that an agent is online; it gets its number and its epoch."""
        state = "draining" if line.draining else "online"
        with self._database.write() as tx:
            row = tx.row(
                _REGISTER,
                {
                    "owner_id": line.who.user_id,
                    "name": words.name,
                    "state": state,
                    "offers": json.dumps(words.offers),
                    "capabilities": json.dumps(words.capabilities),
                    "slots": words.slots,
                    "machine": words.machine.model_dump_json(),
                    "now": time.time(),
                },
            )
            assert row is not None
            line.agent_id, line.epoch = int(row[0]), int(row[1])
            self._tell_state(tx, line, state, f"registered from {words.machine.host}")
        size = len(json.dumps(words.capabilities))
        self.audit(line.who, "agents.register", words.name, "ok", size)

    def refused(self, line: AgentLine, words: Register, why: str) -> None:
        """Write that an agent was refused; the one whose name it wanted counts that."""
        with self._database.write() as tx:
            tx.execute(
                "UPDATE agent SET refusals = refusals + 1 WHERE owner_id = :owner AND name = :name",
                {"owner": line.who.user_id, "name": words.name},
            )
        self.audit(line.who, "agents.register", words.name, why[:500])

    def state(self, line: AgentLine, state: str, why: str) -> None:
        """Write that an agent's state has changed, and tell it."""
        with self._database.write() as tx:
            self._write_state(tx, line, state, why)

    def left(self, line: AgentLine, why: str, missed: bool = False) -> None:
        """Write that an agent is offline, unless it has come back meanwhile.

        Parameters
        ----------
        missed : it went without a word: it is written as ``lost``, which all see as offline
        """
        with self._lock:
            self._beats.pop(line.agent_id, None)
        try:
            self.state(line, "lost" if missed else "offline", why)
        except FraktalError as error:  # its last heartbeat tells as much
            log.warning("an agent's end is not written", agent=line.name, reason=str(error))
        self.audit(line.who, "agents.leave", line.name, why[:500])

    def known(self, owner_id: int, name: str) -> bool:
        """Tell whether somebody has, or had, an agent of a name."""
        with self._database.read() as tx:
            row = tx.row(
                "SELECT id FROM agent WHERE owner_id = :owner_id AND name = :name",
                {"owner_id": owner_id, "name": name},
            )
        return row is not None

    def give_up_on(self, owner_id: int, name: str) -> bool:
        """Write that nobody misses a lost agent any more; False where it is not lost."""
        with self._database.write() as tx:
            changed = tx.execute(
                "UPDATE agent SET state = 'offline' WHERE owner_id = :owner_id AND name = :name"
                " AND state = 'lost'",
                {"owner_id": owner_id, "name": name},
            )
        return bool(changed)

    def count(self) -> int:
        """Count the agents of all users, those too that are offline."""
        with self._database.read() as tx:
            row = tx.row("SELECT COUNT(*) FROM agent")
        return int(row[0]) if row else 0

    def _write_state(self, tx: Transaction, line: AgentLine, state: str, why: str) -> None:
        changed = tx.execute(
            "UPDATE agent SET state = :state WHERE id = :id AND epoch = :epoch",
            {"state": state, "id": line.agent_id, "epoch": line.epoch},
        )
        if changed:
            self._tell_state(tx, line, state, why)

    def _tell_state(self, tx: Transaction, line: AgentLine, state: str, why: str) -> None:
        seen = "offline" if state == "lost" else state
        told = {"state": seen, "reason": why[:500], "epoch": line.epoch}
        self._events.append(tx, "agents.state", line.name, line.who.user_id, told)

    # ------------------------------------------------------------------ with the next batch

    def audit(
        self, who: Principal, action: str, subject: str, outcome: str, size_bytes: int = 0
    ) -> None:
        """Note who asked for what, and what came of it."""
        name = f"token {who.token_id} of {who.name}" if who.token_id else who.name
        entry = AuditEntry(who.user_id, time.time(), name, action, subject, outcome, size_bytes)
        self._audit.append(entry)

    def beat(self, line: AgentLine, beat: Beat) -> None:
        """Note how an agent fares; of several heartbeats in a second the last one counts."""
        with self._lock:
            self._beats[line.agent_id] = (line, beat)

    def task(self, task: Task) -> None:
        """Note that a task has begun, or ended."""
        self._tasks.append(task)

    def _loop(self) -> None:
        while not self._stop.wait(FLUSH_S):
            try:
                self.flush()
                self._sometimes()
            except Unavailable as error:
                log.error("what agents do cannot be written", reason=str(error))
                self._stop.wait(1)
            except Exception:
                log.exception("what agents do was not written")

    def _sometimes(self) -> None:
        now = time.monotonic()
        if now >= self._due["tidy"]:
            self._due["tidy"] = now + TIDY_S
            samples.thin(self._database)
        if now >= self._due["prune"]:
            self._due["prune"] = now + PRUNE_S
            samples.prune(self._database, time.time() - self._keep_s)

    def flush(self) -> None:
        """Write all that has come since the last time, in one transaction."""
        now = time.monotonic()
        beats: list[tuple[AgentLine, Beat]] = []
        with self._lock:
            if now >= self._due["beats"] and self._beats:
                self._due["beats"] = max(self._due["beats"] + BEATS_S, now)
                beats, self._beats = list(self._beats.values()), {}
        entries = [self._audit.popleft() for _ in range(len(self._audit))]
        tasks = [self._tasks.popleft() for _ in range(len(self._tasks))]
        if not (beats or entries or tasks):
            return
        before = [(task.id, task.told) for task in tasks]
        try:
            with self._database.write() as tx:
                write_entries(tx, entries)
                for task in {id(task): task for task in tasks}.values():  # begun and ended: one row
                    self._write_task(tx, task)
                if beats:
                    self._write_beats(tx, beats)
        except BaseException:
            for task, (number, told) in zip(tasks, before, strict=True):
                task.id, task.told = number, told
            self._audit.extendleft(reversed(entries))
            self._tasks.extendleft(reversed(tasks))
            raise

    def _write_task(self, tx: Transaction, task: Task) -> None:
        state = task.state
        if task.told == state:
            return
        task.told, ended_at = state, task.running.ended_at
        values = {
            "state": state,
            "ended_at": ended_at,
            "error": task.running.error if state in ("failed", "lost") else None,
        }
        if task.id is not None:
            tx.execute(
                "UPDATE agent_task SET state = :state, ended_at = :ended_at, error = :error"
                " WHERE id = :id",
                {**values, "id": task.id},
            )
        else:
            row = tx.row(
                "INSERT INTO agent_task(owner_id, agent_id, job_id, capability, state, started_at,"
                " ended_at, error) VALUES(:owner_id, :agent_id, :job_id, :capability, :state,"
                " :started_at, :ended_at, :error) RETURNING id",
                {
                    **values,
                    "owner_id": task.job.owner_id,
                    "agent_id": task.line.agent_id,
                    "job_id": task.job.id,
                    "capability": task.job.capability,
                    "started_at": task.started_at,
                },
            )
            assert row is not None
            task.id = int(row[0])
        told: dict[str, Any] = {"job": task.job.id, "capability": task.job.capability}
        told |= {"state": state, "attempt": task.job.attempt}
        if state != "running":
            told |= {"seconds": round(task.seconds, 3), "error": values["error"]}
            column = {"succeeded": "done", "failed": "failed", "lost": "failed"}.get(state)
            if column is not None:
                tx.execute(
                    f"UPDATE agent SET {column} = {column} + 1 WHERE id = :id",
                    {"id": task.line.agent_id},
                )
            tx.afterwards.append(partial(self._numbers.task, task))
        self._events.append(tx, "agents.task", task.line.name, task.job.owner_id, told)

    def _write_beats(self, tx: Transaction, beats: list[tuple[AgentLine, Beat]]) -> None:
        now = time.time()
        news: dict[int, dict[str, Any]] = {}
        rows = []
        for line, beat in beats:
            busy = len(line.busy())
            rows.append((line, beat, busy))
            news.setdefault(line.who.user_id, {})[line.name] = {
                "state": "draining" if line.draining else "online",
                "busy": busy,
                "cpu_share": round(beat.cpu_share, 3),
                "memory_bytes": beat.memory_bytes,
                "gpu_share": None if beat.gpu_share is None else round(beat.gpu_share, 3),
            }
            line.fares = beat
        samples.write(tx, now, rows)
        for owner_id, agents in news.items():
            self._events.append(tx, "agents.beat", "", owner_id, {"agents": agents})
            last = tx.row("SELECT MAX(seq) FROM event")
            assert last is not None
            self._news.append((now, int(last[0])))
        while self._news and self._news[0][0] < now - NEWS_S:
            tx.execute("DELETE FROM event WHERE seq = :seq", {"seq": self._news.popleft()[1]})

    def close(self) -> None:
        """Write the rest."""
        self._stop.set()
        self._thread.join(timeout=10)
        try:
            self.flush()
        except FraktalError as error:
            log.error("what agents did is not written", reason=str(error))
