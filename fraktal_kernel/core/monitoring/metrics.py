"""Numbers for Prometheus: what has happened, counted here, and what is now, asked for.

What happened is counted by the ``observe_*`` functions where it happens. What is now (queue,
workers, database, store) is asked of the workbench when somebody looks, through
:func:`register_gauge_source`, so that a number is never older than its look.

The numbers live in a registry of our own: a notebook that counts things of its own with
prometheus_client keeps its registry to itself.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeVar

from fraktal_kernel.core.monitoring.logs import get_logger

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector, CollectorRegistry

JOB_STATES = ("queued", "running", "waiting", "succeeded", "failed", "cancelled")
JOB_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
HTTP_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"}

T = TypeVar("T")
log = get_logger("metrics")


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is now; None where a source does not know."""

    jobs_in_state: Mapping[str, int] = field(default_factory=dict)
    queue_oldest_age_s: float | None = None
    workers: Mapping[str, int] = field(default_factory=dict)
    database_up: bool | None = None
    store_up: bool | None = None
    disk_free_bytes: int | None = None
    disk_size_bytes: int | None = None
    #: messages that wait, by group
    bus_waiting: Mapping[str, int] = field(default_factory=dict)
    bus_connected: bool | None = None
    outbox_age_s: float | None = None


GaugeSource = Callable[[], Gauges]
MetricSource = Callable[[], "list[Metric]"]

BUS = {
    "published": "Messages that were published.",
    "delivered": "Messages that a group has handled.",
    "redelivered": "Deliveries of a message that a group was given before.",
    "deduplicated": "Messages that were dropped because their id was known; no group: published.",
    "dead": "Messages that a group gave up on.",
}

_published: dict[str, int] = {}
_bus: dict[tuple[str, str], int] = {}
_published_lock = threading.Lock()
_sources: list[GaugeSource] = []
_metric_sources: list[MetricSource] = []
_sources_lock = threading.Lock()


def register_gauge_source(source: GaugeSource) -> Callable[[], None]:
    """Ask ``source`` for the current gauges at every look; return what ends that.

    It is called from the thread that renders. One that raises costs its own gauges in that
    look, is logged, and counts in ``fraktal_gauge_source_errors_total``.
    """
    with _sources_lock:
        _sources.append(source)

    def remove() -> None:
        with _sources_lock:
            if source in _sources:
                _sources.remove(source)

    return remove


def register_metrics(source: MetricSource) -> Callable[[], None]:
    """Show what a floor above counts, as whole metrics; return what ends that.

    It is called at every look, and what goes wrong in it is treated as by
    :func:`register_gauge_source`.
    """
    with _sources_lock:
        _metric_sources.append(source)

    def remove() -> None:
        with _sources_lock:
            if source in _metric_sources:
                _metric_sources.remove(source)

    return remove


def observe_job(capability: str, state: str, duration_s: float | None = None) -> None:
    """Count a job that ended, and how long it ran where it ran at all."""
    numbers = _numbers()
    numbers.jobs.labels(capability, state).inc()
    if duration_s is not None:
        numbers.job_seconds.labels(capability, state).observe(max(0.0, duration_s))


def observe_event(topic: str, count: int = 1) -> None:
    """Count events of one topic that were published.

    Every job publishes several, in programs too where nobody ever looks at the numbers: so
    they are added up here, and prometheus_client is imported at the first look.
    """
    with _published_lock:
        _published[topic] = _published.get(topic, 0) + count


def observe_bus(what: str, group: str, count: int) -> None:
    """Count messages of the bus: one of ``BUS``, and the group, empty where it is of none."""
    if count:
        with _published_lock:
            _bus[what, group] = _bus.get((what, group), 0) + count


def observe_request(method: str, route: str, status: int, duration_s: float) -> None:
    """Count one HTTP request.

    ``route`` is the pattern (``/api/jobs/{id}``) and never the path itself, or every job
    would become a time series of its own; what matched no route is one route, ``unmatched``.
    """
    numbers = _numbers()
    method = method.upper() if method.upper() in HTTP_METHODS else "OTHER"
    labels = (method, route or "unmatched", str(int(status)))
    numbers.requests.labels(*labels).inc()
    numbers.request_seconds.labels(*labels).observe(max(0.0, duration_s))


