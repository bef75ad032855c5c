"""SIGKILL at random points during a stream of jobs: nothing is lost, nothing done twice.

Each run prints its seed; ``FRAKTAL_SEED`` repeats one. ``FRAKTAL_KILLS=100`` kills a server and its
workers that often; ``FIGURE=kills_100 python -m benchmarks.plans`` does it to plans with effects.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from fraktal_kernel import JobOptions, Workbench
from fraktal_kernel.core.jobs.model import JobView
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import Unavailable
from tests.system.serving import (
    MODULES,
    ROOT,
    START_S,
    Listener,
    Serving,
    check_workspace,
    runs,
    until,
    workers_of,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]
#: One of five is the server's: each end of one costs the seconds of a start.
KILLS = max(5, int(os.environ.get("FRAKTAL_KILLS") or 25))
OPEN_JOBS = 6


@pytest.fixture
def chance() -> random.Random:
    """Give random numbers whose seed is printed."""
    seed = int(os.environ.get("FRAKTAL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"FRAKTAL_SEED={seed}")
    return random.Random(seed)


class Customer:
    """Submits jobs one after the other, each with a key, and again where nobody answered."""

    def __init__(self, workbenches: Sequence[RemoteWorkbench], lines: Path) -> None:
        self.expected: dict[str, object] = {}
        self.repeated = 0
        self.problem: BaseException | None = None
        self._workbenches = list(workbenches)
        self._lines = lines
        self._open: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._shop)
        self._thread.start()

    def _shop(self) -> None:
        try:
            while not self._stop.is_set():
                self._submit(len(self.expected))
                while len(self._open) >= OPEN_JOBS and not self._stop.is_set():
                    time.sleep(0.05)
                    self._look()
        except BaseException as error:
            self.problem = error

    def _order(self, number: int) -> tuple[str, dict[str, object], object]:
        params: dict[str, object] = {"file": str(self._lines), "pause_s": 0.02 * (number % 5)}
        if number % 4 == 3:
            return "fault.files", {**params, "count": 2}, None
        count = 3 + number % 4
        return "test.steps", {**params, "count": count}, sum(range(count))

    def _submit(self, number: int) -> None:
        key = f"order-{number}"
        capability, params, result = self._order(number)
        view = self._persist(
            lambda workbench: workbench.jobs.submit(capability, params, JobOptions(key=key))
        )
        self.expected[key] = result
        self._open[key] = view.id

    def _look(self) -> None:
        for key, job_id in list(self._open.items()):
            view: JobView = self._persist(
                lambda workbench, job_id=job_id: workbench.jobs.get(job_id)
            )
            if view.ended:
                del self._open[key]

    def _persist(self, act: Callable[[RemoteWorkbench], JobView]) -> JobView:
        while True:
            workbench = self._workbenches[0]
            try:
                return act(workbench)
            except Unavailable:
                self.repeated += 1
                self._workbenches.append(self._workbenches.pop(0))
                time.sleep(0.2)

    def close(self) -> None:
        """Submit no more, and wait for the last to end."""
        self._stop.set()
        self._thread.join(300)
        assert self.problem is None, self.problem
        until(lambda: self._look() or not self._open, 600, "the end of every job")


class Pace:
    """Puts the kills between the lines that jobs write, so that a slow machine is as hard."""

    def __init__(self, lines: Path, chance: random.Random) -> None:
        self._lines = lines
        self._chance = chance
        lines.touch()

    def wait(self, most: int) -> None:
        """Wait until some more lines are written, and then for a moment."""
        wanted = self._size() + self._chance.randint(0, most) * 20
        began = time.monotonic()
        while self._size() < wanted and time.monotonic() - began < 60:
            time.sleep(0.005)
        time.sleep(self._chance.uniform(0, 0.15))

    def _size(self) -> int:
        return self._lines.stat().st_size


def kill_worker(server: Serving, chance: random.Random) -> bool:
    """Kill one of a server's workers, if it has one."""
    workers = [worker for worker in server.workers() if runs(worker)]
    if workers:
        chance.choice(workers).kill()
    return bool(workers)


def check(server: Serving, customer: Customer, listener: Listener, lines: Path) -> None:
    """Hold all that was submitted, told and written to the promises."""
    settings = server.settings()
    found = check_workspace(settings, lines)
    jobs = {job["key"]: job for job in found["jobs"]}
    assert jobs.keys() == customer.expected.keys() and len(jobs) == len(found["jobs"])
    hashes: dict[int, dict[str, str]] = {}
    for artifact in found["artifacts"]:
        hashes.setdefault(artifact["job_id"], {})[artifact["name"]] = artifact["sha256"]
    for key, expected in customer.expected.items():
        result = json.loads(jobs[key]["result"])
        assert result == (hashes[jobs[key]["id"]] if expected is None else expected), jobs[key]

    until(lambda: listener.problem or listener.numbers[-1] >= found["events"][-1])
    listener.close()
    assert listener.problem is None, listener.problem
    assert listener.numbers == found["events"]
    for states in listener.states.values():
        assert states[0] == "queued" and states[-1] == "succeeded"
        assert states.count("succeeded") == 1
    print(
        f"{len(jobs)} jobs, {found['steps']} steps, {found['steps begun']} begun,"
        f" {len(found['artifacts'])} files of {found['objects']} in the store,"
        f" {len(found['events'])} events, {customer.repeated} requests repeated;"
        f" taken back: {dict(found['reasons'])}"
    )


