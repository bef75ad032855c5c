"""A hundred kills: what becomes of deeds that nobody takes back.

``kills_100``: plans whose steps write lines that nobody takes back, while at random moments a
worker of the server, a worker of a remote agent, the agent itself, the server or the broker of the
bus is killed, a hundred times in all; a person, played here, says yes and settles every doubt by
looking at the file. A line that is missing at the end was lost, one that stands twice doubled. A
consumer of the bus hears of every job's events through the broker; one that it never heard of at
the end was lost there.

``SEED`` repeats the kills, as far as the machine repeats itself.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from fraktal_kernel import JobOptions, Workbench
from fraktal_kernel.core.jobs.effects import AGAIN, HAPPENED
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.workspace import read_address
from fraktal_kernel.errors import Conflict, Unavailable

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
MODULES = ["benchmarks._deeds"]
KILLS = {"worker": 40, "agent_worker": 20, "agent": 15, "server": 15, "broker": 10}
OPEN_PLANS, DEEDS = 4, 4
PATIENCE_S = 300.0


class Killable:
    """A process, with its children, that may be killed and started again."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        said: Path,
        ready: Callable[[int], bool] = lambda pid: True,
    ) -> None:
        self._command, self._environment, self._said, self._ready = (
            command,
            environment,
            said,
            ready,
        )

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

        until(lambda: self._runs() and self._ready(self._process.pid))

    def _runs(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._command} ended: {self._said.read_text()[-2000:]}")
        return True

    def again(self, chance: random.Random) -> None:
        """Kill the process, whose children end with it, and start another."""
        self.end()
        self.start()

    def kill_child(self, chance: random.Random) -> None:
        """Kill one of its children."""

        def kill() -> bool:
            with suppress(psutil.Error):
                self._runs()
                children = psutil.Process(self._process.pid).children(recursive=True)
                children = [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
                if children:
                    chance.choice(children).kill()
                    return True
            return False

        until(kill)

    def end(self) -> None:
        """Kill the process, and wait until its children have ended too."""
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(children, timeout=PATIENCE_S)


class House:
    """A server with a worker, an agent with two, and the broker between them and others."""

    def __init__(self, folder: Path) -> None:
        data = folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FRAKTAL_DATA": str(data),
            "FRAKTAL_CAPABILITY_MODULES": json.dumps(MODULES),
            "FRAKTAL_BUS": f"redis://127.0.0.1:{port}",
            "FRAKTAL_WORKERS": "1",
            "FRAKTAL_HEARTBEAT_S": "0.5",
            "FRAKTAL_LEASE_S": "3",
            "FRAKTAL_LOG_LEVEL": "error",
        }
        self.settings: Settings = load_settings(data=data, capability_modules=MODULES)
        fraktal = [sys.executable, "-m", "fraktal_kernel.cli"]
        redis = shutil.which("redis-server")
        if redis is None:
            sys.exit("no redis-server is installed; on Debian: apt-get install redis-server")
        keep = ["--dir", str(folder), "--appendonly", "yes", "--save", ""]

        def serves(pid: int) -> bool:
            address = read_address(self.settings)
            return address is not None and address.pid == pid

        self.broker = Killable(
            [redis, "--bind", "127.0.0.1", "--port", str(port), *keep],
            environment,
            folder / "broker.log",
        )
        self.server = Killable(
            [*fraktal, "serve", "--port", "0"], environment, folder / "server.log", serves
        )
        start = ["agent", "start", "--name", "far", "--offers", "benchmark.*", "--slots", "2"]
        self.agent = Killable([*fraktal, *start], environment, folder / "agent.log")
        self.ways: dict[str, Callable[[random.Random], None]] = {
            "worker": self.server.kill_child,
            "agent_worker": self.agent.kill_child,
            "agent": self.agent.again,
            "server": self.server.again,
            "broker": self.broker.again,
        }

    def __enter__(self) -> House:
        for each in (self.broker, self.server, self.agent):
            each.start()
        return self

    def told(self) -> set[int]:
        """Give the numbers of the events of jobs that the workbench wrote down."""
        with closing(sqlite3.connect(self.settings.data / "fraktal.db")) as database:
            rows = database.execute("SELECT seq FROM event WHERE topic LIKE 'jobs.%'").fetchall()
        return {row[0] for row in rows}

    def __exit__(self, *_: object) -> None:
        for each in (self.agent, self.server, self.broker):
            each.end()


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come to hold")
        time.sleep(0.02)


