"""A real ``fraktal serve`` that tests may kill, and what must be true of its workspace after."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.store import Store
from fraktal_kernel.core.workbench import Workbench

ROOT = Path(__file__).resolve().parents[2]
MODULES = '["tests.capabilities", "tests.system.slow_capabilities"]'
#: A start takes three seconds; on a machine that others use as well, much more.
START_S = 240.0


def until(condition: Callable[[], object], timeout_s: float = 180.0, what: str = "it") -> float:
    """Wait until something holds; return how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            pytest.fail(f"{what} did not come to hold within {timeout_s:g} s")
        time.sleep(0.02)
    return time.monotonic() - began


def runs(process: psutil.Process) -> bool:
    """Say whether a process still does anything."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers_of(pid: int) -> list[psutil.Process]:
    """Find the worker processes below a process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


class Serving:
    """A server process on a workspace of its own, which can be started again and again.

    Parameters
    ----------
    data : the workspace root
    settings : what goes into the environment as ``FRAKTAL_*``
    """

    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        given = {"data": data, "capability_modules": MODULES, "workers": 2, **settings}
        self.environment = {
            **os.environ,
            **{f"FRAKTAL_{name.upper()}": str(value) for name, value in given.items()},
        }
        data.mkdir(parents=True, exist_ok=True)
        self._said = data.parent / f"{data.name}.said"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of the process that was started last."""
        assert self.process is not None
        return self.process.pid

    def begin(self) -> None:
        """Start a process without waiting for it."""
        with self._said.open("ab") as said:
            self._from = said.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fraktal_kernel.cli", "serve", "--port", "0"],
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def said(self) -> str:
        """Read what the newest process has printed."""
        with self._said.open("rb") as said:
            said.seek(self._from)
            return said.read().decode(errors="replace")

    def wait(self) -> None:
        """Wait until it has said where it is."""
        assert self.process is not None
        began = time.monotonic()
        while "Fraktal is open at" not in self.said():
            if self.process.poll() is not None or time.monotonic() - began > START_S:
                pytest.fail(f"fraktal serve did not start:\n{self.said()}")
            time.sleep(0.02)

    def start(self) -> Serving:
        """Start a process and wait until it serves."""
        self.begin()
        self.wait()
        return self

    def workers(self) -> list[psutil.Process]:
        """Find its worker processes."""
        return workers_of(self.pid)

    def kill(self) -> list[psutil.Process]:
        """End it with SIGKILL; return the workers that it had, all of which must end too."""
        assert self.process is not None
        family = self.workers()
        self.process.kill()
        self.process.wait()
        until(lambda: not any(map(runs, family)), what="the end of every worker")
        return family

    def stop(self) -> None:
        """End it with SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(180)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process is not None and self.process.poll() is None:
            family = self.workers()
            self.process.kill()
            self.process.wait()
            for worker in filter(runs, family):
                worker.kill()

    def workbench(self) -> RemoteWorkbench:
        """Open the workbench as this user's other programs do."""
        workbench = Workbench.open(self.settings())
        assert isinstance(workbench, RemoteWorkbench)
        return workbench

    def settings(self) -> Settings:
        """Read the settings as the server has them."""
        before = dict(os.environ)
        try:
            os.environ.update(self.environment)
            return load_settings()
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def serving(data: Path, **settings: object) -> Iterator[Serving]:
    """Serve a workspace; ended at the end in any case."""
    server = Serving(data, **settings)
    try:
        yield server.start()
    finally:
        server.close()


class Listener:
    """Reads all events over WebSockets, from the last number on whenever the line broke."""

    def __init__(self, workbench: RemoteWorkbench) -> None:
        self.numbers: list[int] = []
        self.states: dict[int, list[str]] = {}
        self.problem: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(workbench,))
        self._thread.start()

    def _listen(self, workbench: RemoteWorkbench) -> None:
        try:
            for event in workbench.events("jobs.*", after=0, stop=self._stop):
                self.numbers.append(event.seq)
                if event.topic == "jobs.state":
                    self.states.setdefault(int(event.subject), []).append(event.payload["state"])
        except BaseException as error:
            self.problem = error

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(180)


def check_workspace(settings: Settings, lines: Path) -> dict[str, Any]:
    """Hold a workspace at rest to its promises; return counts.

    Every job has succeeded with the right result, no finished step was begun again, and
    every file in the table lies in the store with its hash.
    """
    database = Database(settings.database)
    store = Store(settings.store, **settings.store_options)
    with database.read() as tx:
        jobs = tx.records("SELECT id, key, state, capability, params, result, error FROM job")
        steps = tx.rows("SELECT job_id, name, finished_at FROM job_step")
        artifacts = tx.records("SELECT job_id, name, path, size_bytes, sha256 FROM artifact")
        told = tx.rows("SELECT seq, topic, payload FROM event ORDER BY seq")
    database.close()
    unfinished = [job for job in jobs if job["state"] != "succeeded"]
    assert not unfinished, unfinished

    finished = {(job, name): at for job, name, at in steps}
    begun = 0
    for line in lines.read_text().splitlines():
        job, number, at = line.split()
        name = next(n for n in ("take", "make") if (int(job), n) in finished)
        name = name if number == "0" else f"{name}#{int(number) + 1}"
        begun += 1
        late = float(at) - finished[int(job), name]
        assert late <= 0, f"job {job} did step {name} again, {late:.3f} s after it was finished"
    counted = [name for _, name, _ in steps if name.partition("#")[0] in ("take", "make")]
    assert begun >= len(counted)

    for artifact in artifacts:
        data = store.read(artifact["path"])
        assert len(data) == artifact["size_bytes"], artifact
        assert hashlib.sha256(data).hexdigest() == artifact["sha256"], artifact
    return {
        "jobs": jobs,
        "artifacts": artifacts,
        "steps": len(counted),
        "steps begun": begun,
        "events": [seq for seq, _, _ in told],
        "reasons": Counter(
            reason
            for _, topic, payload in told
            if topic == "jobs.state" and (reason := json.loads(payload).get("reason"))
        ),
        "objects": len(store.list()),
    }
