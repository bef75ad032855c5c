"""Follow one's agents and keep what a screen shows of them, as plain JSON.

Heartbeats and tasks come as events and are added up here, so that however many agents there are,
showing them asks the database nothing; it is read at the start, after a gap, and now and then for
what only it can tell, such as response times.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from fraktal_kernel.agents.registry import AGENT_STATES, state_of
from fraktal_kernel.errors import FraktalError
from fraktal_widgets.agent_facts import GIB, machine_words, spark
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import facts, milliseconds

if TYPE_CHECKING:
    from fraktal_kernel.agents.registry import AgentView
    from fraktal_kernel.core.workbench import Workbench

PAGE = 50
TASKS = 50
MOST_TASKS = 500
PICKED_MOST = 8
SPARK = 60
DOING_SHOWN = 3
CHOICES = 200
#: how long a drain can be undone: an agent that has nothing to do ends at once
UNDO_S = 5.0
#: the list is read so often while tasks end, and without any news
SUMS_S = 4.0
LOOK_S = 2.0
GATHER_S = 0.5
COMMAND = "fraktal agent start --name {name} --offers 'fractal.*'"


@dataclass(frozen=True)
class Filter:
    """Which agents and which time are looked at.

    Parameters
    ----------
    text : what name or machine contain
    capability, state : empty for any
    page : from 0
    window_s : length of the time that the charts show, up to now
    whose : whose history is shown, empty for all
    """

    text: str = ""
    capability: str = ""
    state: str = ""
    page: int = 0
    window_s: int = 900
    whose: str = ""


@dataclass
class Known:
    """One agent, and what has been heard of it since it was read."""

    view: AgentView
    beat: float
    busy: int
    fares: dict[str, float | None]
    line: deque[tuple[float | None, float | None, float | None]] = field(
        default_factory=lambda: deque(maxlen=SPARK)
    )
    begun: bool = False  # whether the little line has its past


class AgentFeed(Feed):
    """All agents of one user.

    Parameters
    ----------
    workbench : whose agents
    changed : called on a thread of the feed when something changed
    """

    about = "agents"

    def __init__(self, workbench: Workbench, changed: Callable[[], None]) -> None:
        super().__init__(workbench, changed)
        self.agents: dict[str, Known] = {}
        self.filter = Filter()
        self.picked: list[str] = []
        #: the part of the time that is looked at, in seconds since 1970; None for all of it
        self.span: tuple[float, float] | None = None
        self.problems: dict[str, str] = {}
        self.leaving: dict[str, float] = {}  # when a drain that can still be undone begins
        self.progress: dict[int, float] = {}
        self.doing: dict[str, dict[int, str]] = defaultdict(dict)  # job -> capability
        self.tasks: list[Any] = []
        self.more_tasks = False
        self.open: dict[str, Any] | None = None
        self.jumps = 0
        self._tasks_shown = TASKS
        #: told when everything is read anew: something may have been missed before
        self.reread: Callable[[], None] = lambda: None
        #: told of each heartbeat and each ended task, for whoever draws them over time
        self.heard: Callable[[str, float, dict[str, Any]], None] = lambda name, at, fares: None
        self.took: Callable[[str, float, float], None] = lambda name, at, seconds: None

    # what is shown ------------------------------------------------------------------------

    def board(self) -> dict[str, Any]:
        """Give one page of the agents that fit the filter, as JSON."""
        now = time.time()
        states = {name: self._state(known, now) for name, known in self.agents.items()}
        shown = self._shown(states)
        pages = max(1, -(-len(shown) // PAGE))
        page = min(max(0, self.filter.page), pages - 1)
        counts = {state: list(states.values()).count(state) for state in AGENT_STATES}
        offered = {name for known in self.agents.values() for name in known.view.capabilities}
        charted = set(self.charted(shown))
        return {
            "agents": [
                self._row(name, states[name], name in charted)
                for name in shown[page * PAGE : (page + 1) * PAGE]
            ],
            "total": len(self.agents),
            "shown": len(shown),
            "page": page,
            "pages": pages,
            "counts": counts,
            "capabilities": sorted(offered)[:CHOICES],
            "names": sorted(self.agents),
            "filter": {
                name: getattr(self.filter, name)
                for name in ("text", "capability", "state", "window_s", "whose")
            },
            "picked": bool(self.picked),
            "command": COMMAND.format(name="my-agent"),
            "loading": self.loading,
            "trouble": self.trouble,
            "now": round(now * 1000),
        }

    def task_board(self) -> dict[str, Any]:
        """Give the history as JSON."""
        return {
            "tasks": [
                {
                    "id": task.id,
                    "job": task.job_id,
                    "agent": task.agent,
                    "title": self.title(task.capability),
                    "state": task.state,
                    "started": milliseconds(task.started_at),
                    "ended": milliseconds(task.ended_at),
                    "error": task.error or "",
                }
                for task in self.tasks
            ],
            "more": self.more_tasks,
            "open": self.open,
            "jump": self.jumps,
            "loading": self.loading,
        }

    def _shown(self, states: dict[str, str]) -> list[str]:
        wanted = self.filter
        text = wanted.text.lower()
        return sorted(
            name
            for name, known in self.agents.items()
            if wanted.state in ("", states[name])
            and (not wanted.capability or wanted.capability in known.view.capabilities)
            and text in f"{name} {known.view.machine.host}".lower()
        )

    def charted(self, shown: list[str] | None = None) -> list[str]:
        """Name the agents that charts show: those that were picked, else the first few."""
        if shown is None:
            now = time.time()
            shown = self._shown({name: self._state(one, now) for name, one in self.agents.items()})
        return [name for name in self.picked if name in self.agents] or shown[:PICKED_MOST]

    @staticmethod
    def _state(known: Known, now: float) -> str:
        return state_of(known.view.state, known.beat, now)

    def _row(self, name: str, state: str, charted: bool) -> dict[str, Any]:
        known = self.agents[name]
        view, machine = known.view, known.view.machine
        if not known.begun:
            self._begin_line(name, known)
        total = machine.memory_bytes or 1
        doing = self.doing.get(name, {}) if state != "offline" else {}
        for job in list(doing)[:DOING_SHOWN]:
            if job not in self.progress:
                self.progress[job] = 0.0
                self.do(partial(self._read_progress, job))
        live = known.fares if state != "offline" else {}
        memory = live.get("memory_bytes")
        return {
            "id": view.id,
            "name": name,
            "state": state,
            "offers": ", ".join(view.offers),
            "machine": machine_words(machine.model_dump()),
            "slots": view.slots,
            "busy": max(known.busy, len(doing)),
            "now": [
                {
                    "job": job,
                    "title": self.title(capability),
                    "progress": round(self.progress.get(job, 0.0), 3),
                }
                for job, capability in list(doing.items())[:DOING_SHOWN]
            ],
            "more": max(0, len(doing) - DOING_SHOWN),
            "done": view.done,
            "failed": view.failed,
            "error_rate": view.error_rate,
            "p50_s": view.response_p50_s,
            "p95_s": view.response_p95_s,
            "connections": view.connections,
            "refusals": view.refusals,
            "cpu": live.get("cpu_share"),
            "cpu_line": spark((one[0] for one in known.line), 1.0),
            "memory": None if memory is None else f"{memory / GIB:.1f} GiB",
            "memory_line": spark((one[1] for one in known.line), total),
            "gpu": live.get("gpu_share"),
            "gpu_line": spark((one[2] for one in known.line), 1.0),
            "beat": round(known.beat * 1000),
            "picked": charted,
            "leaves": round(self.leaving[name] * 1000) if name in self.leaving else None,
            "problem": self.problems.get(name, ""),
        }

    def _begin_line(self, name: str, known: Known) -> None:
        """Give an agent's little line its past, once, when the agent comes into sight."""
        known.begun = True

        def fill() -> None:
            past = self.workbench.agents.history(name, time.time() - SPARK, SPARK)
            lines = [(one.cpu_share, one.memory_bytes, one.gpu_share) for one in past]
            known.line.extendleft(reversed(lines[: SPARK - len(known.line)]))

        self.do(fill)

    def _read_progress(self, job: int) -> None:
        """Learn how far a job is that has come onto the screen; events tell the rest."""
        self.progress[job] = self.workbench.jobs.get(job).progress

    # what the user wishes -----------------------------------------------------------------

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user wished; what is refused stands beside the agent."""
        self.do(lambda: self._grant(wish))

    def _grant(self, wish: dict[str, Any]) -> None:
        what, name = str(wish.get("do")), str(wish.get("agent", ""))
        self.problems.pop(name, None)
        match what:
            case "filter":
                given = {key: wish[key] for key in ("text", "capability", "state") if key in wish}
                page = int(wish.get("page", 0 if given else self.filter.page))
                window_s = int(wish.get("window_s", self.filter.window_s))
                self.filter = replace(self.filter, **given, page=page, window_s=window_s)
                if "window_s" in wish:
                    self.span = None
                if "capability" in given or "window_s" in wish:
                    self._load_tasks()
            case "zoom":
                start, end = wish.get("from"), wish.get("to")
                self.span = None if start is None or end is None else (float(start), float(end))
                self._load_tasks()
            case "pick":
                self._pick(name)
            case "drain" if name in self.agents:
                self.leaving[name] = time.time() + UNDO_S
                self._later(f"drain {name}", UNDO_S, lambda: self._drain(name))
            case "keep":
                self.leaving.pop(name, None)
                self._due.pop(f"drain {name}", None)
            case "resume" if name in self.agents:
                self._resume(name)
            case "tasks" | "history":
                self.filter = replace(self.filter, whose=name)
                self._tasks_shown, self.open = TASKS, None
                self.jumps += what == "history"
                self._load_tasks()
            case "older":
                self._tasks_shown = min(self._tasks_shown + TASKS, MOST_TASKS)
                self._load_tasks()
            case "open-task":
                self._open_task(int(wish.get("task", 0)))
            case "close-task":
                self.open = None

    def _pick(self, name: str) -> None:
        if name in self.picked:
            self.picked.remove(name)
        elif name in self.agents:
            self.picked = [*self.picked, name][-PICKED_MOST:]

    def _drain(self, name: str) -> None:
        self.leaving.pop(name, None)
        try:
            self.workbench.agents.drain(name)
        except FraktalError as error:
            self.problems[name] = str(error)
        self._load_agents()

    def _resume(self, name: str) -> None:
        try:
            self.workbench.agents.resume(name)
        except FraktalError as error:
            self.problems[name] = str(error)
        self._load_agents()

    def _open_task(self, task_id: int) -> None:
        task = next((one for one in self.tasks if one.id == task_id), None)
        if task is None:
            return
        job = self.workbench.jobs.get(task.job_id)
        result = job.result if task.state == "succeeded" else {}
        self.open = {
            "id": task.id,
            "params": facts(job.params),
            "result": facts(result if isinstance(result, dict) else {"": result}),
            "error": task.error or "",
        }

    # on the thread of the feed ------------------------------------------------------------

    def _load(self) -> None:
        self._load_agents()
        self._load_tasks()
        self.reread()
        self.loading = False
        self._look()

    def _look(self) -> None:
        """Look again though nothing is told: who is silent is offline after a while."""
        self._later("look", LOOK_S, self._look)

    def _load_agents(self) -> None:
        found: dict[str, Known] = {}
        self.doing.clear()
        for view in self.workbench.agents.list():
            fares = {
                "cpu_share": view.cpu_share,
                "memory_bytes": view.memory_bytes,
                "gpu_share": view.gpu_share,
            }
            new = Known(view, view.last_beat.timestamp(), len(view.doing), fares)
            old = self.agents.get(view.name)
            if old is not None:
                new.line, new.begun = old.line, old.begun
                if old.beat > new.beat:  # heartbeats are told before they are read
                    new.beat, new.busy, new.fares = old.beat, old.busy, old.fares
            found[view.name] = new
            for task in view.doing:
                self.doing[view.name][task.job_id] = task.capability
        self.agents = found
        running = {job for jobs in self.doing.values() for job in jobs}
        self.progress = {job: share for job, share in self.progress.items() if job in running}

    def _load_tasks(self) -> None:
        since, until = self.span or (None, None)
        found = self.workbench.agents.tasks(
            self.filter.whose if self.filter.whose in self.agents else None,
            capability=self.filter.capability or None,
            since=None if since is None else max(0.0, since),
            until=None if until is None else max(0.0, until),
            limit=self._tasks_shown + 1,
        )
        self.more_tasks = len(found) > self._tasks_shown and self._tasks_shown < MOST_TASKS
        self.tasks = found[: self._tasks_shown]

    def _apply(self, event: Any) -> bool:
        match event.topic:
            case "agents.beat":
                for name, fares in event.payload["agents"].items():
                    self._beat(name, event.time, fares)
            case "agents.task":
                self._task(event)
            case "agents.state":
                self._later("agents", GATHER_S, self._load_agents)
            case "jobs.progress":
                job = int(event.subject)
                if job not in self.progress:  # of one that does not stand on the screen
                    return False
                self.progress[job] = float(event.payload.get("progress", 0.0))
            case _:
                return False
        return True

    def _beat(self, name: str, at: datetime, fares: dict[str, Any]) -> None:
        known = self.agents.get(name)
        if known is None:
            self._later("agents", GATHER_S, self._load_agents)
            return
        known.beat, known.busy, known.fares = at.timestamp(), int(fares["busy"]), fares
        line = (fares["cpu_share"], fares["memory_bytes"], fares["gpu_share"])
        known.line.append(line)
        if known.view.state != fares["state"]:
            known.view = known.view.model_copy(update={"state": fares["state"]})
        self.heard(name, known.beat, fares)

    def _task(self, event: Any) -> None:
        name, told = event.subject, event.payload
        self._later("tasks", GATHER_S, self._load_tasks)
        known = self.agents.get(name)
        if known is None:
            return
        if told["state"] == "running":
            self.doing[name][told["job"]] = told["capability"]
            return
        self.doing[name].pop(told["job"], None)
        self.progress.pop(told["job"], None)
        column = {"succeeded": "done", "failed": "failed", "lost": "failed"}.get(told["state"])
        if column is not None:
            counted = {column: getattr(known.view, column) + 1}
            known.view = known.view.model_copy(update=counted)
        if told["state"] == "succeeded":
            self.took(name, event.time.timestamp(), float(told["seconds"]))
        # only the database knows the rates and times of the last hour
        self._later("sums", SUMS_S, self._load_agents)