def persist(act: Callable[[], T]) -> T:
    """Do what needs the server, again while it is down."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except Unavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class Office:
    """Orders plans, says yes to their deeds, and settles each doubt by looking at the file."""

    def __init__(self, bench: RemoteWorkbench, folder: Path) -> None:
        self._bench, self._folder = bench, folder
        self.plans: dict[int, int] = {}
        self.ended: set[int] = set()
        self.doubts, self.again, self.resumed = 0, Counter[str](), 0
        self.problem: BaseException | None = None
        self._closing, self._gone = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        try:
            while not self._gone.is_set():
                if self._closing.is_set() and len(self.ended) == len(self.plans):
                    break
                if not self._closing.is_set() and len(self.plans) - len(self.ended) < OPEN_PLANS:
                    self._order(len(self.plans))
                for each in persist(lambda: self._bench.approvals.list(limit=1000)):
                    with suppress(Conflict):  # answered, though we did not hear that it was
                        self._answer(each)
                self._look()
                time.sleep(0.05)
        except BaseException as problem:
            self.problem = problem

    def _order(self, number: int) -> None:
        deeds = {"folder": str(self._folder), "token": f"{number}-${{item}}"}
        steps = [
            {"id": "before", "capability": "benchmark.note"},
            {
                "id": "deeds",
                "capability": "benchmark.deed",
                "each": list(range(DEEDS)),
                "params": deeds,
                "after": ["before"],
            },
            {"id": "after", "capability": "benchmark.note", "after": ["deeds"]},
        ]
        order, options = {"plan": {"steps": steps}}, JobOptions(key=f"plan-{number}")
        job = persist(lambda: self._bench.jobs.submit("plan.run", order, options))
        self.plans[number] = job.id

    def _answer(self, asked: Any) -> None:
        if asked.kind == "approval":
            persist(lambda: self._bench.approvals.approve(asked.id, digest=asked.digest))
            return
        token = asked.params["token"]
        happened = token in lines(self._folder / "done")
        persist(lambda: self._bench.jobs.answer(asked.job_id, HAPPENED if happened else AGAIN))
        self.doubts += 1
        self.again[token] += not happened

    def _look(self) -> None:
        for number, job_id in self.plans.items():
            if number in self.ended:
                continue
            view = persist(lambda job_id=job_id: self._bench.jobs.get(job_id))
            if view.state == "succeeded":
                self.ended.add(number)
            elif view.ended:
                self.resumed += 1
                persist(lambda job_id=job_id: self._bench.jobs.retry(job_id))

    def __enter__(self) -> Office:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        self._thread.join()

    def finish(self) -> None:
        """Order no more, and wait until all that was ordered is done."""
        self._closing.set()
        self._thread.join(PATIENCE_S)
        if self.problem is not None:
            raise self.problem
        if self._thread.is_alive():
            raise TimeoutError("some plans did not come to their end")


def lines(file: Path) -> Counter[str]:
    """Count the lines of a file."""
    return Counter(file.read_text().split() if file.exists() else [])


def main() -> None:
    """Kill a hundred times at random moments, then count what was done."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    victims = [victim for victim, count in KILLS.items() for _ in range(count)]
    chance.shuffle(victims)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder) / "deeds"
        done.mkdir()
        with House(Path(folder)) as house, Workbench.open(house.settings) as bench:
            assert isinstance(bench, RemoteWorkbench)
            heard: set[int] = set()
            listening = bench.bus.subscribe(
                "jobs.*", "benchmark", lambda message: heard.add(message.body["seq"])
            )
            with Office(bench, done) as office:
                for victim in victims:
                    time.sleep(chance.uniform(0, 0.6))
                    house.ways[victim](chance)
                office.finish()
            told = house.told()
            with suppress(TimeoutError):
                until(lambda: told <= heard)
            listening.close()
        found, begun = lines(done / "done"), lines(done / "begun")
    wanted = [f"{number}-{item}" for number in office.plans for item in range(DEEDS)]
    lost = sum(found[token] == 0 for token in wanted)
    doubled = sum(found[token] > 1 for token in wanted)
    hidden = sum(max(0, begun[token] - 1 - office.again[token]) for token in wanted)
    print(
        f"SEED={seed}: {len(office.plans)} plans, {len(wanted)} deeds, {sum(begun.values())} "
        f"begun, {office.resumed} plans resumed, {time.monotonic() - began:.0f} s",
        file=sys.stderr,
    )
    figure = {
        "figure": "kills_100",
        "value": lost + doubled + hidden + len(told - heard),
        "unit": "deeds lost, doubled or repeated unasked, events lost",
        "lost": lost,
        "doubled": doubled,
        "repeated_unasked": hidden,
        "unknown_shown": office.doubts,
        "deeds": len(wanted),
        "events_lost": len(told - heard),
        "events": len(told),
    }
    print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
