"""The workbench that owns its database, store and workers."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.detached import DetachedRun
from fraktal_kernel.core.events import Events, EventView
from fraktal_kernel.core.jobs.approvals import LocalApprovals
from fraktal_kernel.core.jobs.dispatcher import Dispatcher
from fraktal_kernel.core.jobs.journal import Claimed, Journal
from fraktal_kernel.core.jobs.reading import Reader
from fraktal_kernel.core.jobs.service import LocalJobs
from fraktal_kernel.core.monitoring.alerts import (
    FAILURES_S,
    Alert,
    Facts,
    Limits,
    alerts,
    urgent_first,
)
from fraktal_kernel.core.monitoring.logs import close_logs, configure_logs
from fraktal_kernel.core.monitoring.metrics import Gauges, register_gauge_source
from fraktal_kernel.core.run import Run
from fraktal_kernel.core.security import Principal, Security
from fraktal_kernel.core.services import Asked, answer
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.core.store import Store
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.core.workspace import Hold, make_folder
from fraktal_kernel.errors import AlreadyRunning, Conflict, FraktalError

if TYPE_CHECKING:
    from fraktal_kernel.core.tracing.export import Exporter

#: So long after its start a server without workers is no alert.
STARTING_S = 60.0


class Engine:
    """What all users of one workspace share."""

    def __init__(self, settings: Settings, may_run: bool) -> None:
        make_folder(settings.data)
        self.settings = settings
        self.may_run = may_run
        self.database = Database(settings.database)
        self.database.migrate()
        self.store = Store(settings.store, **settings.store_options)
        self.events = Events(self.database)
        approval_s = settings.approval_hours * 3600
        self.journal = Journal(self.database, self.events, settings.retry_delay_s, approval_s)
        self.security = Security(self.database, settings.session_days)
        self.dispatcher: Dispatcher | None = None
        #: what upper floors hang up here while they serve this workspace, by name
        self.parts: dict[str, Any] = {}
        #: what is wrong with them now, empty for nothing; the rest works without them
        self.reports: dict[str, Callable[[], str]] = {}
        #: what upper floors watch: each says which of its rules hold now
        self.watchers: list[Callable[[], list[Alert]]] = []
        self._hold: Hold | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._started_at = time.monotonic()
        self._forget_gauges: Callable[[], None] = lambda: None
        self._exporter: Exporter | None = None

    def start(self) -> None:
        """Take the workspace and start workers, once."""
        with self._lock:
            if self.dispatcher is not None:
                return
            if self._closed:
                raise Conflict("this workbench is closed; open another one.")
            self._hold = Hold(self.database.file or self.settings.data / "fraktal")
            try:
                configure_logs(self.settings, whole_process=False)
                self._exporter = self._make_exporter()
                dispatcher = Dispatcher(
                    self.settings,
                    self.journal,
                    self.events,
                    self.store,
                    self.database,
                    self._serve,
                )
                dispatcher.start()
            except BaseException:
                self._end_exporter()
                close_logs()
                self._hold.release()
                self._hold = None
                raise
            self.dispatcher = dispatcher
            self._started_at = time.monotonic()
            self._forget_gauges = register_gauge_source(self._gauges)

    def _make_exporter(self) -> Exporter | None:
        if not self.settings.otlp_endpoint:
            return None
        from fraktal_kernel.core.tracing.export import Exporter

        return Exporter(self.database, self.events, self.settings.otlp_endpoint)

    def _end_exporter(self) -> None:
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None

    def _serve(self, job: Claimed, name: str, arguments: Mapping[str, Any]) -> Any:
        return answer(Asked(self, job.owner_id, job.id), name, arguments)

    def ready(self) -> None:
        """Start the workers if they are ours to start; asked before a job is queued for them."""
        if self.may_run:
            self.start()

    def wake(self) -> None:
        """Tell the dispatcher that there is something to do; start it if we may."""
        with suppress(AlreadyRunning):  # whoever runs the workspace finds it in the database
            self.ready()
        if self.dispatcher is not None:
            self.dispatcher.wake()

    def health(self) -> dict[str, Any]:
        """Ask each part whether it works."""
        report: dict[str, Any] = {"ok": True}
        for name, check in (
            ("database", self.database.check),
            ("store", self.store.check),
            ("workers", self._check_workers),
        ):
            try:
                check()
                report[name] = "ok"
            except FraktalError as error:
                report[name] = str(error)
                report["ok"] = False
        return report | {name: tell() or "ok" for name, tell in self.reports.items()}

    def _check_workers(self) -> None:
        if self.dispatcher is None:
            raise FraktalError("no workers are started here; start the server: fraktal serve.")
        if not self.dispatcher.alive():
            raise FraktalError("no worker answers yet; it is starting, or see the log.")

    def _gauges(self) -> Gauges:
        health = self.health()
        workers = self.dispatcher.executor.state() if self.dispatcher else {}
        store_up = health["store"] == "ok"
        disk = shutil.disk_usage(self.settings.data)
        if health["database"] != "ok":
            return Gauges(
                workers=workers,
                database_up=False,
                store_up=store_up,
                disk_free_bytes=disk.free,
                disk_size_bytes=disk.total,
            )
        reader = Reader(self.database)
        oldest = reader.oldest_queued()
        return Gauges(
            jobs_in_state=reader.count(),
            queue_oldest_age_s=0.0 if oldest is None else time.time() - oldest,
            workers=workers,
            database_up=True,
            store_up=store_up,
            disk_free_bytes=disk.free,
            disk_size_bytes=disk.total,
        )

    def alerts(self) -> list[Alert]:
        """Say what somebody should look at now."""
        health = self.health()
        problems = {  # those of our own; what upper floors report has rules of theirs
            part: said
            for part, said in health.items()
            if said not in (True, False, "ok") and part not in self.reports
        }
        if time.monotonic() - self._started_at < STARTING_S:
            problems.pop("workers", None)
        disk = shutil.disk_usage(self.settings.data)
        facts = Facts(problems=problems, disk_free_bytes=disk.free, disk_size_bytes=disk.total)
        if "database" not in problems:
            reader = Reader(self.database)
            oldest = reader.oldest_queued()
            facts = replace(
                facts,
                queue_age_s=0.0 if oldest is None else time.time() - oldest,
                ended=reader.ended_since(time.time() - FAILURES_S),
            )
        limits = Limits(
            self.settings.alert_queue_age_s,
            self.settings.alert_failed_share,
            self.settings.alert_disk_free_share,
        )
        found = alerts(facts, limits)
        if "database" not in problems:
            for watcher in list(self.watchers):
                found += watcher()
        return urgent_first(found)

    def close(self) -> None:
        """Stop everything; running jobs go back into the queue."""
        with self._lock:
            self._closed = True
            self._forget_gauges()
            for part in self.parts.values():
                part.close()
            if self.dispatcher is not None:
                self.dispatcher.stop()
                self.dispatcher = None
                self._end_exporter()
                close_logs()
            self.events.close()
            self.database.close()
            if self._hold is not None:
                self._hold.release()
                self._hold = None


class LocalWorkbench(Workbench):
    """One user's view of an engine in this process."""

    remote = False

    def __init__(
        self,
        settings: Settings,
        may_run: bool = True,
        *,
        engine: Engine | None = None,
        user_id: int | None = None,
        roots: list[Path] | None = None,
    ) -> None:
        self.settings = settings
        self._owns_engine = engine is None
        self.engine = engine or Engine(settings, may_run)
        self.security = self.engine.security
        self.user: Principal = (
            self.security.local_user() if user_id is None else self.security.user(user_id)
        )
        self._reader = Reader(self.engine.database, self.user.user_id)
        self.jobs: LocalJobs = LocalJobs(
            self.engine.journal,
            self._reader,
            self.engine.store,
            self.user.user_id,
            roots,
            self.engine.ready,
            self.engine.wake,
        )
        self.approvals: LocalApprovals = LocalApprovals(
            self.engine.journal,
            self.engine.database,
            self.user.user_id,
            roots,
            self.engine.wake,
        )

    def start(self) -> None:
        """Start the workers now, instead of at the first submitted job."""
        self.engine.start()

    def as_user(self, user_id: int) -> LocalWorkbench:
        """Return another user's view of the same engine; their files lie in the workspace."""
        return LocalWorkbench(
            self.settings, engine=self.engine, user_id=user_id, roots=[self.settings.data]
        )

    @property
    def store(self) -> Store:
        """Where artifacts lie."""
        return self.engine.store

    @property
    def database(self) -> Database:
        """The SQL database."""
        return self.engine.database

    @override
    def detached(self) -> DetachedRun:
        asked = Asked(self.engine, self.user.user_id)
        cluster = self.settings.dask_scheduler
        return Run.detached(cluster=cluster, serve=partial(answer, asked))

    @override
    def events(
        self,
        topics: str = "*",
        after: int | None = None,
        stop: threading.Event | None = None,
        subject: str | None = None,
    ) -> Iterator[EventView]:
        return self.engine.events.follow(after, topics, self.user.user_id, subject, stop)

    @override
    def health(self) -> dict[str, Any]:
        return self.engine.health()

    @override
    def close(self) -> None:
        if self._owns_engine:
            self.engine.close()