def test_kills_of_workers_and_server(tmp_path: Path, chance: random.Random) -> None:
    """Whenever a worker or the server dies, all that was submitted is done, and done once."""
    lines = tmp_path / "lines"
    pace = Pace(lines, chance)
    server = Serving(tmp_path / "data", heartbeat_s=0.5, lease_s=3).start()
    plan = ["server" if number % 5 == 0 else "worker" for number in range(KILLS)]
    chance.shuffle(plan)
    try:
        with server.workbench() as customers, server.workbench() as listeners:
            listener = Listener(listeners)
            customer = Customer([customers], lines)
            for victim in plan:
                pace.wait(3)
                if victim == "server":
                    server.kill()
                    server.begin()
                    if chance.random() < 0.35:  # the next kill may find it half started
                        continue
                    server.wait()
                else:
                    until(lambda: kill_worker(server, chance), START_S, "a worker to kill")
            server.wait()
            customer.close()
            # No gap for whoever reads: one writer numbers the events, and loses none.
            check(server, customer, listener, lines)
            assert listener.numbers == list(range(1, len(listener.numbers) + 1))
    finally:
        server.close()


def test_two_servers_on_one_postgresql(
    tmp_path: Path, chance: random.Random, make_postgres_url: Callable[[], str]
) -> None:
    """When one of two servers is killed, its leases run out and the other does its jobs."""
    lines = tmp_path / "lines"
    pace = Pace(lines, chance)
    shared = {
        "database_url": make_postgres_url(),
        "store_url": tmp_path / "store",
        "lease_s": 1.5,
        "heartbeat_s": 0.3,
        "workers": 1,
    }
    servers = [Serving(tmp_path / name, **shared) for name in ("one", "two")]
    try:
        for server in servers:
            server.begin()
        for server in servers:
            server.wait()
        with servers[0].workbench() as first, servers[1].workbench() as second:
            listener = Listener(first)
            customer = Customer([first, second], lines)
            victims = [*servers, chance.choice(servers)]
            chance.shuffle(victims)
            for victim in victims:
                for _ in range(2):
                    pace.wait(4)
                    kill_worker(chance.choice(servers), chance)
                victim.kill()
                # Nobody takes the jobs of the dead one but the other, after their leases.
                time.sleep(chance.uniform(0, 2 * float(shared["lease_s"])))
                victim.start()
            customer.close()
            check(servers[0], customer, listener, lines)
    finally:
        for server in servers:
            server.close()


PROGRAM = """
import sys
from fraktal_kernel import JobOptions, Workbench

if __name__ == "__main__":
    lines, count = sys.argv[1], int(sys.argv[2])
    with Workbench.open() as bench:
        assert not bench.remote
        jobs = []
        for number in range(count):
            options = JobOptions(key=f"order-{number}")
            steps = 3 + number % 3
            job = bench.submit("test.steps", count=steps, file=lines, pause_s=0.05, options=options)
            jobs.append((job, sum(range(steps))))
        assert all(job.wait(600) == result for job, result in jobs)
"""


def test_kills_of_a_program_with_its_own_workbench(tmp_path: Path, chance: random.Random) -> None:
    """A program that runs its jobs itself is killed again and again; the last start ends them."""
    lines, program = tmp_path / "lines", tmp_path / "program.py"
    pace = Pace(lines, chance)
    program.write_text(PROGRAM)
    environment = {
        **os.environ,
        "FRAKTAL_DATA": str(tmp_path / "data"),
        "FRAKTAL_CAPABILITY_MODULES": MODULES,
        "FRAKTAL_WORKERS": "2",
    }
    command = [sys.executable, str(program), str(lines), "60"]

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
        )

    family: list[psutil.Process] = []
    for _ in range(20):
        with begin() as process:
            until(lambda process=process: workers_of(process.pid), START_S, "a worker")
            pace.wait(12)
            family = workers_of(process.pid)
            process.kill()
        until(lambda family=family: not any(map(runs, family)), what="the end of every worker")
    with begin() as process:
        _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    settings = load_settings(data=tmp_path / "data")
    found = check_workspace(settings, lines)
    assert len(found["jobs"]) == 60
    assert found["events"] == list(range(1, len(found["events"]) + 1))
    with Workbench.open(settings, start_workers=False) as workbench:
        assert len(workbench.jobs.list("succeeded", limit=100)) == 60
    print(f"{found['steps']} steps, {found['steps begun']} begun, {dict(found['reasons'])}")
