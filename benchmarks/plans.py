"""Plans: how fast one goes on, what a long queue costs, and what a hundred kills do.

``resume_50_steps``: a plan of 50 finished steps is retried; the time until its next step begins.
``claim_backlog``: processor time of a claim where 100,000 others wait, beside that of an empty
queue. ``kills_100``: plans whose steps write lines that nobody takes back, while workers and the
server are killed a hundred times; a person, played here, says yes and settles every doubt by
looking at the file. A line that is missing at the end was lost, one that stands twice doubled.

``FIGURE=kills_100 python -m benchmarks.plans`` measures one alone; ``SEED`` repeats the kills.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from benchmarks._peers import NotInstalled, dbos_resume_ms
from fraktal_kernel import JobOptions, Workbench
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.effects import AGAIN, HAPPENED
from fraktal_kernel.core.jobs.journal import Journal, Outcome, Submission
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.workspace import read_address
from fraktal_kernel.errors import Conflict, Unavailable

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
MODULES = ["benchmarks._deeds"]
STEPS, RESUMES, RESUME_MS = 50, 9, 200
BACKLOG, CLAIMS, ROUNDS = 100_000, 400, 9
WORKER_KILLS, SERVER_KILLS = 80, 20
OPEN_PLANS, DEEDS = 4, 4
PATIENCE_S = 300.0


def tell(figure: str, value: float, unit: str, **more: Any) -> None:
    """Print one figure."""
    print(json.dumps({"figure": figure, "value": value, "unit": unit, **more}), flush=True)


# --- resume -------------------------------------------------------------------------------


def resume() -> None:
    """Retry a plan whose last step fails each time; all before it is finished."""
    names = [f"s{number}" for number in range(STEPS)]
    steps: list[dict[str, Any]] = [{"id": n, "capability": "benchmark.note"} for n in names]
    steps.append({"id": "next", "capability": "benchmark.refuse", "after": names})
    waits_ms, began = [], 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Workbench.open(data=folder, capability_modules=MODULES, workers=2) as bench,
    ):
        job = bench.submit("plan.run", plan={"steps": steps})
        for number in range(RESUMES + 1):
            while not (view := job.refresh()).ended:
                time.sleep(0.01)
            assert view.state == "failed" and "step 'next' failed" in (view.error or ""), view.error
            children = bench.jobs.children(job.id)
            assert sum(child.state == "succeeded" for child in children.values()) == STEPS
            started = children["next"].started_at
            assert started is not None
            if number:
                waits_ms.append((started.timestamp() - began) * 1000)
            began = time.time()
            if number < RESUMES:
                job = bench.job(job.retry().id)
    value = statistics.median(waits_ms)
    print(f"resume: {', '.join(f'{ms:.0f}' for ms in waits_ms)} ms", file=sys.stderr)
    more: dict[str, Any] = {"bound": RESUME_MS}
    try:
        peer = dbos_resume_ms(STEPS, RESUMES)
        more |= {"peer": f"DBOS on SQLite: {peer:.0f} ms", "ratio": round(value / peer, 3)}
    except NotInstalled as reason:
        more |= {"peer": f"DBOS: not installed here ({reason})"}
    tell("resume_50_steps", round(value, 1), "ms", **more)


# --- backlog ------------------------------------------------------------------------------


class Queue:
    """A journal, with or without others that wait in it."""

    def __init__(self, file: Path, backlog: int) -> None:
        database = Database(f"sqlite:///{file}")
        database.migrate()
        self.owner_id = Security(database).local_user().user_id
        self.journal = Journal(database, Events(database))
        third = backlog // 3
        for more in (
            {"priority": -1},  # claimable, behind ours
            {"agent": "elsewhere"},  # for an agent that does not come
            {"asked_by": "a plan", "effect": True},  # waits for a yes
        ):
            order = Submission(self.owner_id, "benchmark.note", "{}", **more)  # type: ignore[arg-type]
            for _ in range(0, third, 1000):
                self.journal.submit([order] * 1000)

    def claims_us(self) -> float:
        """Claim jobs one by one; returns the processor time of each."""
        self.journal.submit([Submission(self.owner_id, "benchmark.note", "{}")] * CLAIMS)
        began = time.process_time()
        claimed = [self.journal.claim("benchmark", 60, 1)[0] for _ in range(CLAIMS)]
        took = time.process_time() - began
        self.journal.end([Outcome(job.id, job.fence, "succeeded", "1") for job in claimed])
        return took / CLAIMS * 1e6


def backlog() -> None:
    """Claim from an empty and from a long queue, in turns."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        empty, long = Queue(Path(folder) / "empty.db", 0), Queue(Path(folder) / "long.db", BACKLOG)
        pairs = [(empty.claims_us(), long.claims_us()) for _ in range(ROUNDS)]
    ratios = [after / before for before, after in pairs]
    ratio = statistics.median(ratios)
    shown = ", ".join(f"{before:.0f}/{after:.0f}" for before, after in pairs)
    print(f"claims, empty/long: {shown} us", file=sys.stderr)
    peer = f"an empty queue, {statistics.median(before for before, _ in pairs):.0f} us a claim"
    tell("claim_backlog", round((ratio - 1) * 100, 1), "% slower", peer=peer, ratio=round(ratio, 3))


