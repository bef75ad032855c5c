"""Jobs on a Dask cluster: one Dask task a job, in a process of its own that can be killed.

The task that Dask runs is only the warden of that process: it starts it (or takes an idle
one), tells the server's hub where it is, sends heartbeats, and kills it when told to or
when the server is gone. A thread of a Dask worker could not be stopped otherwise.
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

from fraktal_kernel.core.jobs.channel import Channel
from fraktal_kernel.core.jobs.executors import WorkerProcess
from fraktal_kernel.core.jobs.hub import Hub
from fraktal_kernel.core.jobs.journal import Claimed
from fraktal_kernel.core.monitoring.logs import get_logger
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.errors import MissingExtra, Unavailable

log = get_logger("jobs")
COUNT_S = 2.0
CONNECT_S = 10
POLL_S = 0.2

_idle: dict[tuple[str, int], list[WorkerProcess]] = {}
_idle_lock = threading.Lock()


def _take_process(address: tuple[str, int], key: bytes, name: str) -> WorkerProcess:
    with _idle_lock:
        waiting = _idle.setdefault(address, [])
        while waiting:
            process = waiting.pop()
            if process.alive:
                return process
    return WorkerProcess(address, key, name)


def _keep_process(address: tuple[str, int], process: WorkerProcess) -> None:
    with _idle_lock:
        _idle[address].append(process)


@atexit.register
def _kill_idle() -> None:
    for processes in _idle.values():
        for process in processes:
            process.kill()


def guard(host: str, port: int, key_hex: str, job_id: int, fence: int, beat_s: float) -> None:
    """Run one job in a process of this machine until it ends; what Dask workers call."""
    import uuid

    from distributed import secede

    address, key = (host, port), bytes.fromhex(key_hex)
    process = _take_process(address, key, f"dask-{uuid.uuid4().hex[:8]}")
    healthy = seceded = False
    try:
        line = Channel.connect(address, key)
        line.send({"op": "place", "job": job_id, "fence": fence, "worker": process.id})
        beat_at = time.monotonic()
        while process.alive:
            if line.poll(POLL_S):
                said = line.receive()["op"]
                if said != "yield":
                    healthy = said == "done"
                    break
                if not seceded:
                    # The job waits for others now, who may be in need of this thread.
                    secede()
                    seceded = True
            if time.monotonic() - beat_at >= beat_s:
                beat_at = time.monotonic()
                if not process.stopped:
                    line.send({"op": "beat"})
        line.close()
    except (EOFError, OSError):
        pass
    finally:
        if healthy and process.alive:
            _keep_process(address, process)
        else:
            process.kill()


class DaskExecutor:
    """Places jobs on the workers of a Dask scheduler."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise MissingExtra("Dask needs: pip install 'fraktal[cluster]'.") from None
        self._hub = hub
        self._beat_s = settings.heartbeat_s
        self._futures: dict[int, Any] = {}
        self._slots = 0
        self._counted_at = 0.0
        try:
            self._client = Client(
                settings.dask_scheduler, timeout=CONNECT_S, set_as_default=False, name="fraktal"
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise Unavailable(
                f"the Dask scheduler {settings.dask_scheduler} does not answer ({error}); "
                "start it, or mend dask_scheduler."
            ) from None

    def tick(self) -> None:
        """Count the cluster's threads; what still waits in Dask's own queue is alive."""
        now = time.monotonic()
        if now - self._counted_at >= COUNT_S:
            self._counted_at = now
            self._slots = self._count_slots()
        for job_id, future in list(self._futures.items()):
            if future.done():
                del self._futures[job_id]
                if future.status == "error":
                    log.warning("a Dask task failed", job=job_id, reason=str(future.exception()))
            running = self._hub.running.get(job_id)
            if running is not None and job_id not in self._hub.wardens and not future.done():
                running.beat = now

    def _count_slots(self) -> int:
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except (OSError, TimeoutError, KeyError):
            return 0
        return sum(int(worker["nthreads"]) for worker in workers)

    def free(self) -> int:
        """Return how many threads of the cluster have no job of ours."""
        return max(0, self._slots - len(self._futures))

    def choose(self) -> None:
        """Take the jobs as they stand in the queue."""

    def place(self, job: Claimed) -> bool:
        """Hand the job to the scheduler."""
        host, port = self._hub.address
        self._futures[job.id] = self._client.submit(
            guard,
            host,
            port,
            self._hub.key.hex(),
            job.id,
            job.fence,
            self._beat_s,
            key=f"fraktal-{job.id}-{job.fence}",
            pure=False,
            retries=0,
        )
        return True

    def kill(self, job_id: int) -> None:
        """Have the job's process killed where it runs, or take it out of Dask's queue."""
        warden = self._hub.wardens.get(job_id)
        future = self._futures.get(job_id)
        if warden is not None:
            try:
                warden.send({"op": "kill"})
            except OSError:
                pass
        elif future is not None:
            future.cancel()

    def state(self) -> dict[str, int]:
        """Count threads of the cluster."""
        return {"idle": self.free(), "busy": len(self._futures)}

    def close(self) -> None:
        """Leave the cluster; our tasks end with their lines to the hub."""
        for future in self._futures.values():
            future.cancel()
        self._client.close(timeout=2)
