"""The loop that brings queued jobs to free workers and looks after the ones that run."""

from __future__ import annotations

import math
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.executors import Executor, LocalExecutor
from fraktal_kernel.core.jobs.files import sweep
from fraktal_kernel.core.jobs.hub import Hub, no_service
from fraktal_kernel.core.jobs.journal import Claimed, Journal
from fraktal_kernel.core.jobs.lines import Running
from fraktal_kernel.core.jobs.scratch import sweep_scratch
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.core.store import Store
from fraktal_kernel.core.tracing.story import prune_spans
from fraktal_kernel.errors import FraktalError, Unavailable

log = get_logger("jobs")
BUSY_TICK_S = 0.1
IDLE_TICK_S = 0.5
FLUSH_S = 0.05
ALARM_S = 0.5
EXPIRE_S = 5.0
PRUNE_S = 3600.0
SWEEP_S = 86400.0
SWEEP_AGAIN_S = 3600.0


class Dispatcher:
    """Claims jobs, places them, prolongs leases, stops what was cancelled or takes too long.

    Parameters
    ----------
    database : SQLite's jobs may be run by nobody else; so there every job that is marked as
        running when we start was left behind by a server that was killed
    serve : answers what jobs request, by name
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        events: Events,
        store: Store,
        database: Database,
        serve: Callable[[Claimed, str, Mapping[str, Any]], Any] = no_service,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._events = events
        self._store = store
        self._database = database
        self.name = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False
        self._next: dict[str, float] = {}
        self._sweeper = threading.Thread()
        self._swept_at = -math.inf
        self.hub = Hub(
            journal,
            store,
            settings.capability_modules,
            settings.data,
            settings.dask_scheduler,
            host=hub_host(settings),
            log_level=settings.log_level,
            changed=self.wake,
            serve=serve,
        )
        try:
            self.executor = self._make_executor()
        except BaseException:
            self.hub.close()
            raise
        #: all places where jobs run; whoever adds one ends it too
        self.executors: list[Executor] = [self.executor]
        #: which queued jobs our own workers leave to the places that were added
        self.left: Callable[[], Collection[int]] = tuple
        self._threads = [
            threading.Thread(target=self._loop, name="fraktal-dispatcher", daemon=True),
            threading.Thread(target=self._flush_loop, name="fraktal-notes", daemon=True),
        ]

    def _make_executor(self) -> Executor:
        if self._settings.dask_scheduler:
            from fraktal_kernel.core.jobs.dask import DaskExecutor

            return DaskExecutor(self.hub, self._settings)
        return LocalExecutor(self.hub, self._settings)

    def start(self) -> None:
        """Take back what a killed server left, then begin."""
        if self._database.sqlite:
            self._journal.forsaken()
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look again now: something was queued, or a worker became free."""
        with self._wake:
            self._woken = True
            self._wake.notify_all()

    def alive(self) -> bool:
        """Tell whether the loop runs and at least one worker is connected."""
        return self._threads[0].is_alive() and sum(self.executor.state().values()) > 0

    def stop(self) -> None:
        """End the processes; their jobs go back into the queue."""
        self._stopping = True
        self.hub.closing = True
        self.wake()
        for thread in self._threads:
            thread.join(timeout=10)
        if self._sweeper.is_alive():
            self._sweeper.join(timeout=5)
        self.executor.close()
        self.hub.close()
        try:
            self.hub.flush()
            self._journal.release(self.name)
        except Unavailable as error:
            log.error("running jobs stay marked as running", reason=str(error))

    def _loop(self) -> None:
        while not self._stopping:
            try:
                self._tick()
            except Unavailable as error:
                log.error("jobs cannot be dispatched", reason=str(error))
                time.sleep(1)
            except Exception:
                log.exception("the dispatcher stumbled")
                time.sleep(1)
            with self._wake:
                if not self._woken:
                    self._wake.wait(BUSY_TICK_S if self.hub.running else IDLE_TICK_S)
                self._woken = False

    def _tick(self) -> None:
        executors = list(self.executors)
        for executor in executors:
            executor.tick()
        self._every(ALARM_S, self._ring)
        for executor in executors:
            self._fill(executor)
        self._stop_overdue()
        self._every(self._settings.heartbeat_s, self._extend_leases)
        self._every(self._settings.lease_s / 2, self._take_back)
        self._every(EXPIRE_S, self._expire)
        self._every(PRUNE_S, self._prune)
        self._every(SWEEP_AGAIN_S, self._sweep)

    def _fill(self, executor: Executor) -> None:
        """Give an executor as many jobs as it has room for."""
        while not self._stopping and (free := executor.free()) > 0:
            chosen = executor.choose()
            if chosen is not None and not chosen:
                return
            left = self.left() if chosen is None else ()
            claimed = self._journal.claim(self.name, self._settings.lease_s, free, chosen, left)
            for job in claimed:
                self._begin(executor, job)
            if len(claimed) < free:
                return

    def _begin(self, executor: Executor, job: Claimed) -> None:
        """Start one claimed job, wherever that is: all of them pass here."""
        self.hub.begin(job)
        if not executor.place(job):
            self.hub.running.pop(job.id, None)
            self._journal.lost(job.id, job.fence, "its worker was gone before it began")

    def _kill(self, job_id: int) -> None:
        for executor in list(self.executors):
            executor.kill(job_id)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        now = time.monotonic()
        if now >= self._next.get(act.__name__, 0):
            act()  # if this fails it is due again: leases are prolonged before others lapse
            self._next[act.__name__] = now + seconds

    def _stop_overdue(self) -> None:
        if not self.hub.running:
            return
        now = time.monotonic()
        for job_id, fence in self._journal.to_cancel():
            running = self.hub.running.get(job_id)
            if running is not None and running.job.fence == fence and running.kill_at is None:
                self._stop(running)
        for running in list(self.hub.running.values()):
            limit = running.job.timeout_s
            if running.kill_at is not None:
                if now >= running.kill_at:
                    self._kill(running.job.id)
            elif limit is not None and now - running.started > limit:
                unknown = "; whether it happened is unknown" if running.job.effect else ""
                running.verdict = f"stopped after its time limit of {limit:g} s{unknown}."
                self._stop(running)
            elif now - running.beat > self._settings.lease_s:
                self._give_up(running)

    def _stop(self, running: Running) -> None:
        running.kill_at = time.monotonic() + self._settings.cancel_grace_s
        self.hub.cancel(running.job.id)

    def _give_up(self, running: Running) -> None:
        """End a process that does not move any more; another one takes its job up."""
        job = running.job
        log.warning("worker is stopped or silent", job=job.id, owner=job.owner_id)
        why = "the worker did not answer any more"
        running.end("lost", why)
        self._journal.lost(job.id, job.fence, why, seconds=running.seconds)
        self._kill(job.id)
        self.hub.forget(running)

    def _extend_leases(self) -> None:
        ours = [(each.job.id, each.job.fence) for each in list(self.hub.running.values())]
        if ours:
            self._journal.extend(ours, self._settings.lease_s)

    def _take_back(self) -> None:
        """Queue again what another server held when it died or stood still."""
        ours = {(each.job.id, each.job.fence) for each in list(self.hub.running.values())}
        for job_id, fence in self._journal.expired():
            if (job_id, fence) not in ours:  # ours we judge by what their processes do
                self._journal.forsaken(job_id, fence)

    def _ring(self) -> None:
        self._journal.wake()

    def _expire(self) -> None:
        self._journal.expire()

    def _prune(self) -> None:
        before = time.time() - self._settings.event_days * 86400
        self._events.prune(before)
        with self._database.write() as tx:
            prune_spans(tx, before)

    def _sweep(self) -> None:
        now = time.monotonic()
        if self._sweeper.is_alive() or now < self._swept_at + SWEEP_S:
            return
        # A large store takes a while to walk through, and jobs do not wait for that.
        self._sweeper = threading.Thread(
            target=self._sweep_store, args=(now,), name="fraktal-sweep", daemon=True
        )
        self._sweeper.start()

    def _sweep_store(self, now: float) -> None:
        try:
            leftovers = self._store.sweep()
            swept = sweep(self._database, self._store, stopped=lambda: self._stopping)
            sweep_scratch(self._settings.data)
        except FraktalError as error:
            log.warning("the store cannot be swept now", reason=str(error))
        except Exception:
            log.exception("the store was not swept")
        else:
            self._swept_at = now
            facts = {"files": swept.files, "freed_bytes": swept.size_bytes}
            log.info("swept the store", leftovers=leftovers, **facts)

    def _flush_loop(self) -> None:
        while not self._stopping:
            time.sleep(FLUSH_S)
            try:
                self.hub.flush()
            except Unavailable:
                time.sleep(1)
            except Exception:
                log.exception("progress and log lines were lost")


def hub_host(settings: Settings) -> str:
    """Choose the address that workers call: loopback, or the one that faces the scheduler."""
    if not settings.dask_scheduler:
        return "127.0.0.1"
    if settings.hub_host:
        return settings.hub_host
    host, _, port = settings.dask_scheduler.rpartition("//")[2].rpartition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host.strip("[]") or "127.0.0.1", int(port)))
            found: str = probe.getsockname()[0]
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"dask_scheduler: {settings.dask_scheduler!r} cannot be reached ({error}); "
            "expected something like tcp://10.0.0.5:8786."
        ) from None
    return found