def own_registry() -> CollectorRegistry:
    """Return the registry that is shown, for a room that counts things of its own."""
    return _numbers().registry


def render() -> tuple[bytes, str]:
    """Return all numbers in Prometheus' text format, and the content type of that.

    Examples
    --------
    >>> text, content_type = render()
    >>> b"fraktal_build_info{" in text, content_type.partition(";")[0]
    (True, 'text/plain')
    """
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    return generate_latest(_Shown(_numbers().registry)), CONTENT_TYPE_PLAIN_0_0_4


class _Numbers:
    """Every metric of this process; made once, at the first use."""

    def __init__(self) -> None:
        # prometheus_client takes about as long to import as the rest of the core together.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = own = CollectorRegistry(auto_describe=False)
        own.register(_Now(self))  # first, so that its errors are counted in the same look
        self.jobs = Counter(
            "fraktal_jobs", "Jobs that ended.", ["capability", "state"], registry=own
        )
        self.job_seconds = Histogram(
            "fraktal_job_duration_seconds",
            "Time from the last start of a job to its end.",
            ["capability", "state"],
            buckets=JOB_SECONDS,
            registry=own,
        )
        route = ["method", "route", "status"]
        self.requests = Counter(
            "fraktal_http_requests", "HTTP requests that were answered.", route, registry=own
        )
        self.request_seconds = Histogram(
            "fraktal_http_request_duration_seconds",
            "Time from an HTTP request to the end of its answer.",
            route,
            registry=own,
        )
        self.source_errors = Counter(
            "fraktal_gauge_source_errors",
            "Times that the workbench could not say what is now.",
            registry=own,
        )
        build = Gauge(
            "fraktal_build_info",
            "The version that runs; always 1.",
            ["version", "python"],
            registry=own,
        )
        build.labels(_version(), platform.python_version()).set(1)
        own.register(_Published())
        own.register(_Process())


_made: _Numbers | None = None
_made_lock = threading.Lock()


def _numbers() -> _Numbers:
    global _made
    if _made is None:
        with _made_lock:
            if _made is None:
                _made = _Numbers()
    return _made


def _version() -> str:
    try:
        return version("fraktal")
    except PackageNotFoundError:
        return "unknown"


class _Shown:
    """All of a registry, but for the time at which each series began.

    Those are half of all lines, and Prometheus has no use for them in this format.
    """

    def __init__(self, registry: Collector) -> None:
        self.registry = registry

    def collect(self) -> Iterator[Metric]:
        """Leave out the samples that end in ``_created``."""
        for metric in self.registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric


class _Now:
    """Collects the gauges from all sources, added up where there are several workbenches."""

    def __init__(self, numbers: _Numbers) -> None:
        self.numbers = numbers
        self.told: set[Callable[[], Any]] = (
            set()
        )  # a source that fails at every look is logged once

    def _ask(self, source: Callable[[], T]) -> T | None:
        try:
            answer = source()
        except Exception as error:
            self.numbers.source_errors.inc()
            if source not in self.told:
                self.told.add(source)
                log.warning("gauge source failed", error=f"{type(error).__name__}: {error}")
            return None
        self.told.discard(source)
        return answer

    def collect(self) -> Iterator[Metric]:
        """Ask every source once."""
        from prometheus_client.core import GaugeMetricFamily

        with _sources_lock:
            sources, metric_sources = list(_sources), list(_metric_sources)
        for each in metric_sources:
            yield from self._ask(each) or ()
        found = [answer for source in sources if (answer := self._ask(source)) is not None]
        if not found:
            return
        jobs = GaugeMetricFamily(
            "fraktal_jobs_in_state", "Jobs that are in a state now.", labels=["state"]
        )
        totals = _added([each.jobs_in_state for each in found])
        for state in dict.fromkeys([*JOB_STATES, *totals]):
            # A state without jobs says 0: a series that comes and goes cannot be alerted on.
            jobs.add_metric([state], totals.get(state, 0))
        yield jobs
        workers = GaugeMetricFamily(
            "fraktal_workers", "Worker processes that are in a state now.", labels=["state"]
        )
        for state, count in _added([each.workers for each in found]).items():
            workers.add_metric([state], count)
        yield workers
        ages = [each.queue_oldest_age_s for each in found if each.queue_oldest_age_s is not None]
        yield GaugeMetricFamily(
            "fraktal_queue_oldest_age_seconds",
            "Age of the oldest job that could start and has not; 0 when there is none.",
            value=max(ages, default=0.0),
        )
        for name, text in (("free", "Free bytes"), ("size", "Size")):
            disks = [getattr(each, f"disk_{name}_bytes") for each in found]
            if sizes := [size for size in disks if size is not None]:
                yield GaugeMetricFamily(
                    f"fraktal_disk_{name}_bytes",
                    f"{text} of the workspace's disk, in bytes.",
                    value=min(sizes),
                )
        waits = GaugeMetricFamily(
            "fraktal_bus_waiting", "Messages that a group has not handled yet.", labels=["group"]
        )
        for group, count in _added([each.bus_waiting for each in found]).items():
            waits.add_metric([group], count)
        yield waits
        yield GaugeMetricFamily(
            "fraktal_bus_outbox_age_seconds",
            "Age of the oldest message that has not reached the broker; 0 when there is none.",
            value=max((each.outbox_age_s or 0.0 for each in found), default=0.0),
        )
        if lines := [each.bus_connected for each in found if each.bus_connected is not None]:
            yield GaugeMetricFamily(
                "fraktal_bus_connected",
                "Whether the bus carries messages: 1, or 0 while its broker does not answer.",
                value=all(lines),
            )
        for name, text in (("database", "database"), ("store", "artifact store")):
            answers = [getattr(each, f"{name}_up") for each in found]
            known = [answer for answer in answers if answer is not None]
            if known:
                yield GaugeMetricFamily(
                    f"fraktal_{name}_up", f"Whether the {text} answers: 1 or 0.", value=all(known)
                )


def _added(parts: list[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


class _Published:
    """Collects how many events and messages were published, and what became of these."""

    def collect(self) -> Iterator[Metric]:
        """Copy what :func:`observe_event` and :func:`observe_bus` added up."""
        from prometheus_client.core import CounterMetricFamily

        events = CounterMetricFamily(
            "fraktal_events", "Events that were published.", labels=["topic"]
        )
        with _published_lock:
            counts, messages = dict(_published), dict(_bus)
        for topic, count in counts.items():
            events.add_metric([topic], count)
        yield events
        for what, text in BUS.items():
            labels = [] if what == "published" else ["group"]
            total = CounterMetricFamily(f"fraktal_bus_{what}", text, labels=labels)
            for (kind, group), count in messages.items():
                if kind == what:
                    total.add_metric([group] if labels else [], count)
            yield total


class _Process:
    """Our own process, in the names that Prometheus uses everywhere."""

    def collect(self) -> Iterator[Metric]:
        """Measure this process now."""
        import psutil
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        process = psutil.Process(os.getpid())
        with process.oneshot():
            cpu = process.cpu_times()
            gauges: dict[str, tuple[str, Any]] = {
                "process_resident_memory_bytes": (
                    "Resident memory size in bytes.",
                    process.memory_info().rss,
                ),
                "process_start_time_seconds": (
                    "Start time of the process since unix epoch in seconds.",
                    process.create_time(),
                ),
                "process_threads": ("Number of threads.", process.num_threads()),
            }
            if hasattr(process, "num_fds"):  # not on Windows
                gauges["process_open_fds"] = (
                    "Number of open file descriptors.",
                    process.num_fds(),
                )
        yield CounterMetricFamily(
            "process_cpu_seconds",
            "Total user and system CPU time spent in seconds.",
            value=cpu.user + cpu.system,
        )
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
