"""Follow one plan and keep what a screen shows of its graph, as plain JSON."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import facts, milliseconds, thumbnail
from fraktal_widgets.job_feed import PICTURE_MAX_BYTES, PICTURE_TYPES

if TYPE_CHECKING:
    from fraktal_kernel.agents.plans.picture import Graph, Node
    from fraktal_kernel.core.jobs.model import JobView
    from fraktal_kernel.core.workbench import Workbench

PLAN = "plan.run"
#: so many of the newest jobs are looked through for plans, so many plans are offered
LOOKED_THROUGH, OFFERED = 300, 8
#: a fan-out of at most so many is drawn part by part, a larger one as counts
PARTS_DRAWN = 12
PICTURES = 6
GATHER_S = 0.2
#: reading a plan takes at most this share of the time, however large it is
SHARE = 0.25
_NAME = re.compile(r"^(?P<step>[a-z0-9_]+)(?:\[(?P<part>\d+)\])?(?:/\d+)?$")


class PlanFeed(Feed):
    """One plan of a workbench.

    Parameters
    ----------
    workbench : whose plan
    job : the number of its job; None for the newest
    changed : called on a thread of the feed when something changed
    """

    about = "plan"
    topics = "jobs.*"

    def __init__(self, workbench: Workbench, job: int | None, changed: Callable[[], None]) -> None:
        super().__init__(workbench, changed)
        self.job = job
        self.view: JobView | None = None
        self.graph: Graph | None = None
        self.children: dict[str, JobView] = {}
        self.plans: list[JobView] = []
        self.missing = ""
        self.problem = ""
        self.open: tuple[str, int | None] | None = None
        self._by_step: dict[str, dict[int | None, list[JobView]]] = {}
        self._pictures: dict[str, str | None] = {}
        self._cost_s = 0.0

    # what is shown ------------------------------------------------------------------------

    def board(self) -> dict[str, Any]:
        """Give the head and the graph as JSON."""
        view, graph = self.view, self.graph
        nodes = [] if graph is None else [self._node(node, graph) for node in graph.nodes]
        finished = sum(node["state"] in ("succeeded", "skipped") for node in nodes)
        asks = [node["title"] for node in nodes if node["waits"] in ("approval", "question")]
        return {
            "job": None if view is None or graph is None else _head(view, bool(asks)),
            "name": "" if graph is None else graph.name,
            "limits": "" if graph is None else _limits(graph),
            "cost": 0.0 if graph is None else graph.cost,
            "nodes": nodes,
            "done": finished,
            "total": len(nodes),
            "asks": asks,
            "plans": [
                {"id": one.id, "title": _plan_name(one), "state": _at_work(one)}
                for one in self.plans
            ],
            "missing": self.missing,
            "problem": self.problem,
            "loading": self.loading,
            "trouble": self.trouble,
            "now": round(time.time() * 1000),
        }

    def details(self) -> dict[str, Any]:
        """Give the step that stands open as JSON; empty where none does."""
        if self.open is None or self.graph is None:
            return {}
        step, part = self.open
        node = next((one for one in self.graph.nodes if one.id == step), None)
        if node is None:
            return {}
        tries = self._tries(step)
        shown: dict[str, Any] = {"step": step, "item": part, "words": node.ask}
        fan = any(index is not None for index in tries)
        if fan and part is None:
            items = [{"index": index, "state": views[-1].state} for index, views in tries.items()]
            return shown | {"facts": [], "error": node.error, "items": items}
        views = tries.get(part, [])
        if not views:
            return shown | {"facts": [], "error": node.error}
        last = views[-1]
        files = self.workbench.jobs.artifacts(last.id) if last.started_at else []
        return shown | {
            "job": last.id,
            "facts": _facts_of(last, len(views)),
            "error": last.error or node.error,
            "params": facts(last.params),
            "result": facts(last.result if isinstance(last.result, dict) else {"": last.result}),
            "files": [one.name for one in files],
            "pictures": [
                {"name": one.name, "url": url}
                for one in files[:PICTURES]
                if (url := self._picture(one))
            ],
        }

    def _node(self, node: Node, graph: Graph) -> dict[str, Any]:
        known = self.workbench.capabilities
        tries = self._tries(node.id)
        fan = any(index is not None for index in tries) or node.calls != 1
        states = [views[-1].state for index, views in sorted(tries.items(), key=_by_part)]
        counts = Counter(states)
        what = node.capability
        return {
            "id": node.id,
            "title": node.id.replace("_", " "),
            "capability": f"{known[what].title}, {what}" if what in known else what or node.ask,
            "state": node.state,
            "waits": node.waits_for,
            "effect": node.effect,
            "progress": round(node.progress, 3),
            "after": [edge.start for edge in graph.edges if edge.end == node.id],
            "total": node.calls if fan else 0,
            "counts": dict(counts) if fan else {},
            "parts": states + ["planned"] * (node.calls - len(states))
            if fan and node.calls <= PARTS_DRAWN
            else [],
            "attempts": node.attempts,
        }

    def _tries(self, step: str) -> dict[int | None, list[JobView]]:
        """List the jobs of one step in their order, by the part of it that they did."""
        return self._by_step.get(step, {})

    def _picture(self, artifact: Any) -> str | None:
        """Make the small picture of a file, once; None where it is none."""
        if artifact.media_type not in PICTURE_TYPES or artifact.size_bytes > PICTURE_MAX_BYTES:
            return None
        if artifact.sha256 not in self._pictures:
            self._pictures[artifact.sha256] = thumbnail(artifact.read())
        return self._pictures[artifact.sha256]

    # what the user wishes -----------------------------------------------------------------

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user wished; a refusal stands in the head."""
        self.do(lambda: self._grant(wish))

    def _grant(self, wish: dict[str, Any]) -> None:
        self.problem = ""
        what = wish.get("do")
        try:
            if what == "plan":
                self.job, self.open = int(wish["job"]), None
            elif what == "open":
                step, part = str(wish.get("step") or ""), wish.get("item")
                self.open = (step, None if part is None else int(part)) if step else None
                return
            elif what == "stop" and self.job is not None:
                self.workbench.jobs.cancel(self.job)
            elif what == "resume" and self.job is not None:
                self.workbench.jobs.retry(self.job)
        except FraktalError as error:
            self.problem = str(error)
        self._read_plan()

    # on the thread of the feed ------------------------------------------------------------

    def _load(self) -> None:
        newest = self.workbench.jobs.list(limit=LOOKED_THROUGH)
        self.plans = [job for job in newest if job.capability == PLAN][:OFFERED]
        if self.job is None and self.plans:
            self.job = self.plans[0].id
        self._read_plan()
        self.loading = False

    def _read_plan(self) -> None:
        from fraktal_kernel.agents.plans.picture import graph

        if self.job is None:
            return
        began = time.monotonic()
        try:
            self.view = self.workbench.jobs.get(self.job)
            self.children = self.workbench.jobs.children(self.job)
            self.graph, self.missing = graph(self.view, self.children), ""
        except (NotFound, InvalidInput) as error:
            self.view = self.graph = None
            self.missing = str(error)
            return
        self._by_step = defaultdict(dict)
        for name, child in sorted(self.children.items(), key=lambda pair: pair[1].id):
            found = _NAME.match(name)
            if found:
                part = None if found["part"] is None else int(found["part"])
                self._by_step[found["step"]].setdefault(part, []).append(child)
        self.plans = [self.view if one.id == self.job else one for one in self.plans]
        self._cost_s = time.monotonic() - began

    def _apply(self, event: Any) -> bool:
        if event.topic == "jobs.log":
            return False
        job = int(event.subject)
        ours = {child.id for child in self.children.values()} | {self.job}
        if event.payload.get("capability") == PLAN and job not in ours:
            self._later("load", GATHER_S, self._load)
        elif job in ours or event.payload.get("state") == "queued":
            pause = max(GATHER_S, self._cost_s / SHARE)
            self._later("plan", pause, self._read_plan)
        return False  # what is read a moment later is told then