# --- kills --------------------------------------------------------------------------------


class Serving:
    """A server process that may be killed and started again."""

    def __init__(self, data: Path) -> None:
        self._environment = {
            **os.environ,
            "FRAKTAL_DATA": str(data),
            "FRAKTAL_CAPABILITY_MODULES": json.dumps(MODULES),
            "FRAKTAL_WORKERS": "2",
            "FRAKTAL_HEARTBEAT_S": "0.5",
            "FRAKTAL_LEASE_S": "3",
            "FRAKTAL_LOG_LEVEL": "error",
        }
        self.settings: Settings = load_settings(data=data, capability_modules=MODULES)
        self._said = data / "said"

    def start(self) -> None:
        """Start the process and wait until it serves."""
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fraktal_kernel.cli", "serve", "--port", "0"],
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

        def serves() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"fraktal serve ended: {self._said.read_text()[-2000:]}")
            address = read_address(self.settings)
            return address is not None and address.pid == self._process.pid

        until(serves)

    def kill_worker(self, chance: random.Random) -> None:
        """Kill one of its workers."""

        def kill() -> bool:
            with suppress(psutil.Error):
                workers = psutil.Process(self._process.pid).children(recursive=True)
                workers = [each for each in workers if each.status() != psutil.STATUS_ZOMBIE]
                if workers:
                    chance.choice(workers).kill()
                    return True
            return False

        until(kill)

    def kill_server(self, chance: random.Random) -> None:
        """Kill the server, whose workers end with it, and start another."""
        self.end()
        self.start()

    def end(self) -> None:
        """Kill the process, and wait until its workers have ended too."""
        workers = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(workers, timeout=PATIENCE_S)


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
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            while not (self._closing.is_set() and len(self.ended) == len(self.plans)):
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

    def close(self) -> None:
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


def kills() -> None:
    """Kill a hundred times at random moments, then count what was done."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    victims = ["worker"] * WORKER_KILLS + ["server"] * SERVER_KILLS
    chance.shuffle(victims)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        data, done = Path(folder) / "data", Path(folder) / "deeds"
        data.mkdir()
        done.mkdir()
        server = Serving(data)
        # Whoever else does jobs is killed here too, under its name.
        ways = {"worker": server.kill_worker, "server": server.kill_server}
        server.start()
        try:
            bench = Workbench.open(server.settings)
            assert isinstance(bench, RemoteWorkbench)
            with bench:
                office = Office(bench, done)
                try:
                    for victim in victims:
                        time.sleep(chance.uniform(0, 0.6))
                        ways[victim](chance)
                finally:
                    office.close()
        finally:
            server.end()
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
    tell(
        "kills_100",
        lost + doubled + hidden,
        "deeds lost, doubled or repeated unasked",
        lost=lost,
        doubled=doubled,
        repeated_unasked=hidden,
        unknown_shown=office.doubts,
        deeds=len(wanted),
    )


def main() -> None:
    # Worker processes import the capabilities by name, wherever they are started.
    os.environ["PYTHONPATH"] = str(ROOT)
    figures = {"resume_50_steps": resume, "claim_backlog": backlog, "kills_100": kills}
    only = os.environ.get("FIGURE", "")
    for name, measure in figures.items():
        if only in ("", name):
            measure()


if __name__ == "__main__":
    main()
