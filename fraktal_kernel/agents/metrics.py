"""The agents' numbers for Prometheus: what they did, counted here, and how they stand now."""

from __future__ import annotations

import bisect
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from fraktal_kernel.core.monitoring.metrics import JOB_SECONDS, register_metrics

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from fraktal_kernel.agents.desk import AgentLine, Desk
    from fraktal_kernel.agents.placing import Task

#: How many agents have series of their own; of so many one asks the database instead.
MOST_SERIES = 500


class Numbers:
    """Counts the tasks of one desk's agents, and looks at its lines when somebody asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(JOB_SECONDS) + 1))
        self._sums: dict[str, float] = defaultdict(float)
        self._known: set[str] = set()
        self._forget = register_metrics(self.collect)

    def task(self, task: Task) -> None:
        """Count a task that has ended."""
        name, seconds = task.line.name, task.seconds
        with self._lock:
            if name not in self._known and len(self._known) >= MOST_SERIES:
                return
            self._known.add(name)
            self._ended[name, task.state] += 1
            self._buckets[name][bisect.bisect_left(JOB_SECONDS, seconds)] += 1
            self._sums[name] += seconds

    def collect(self) -> list[Metric]:
        """Make the metrics of this moment."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        lines = self._desk.online()
        states = GaugeMetricFamily(
            "fraktal_agents", "Agents that are in a state now.", labels=["state"]
        )
        draining = sum(line.draining for line in lines)
        known = self._desk.scribe.count()
        for state, count in (
            ("online", len(lines) - draining),
            ("draining", draining),
            ("offline", max(0, known - len(lines))),
        ):
            states.add_metric([state], count)
        tasks = CounterMetricFamily(
            "fraktal_agent_tasks", "Tries of jobs on agents that ended.", labels=["agent", "state"]
        )
        took = HistogramMetricFamily(
            "fraktal_agent_task_duration_seconds",
            "Time from giving a job to an agent to the end of that try.",
            labels=["agent"],
        )
        with self._lock:
            for (name, state), count in self._ended.items():
                tasks.add_metric([name, state], count)
            for name, counts in self._buckets.items():
                total, buckets = 0, []
                limits = [*map(float, JOB_SECONDS), float("inf")]
                for limit, count in zip(limits, counts, strict=True):
                    total += count
                    buckets.append(("+Inf" if limit == float("inf") else str(limit), total))
                took.add_metric([name], buckets, self._sums[name])
        return [states, tasks, took, *self._fares(lines[:MOST_SERIES])]

    @staticmethod
    def _fares(lines: list[AgentLine]) -> list[Metric]:
        """Make the gauges of each agent that is online."""
        from prometheus_client.core import GaugeMetricFamily

        now = time.monotonic()
        texts = {
            "last_beat_age_seconds": "Time since the agent was heard.",
            "slots": "Jobs that the agent does at once at most.",
            "busy": "Jobs that the agent does now.",
            "cpu_share": "How busy the agent's processors are, from 0 to 1.",
            "memory_bytes": "Memory in use on the agent's machine.",
            "gpu_share": "How busy the agent's busiest graphics card is, from 0 to 1.",
        }
        made = {
            name: GaugeMetricFamily(f"fraktal_agent_{name}", text, labels=["agent"])
            for name, text in texts.items()
        }
        for name, line in {line.name: line for line in lines}.items():  # of two owners: one
            beat = line.fares
            values: dict[str, float | None] = {
                "last_beat_age_seconds": now - line.heard,
                "slots": line.words.slots if line.words else 0,
                "busy": len(line.busy()),
                "cpu_share": beat.cpu_share if beat else None,
                "memory_bytes": beat.memory_bytes if beat else None,
                "gpu_share": beat.gpu_share if beat else None,
            }
            for key, value in values.items():
                if value is not None:
                    made[key].add_metric([name], value)
        return list(made.values())

    def close(self) -> None:
        """Show nothing more."""
        self._forget()
