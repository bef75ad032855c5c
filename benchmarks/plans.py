"""Plans: how fast one goes on, and what a long queue costs.

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
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TypeVar

from benchmarks._peers import NotInstalled, dbos_rate, dbos_resume_ms
from fraktal_kernel import Workbench
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.journal import Journal, Outcome, Submission
from fraktal_kernel.core.security import Security

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
MODULES = ["benchmarks._deeds"]
STEPS, RESUMES, RESUME_MS = 50, 9, 200
FLOWS, DBOS_FLOWS = 1000, 100
BACKLOG, CLAIMS, ROUNDS = 100_000, 400, 9


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


# --- flow ---------------------------------------------------------------------------------


def by_dask() -> float:
    """Count the tasks a second that Dask's workers bring to their end; nothing is kept anywhere."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(int, range(100), pure=False))
        began = time.monotonic()
        client.gather(client.map(int, range(2 * FLOWS), pure=False))
        return 2 * FLOWS / (time.monotonic() - began)


def flow() -> None:
    """Submit jobs of two steps at once, and wait for the last in two worker processes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Workbench.open(data=folder, capability_modules=MODULES, workers=2) as bench,
    ):
        bench.submit("benchmark.two_steps").wait(60)
        began = time.monotonic()
        jobs = [bench.submit("benchmark.two_steps") for _ in range(FLOWS)]
        assert all(job.wait(300) == 2 for job in jobs)
        rate = FLOWS / (time.monotonic() - began)
    print(f"Dask: {by_dask():.0f} tasks/s, nothing kept", file=sys.stderr)
    more: dict[str, Any] = {}
    try:
        peer = dbos_rate(2, DBOS_FLOWS)
        more = {"peer": f"DBOS on SQLite: {peer:.0f}/s", "ratio": round(rate / peer, 3)}
    except NotInstalled as reason:
        more = {"peer": f"DBOS: not installed here ({reason})"}
    tell("two_step_jobs", round(rate, 1), "jobs of two steps a second, end to end", **more)


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


def main() -> None:
    # Worker processes import the capabilities by name, wherever they are started.
    os.environ["PYTHONPATH"] = str(ROOT)
    figures = {"resume_50_steps": resume, "claim_backlog": backlog, "two_step_jobs": flow}
    only = os.environ.get("FIGURE", "")
    for name, measure in figures.items():
        if only in ("", name):
            measure()


if __name__ == "__main__":
    main()
