"""Where jobs' processes come from: the seam, and the default behind it, this machine."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from fraktal_kernel.core.jobs.hub import Hub
from fraktal_kernel.core.jobs.journal import Claimed
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.settings import Settings

log = get_logger("jobs")


class Executor(Protocol):
    """What the dispatcher wants from a place where jobs run; all calls come from its thread."""

    def tick(self) -> None:
        """Look after the processes: start what is missing, prolong what is alive."""

    def free(self) -> int:
        """Return how many jobs could start now."""

    def choose(self) -> Mapping[int, str] | None:
        """Say which queued jobs start, each with who does it; None for the next ones."""

    def place(self, job: Claimed) -> bool:
        """Start a claimed job; False where no worker was left for it."""

    def kill(self, job_id: int) -> None:
        """End the process that does a job, at once."""

    def state(self) -> dict[str, int]:
        """Count workers as ``idle`` and ``busy``."""

    def close(self) -> None:
        """End all processes."""


class WorkerProcess:
    """One worker process, connected to the hub."""

    _numbers = itertools.count(1)

    def __init__(
        self, address: tuple[str, int], key: bytes, name: str, data: Path | None = None
    ) -> None:
        self.id = f"{name}-{next(self._numbers)}"
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fraktal_kernel.core.jobs.worker",
                address[0],
                str(address[1]),
                self.id,
            ],
            stdin=subprocess.PIPE,
            # A capability that looks into the workspace sees the one whose job it does.
            env=None if data is None else {**os.environ, "FRAKTAL_DATA": str(data)},
        )
        stdin = self._process.stdin
        if stdin is not None:
            stdin.write(key.hex().encode() + b"\n")
            stdin.flush()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def stopped(self) -> bool:
        """Whether the system holds it still, by SIGSTOP.

        Only that is asked, and not whether the process says something: C code that computes
        for minutes without letting any Python run is work, not silence.
        """
        try:
            return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    def kill(self) -> None:
        """End it without asking, even where it is stopped."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


class LocalExecutor:
    """Worker processes on this machine, spawned once and used for many jobs."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self._hub = hub
        self._count = settings.workers
        self._data = settings.data
        self._beat_s = settings.heartbeat_s
        self._processes: dict[str, WorkerProcess] = {}
        self._pause_until = 0.0

    def tick(self) -> None:
        """Replace dead processes, slowly if they die young; see which of the living can work."""
        now = time.monotonic()
        for process in [p for p in self._processes.values() if not p.alive]:
            del self._processes[process.id]
            process.kill()
            if now - process.started < 2 and process.id not in self._hub.workers:
                log.warning("a worker process ended at its start")
                self._pause_until = now + 1
        while len(self._processes) < self._count and now >= self._pause_until:
            process = WorkerProcess(self._hub.address, self._hub.key, "local", self._data)
            self._processes[process.id] = process
        for worker in list(self._hub.workers.values()):
            running, found = worker.running, self._processes.get(worker.id)
            if running is None or found is None or now - running.beat < self._beat_s:
                continue
            if not found.stopped:
                running.beat = now

    def _idle(self) -> list[str]:
        return [
            worker.id
            for worker in list(self._hub.workers.values())
            if worker.running is None and worker.id in self._processes
        ]

    def free(self) -> int:
        """Return how many processes wait for a job."""
        return len(self._idle())

    def choose(self) -> None:
        """Take the jobs as they stand in the queue."""

    def place(self, job: Claimed) -> bool:
        """Send the job to a process that waits."""
        for worker_id in self._idle():
            worker = self._hub.workers.get(worker_id)
            if worker is not None:
                self._hub.assign(worker, job)
                return True
        return False

    def kill(self, job_id: int) -> None:
        """Kill the process of a job; the next tick starts another."""
        for worker in list(self._hub.workers.values()):
            if worker.running is not None and worker.running.job.id == job_id:
                process = self._processes.get(worker.id)
                if process is not None:
                    process.kill()

    def state(self) -> dict[str, int]:
        """Count the processes that are connected."""
        idle = self.free()
        ours = [worker_id for worker_id in list(self._hub.workers) if worker_id in self._processes]
        return {"idle": idle, "busy": len(ours) - idle}

    def close(self) -> None:
        """Kill all processes."""
        for process in self._processes.values():
            process.kill()
        self._processes.clear()