def _at_work(view: JobView) -> str:
    """Say how a plan stands: its own job waits while its steps work, and yet it runs."""
    return "running" if view.state == "waiting" else view.state


def _head(view: JobView, asks: bool) -> dict[str, Any]:
    return {
        "id": view.id,
        "title": _plan_name(view),
        "state": view.state if asks else _at_work(view),
        "message": view.message,
        "error": view.error or "",
        "started": milliseconds(view.started_at),
        "ended": milliseconds(view.ended_at),
    }


def _plan_name(view: JobView) -> str:
    plan = view.params.get("plan")
    return str(plan.get("name", "plan")) if isinstance(plan, dict) else "plan"


def _limits(graph: Graph) -> str:
    """Say what bounds a plan; empty where nothing does."""
    words = []
    if graph.time_limit_s is not None:
        words.append(f"at most {graph.time_limit_s:g} s")
    if graph.cost_limit is not None:
        words.append(f"cost at most {graph.cost_limit:g}")
    return ", ".join(words)


def _by_part(pair: tuple[int | None, Any]) -> int:
    return -1 if pair[0] is None else pair[0]


def _facts_of(job: JobView, tries: int) -> list[str]:
    words = [job.state]
    if tries > 1:
        words.append(f"try {tries}")
    if job.ran_on:
        words.append(f"on {job.ran_on}")
    if job.started_at and job.ended_at:
        words.append(f"took {(job.ended_at - job.started_at).total_seconds():.3g} s")
    if job.cost:
        words.append(f"cost {job.cost:.3g}")
    return words
