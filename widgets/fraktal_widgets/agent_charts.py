"""How a few agents fared over time, as lines: kept in memory, binned for the screen."""

from __future__ import annotations

import time
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fraktal_widgets.agent_facts import GIB, binned, medians, packed

if TYPE_CHECKING:
    from fraktal_widgets.agent_feed import AgentFeed

BINS = 240
RESPONSE_BINS = 60
POINTS = 5000
KEPT = 20_000
TASKS = 1000
#: what is measured -> by what it is divided for the screen
MEASURED = {"cpu": ("cpu_share", 0.01), "memory": ("memory_bytes", GIB), "gpu": ("gpu_share", 0.01)}
BUSY = {"busy": ("busy", 1.0)}


class AgentCharts:
    """Measurements of the agents that a feed picks, over its window or over a part of it.

    Parameters
    ----------
    feed : says which agents and which time, and tells what is measured from now on
    """

    def __init__(self, feed: AgentFeed) -> None:
        self._feed = feed
        self._samples: dict[str, deque[tuple[float, dict[str, Any]]]] = {}
        self._took: dict[str, deque[tuple[float, float]]] = {}
        self._since: dict[str, float] = {}
        self._key: Any = None
        self._drawn_at = 0.0
        self._fresh = False
        feed.reread = self._again
        feed.heard = self._heard
        feed.took = self._ended

    def _again(self) -> None:
        self._since.clear()
        self._fresh = False

    def _heard(self, name: str, at: float, fares: dict[str, Any]) -> None:
        if name in self._samples:
            self._samples[name].append((at, fares))

    def _ended(self, name: str, at: float, seconds: float) -> None:
        if name in self._took:
            self._took[name].append((at, seconds))

    def board(self, now: float | None = None) -> dict[str, Any] | None:
        """Give the lines as JSON; None where nothing worth sending has changed."""
        now = now or time.time()
        names = self._feed.charted()
        key = (names, self._feed.filter.window_s, self._feed.span)
        pause = min(60.0, max(1.0, self._feed.filter.window_s / BINS / 2))
        moving = self._feed.span is None and now - self._drawn_at >= pause
        if key == self._key and self._fresh and not moving:
            return None
        self._key, self._drawn_at, self._fresh = key, now, True
        start, end = self._feed.span or (now - self._feed.filter.window_s, now)
        for name in names:
            self._read(name, start)
        for gone in set(self._samples) - set(names):
            del self._samples[gone], self._took[gone]
            self._since.pop(gone, None)
        return {
            "from": start,
            "to": end,
            "zoomed": self._feed.span is not None,
            "agents": [{"id": self._feed.agents[name].view.id, "name": name} for name in names],
            "series": self._series(names, start, end),
        }

    def _series(self, names: list[str], start: float, end: float) -> dict[str, list[str]]:
        series: dict[str, list[str]] = {}
        # a sample stands for a minute where it is old: no more parts than there are samples
        bins = max(10, min(BINS, int((end - start) / (60 if end < time.time() - 900 else 2))))
        for what, (measured, unit) in (MEASURED | BUSY).items():
            series[what] = []
            for name in names:
                samples = list(self._samples[name])
                values = [fares[measured] for _, fares in samples]
                line = binned([at for at, _ in samples], values, start, end, bins) / unit
                series[what].append(packed(_bridged(line)))
        series["response"] = [
            packed(medians(*_columns(self._took[name]), start, end, RESPONSE_BINS))
            for name in names
        ]
        return series

    def _read(self, name: str, since: float) -> None:
        """Read an agent's past, where it reaches further back than what is known."""
        if self._since.get(name, float("inf")) <= since + 1:
            return
        agents = self._feed.workbench.agents
        self._since[name] = since
        past = agents.history(name, since, POINTS)
        fares = ((one.time, one.model_dump(exclude={"time"})) for one in past)
        self._samples[name] = deque(fares, maxlen=KEPT)
        tasks = agents.tasks(name, state="succeeded", since=since, limit=TASKS)
        ended = [(one.ended_at.timestamp(), one.seconds) for one in reversed(tasks) if one.ended_at]
        self._took[name] = deque(ended, maxlen=KEPT)


def _columns(pairs: deque[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [at for at, _ in pairs], [value for _, value in pairs]


def _bridged(line: np.ndarray, most: int = 3) -> np.ndarray:
    """Fill short gaps with the value before: heartbeats do not fall into step with parts."""
    known = np.flatnonzero(~np.isnan(line))
    filled = line.copy()
    for before, after in pairwise(known):
        if after - before <= most + 1:
            filled[before:after] = line[before]
    return filled
