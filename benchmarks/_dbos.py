"""Runs in DBOS's own environment, its database on SQLite.

``resume STEPS TIMES``: a workflow is begun again behind its finished steps; prints the milliseconds
from the wish to the start of the next step, one line ``MS ...`` each. ``flow STEPS COUNT``: prints
how many workflows a second, all begun at once, come to their end: ``RATE ...``.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from contextlib import suppress

from dbos import DBOS

STEPS, TIMES = int(sys.argv[2]), int(sys.argv[3])
started: list[float] = []


@DBOS.step()
def note() -> int:
    """Succeed at once."""
    return 1


@DBOS.step()
def refuse() -> None:
    """Tell when it begins, and fail."""
    started.append(time.time())
    raise RuntimeError("it was meant to fail")


@DBOS.workflow()
def plan() -> None:
    """Take all steps, and then the one that fails."""
    for _ in range(STEPS):
        note()
    refuse()


@DBOS.workflow()
def notes() -> int:
    """Take all steps."""
    return sum(note() for _ in range(STEPS))


def resume() -> None:
    first = DBOS.start_workflow(plan)
    with suppress(RuntimeError):
        first.get_result()
    for _ in range(TIMES):
        began = time.time()
        again = DBOS.fork_workflow(first.workflow_id, STEPS + 1)
        with suppress(RuntimeError):
            again.get_result()
        print("MS", (started[-1] - began) * 1000, flush=True)


def flow() -> None:
    DBOS.start_workflow(notes).get_result()
    began = time.monotonic()
    for each in [DBOS.start_workflow(notes) for _ in range(TIMES)]:
        each.get_result()
    print("RATE", TIMES / (time.monotonic() - began), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/dbos.sqlite"
        DBOS(config={"name": "benchmark", "system_database_url": url, "run_admin_server": False})
        logging.disable(logging.CRITICAL)
        DBOS.launch()
        {"resume": resume, "flow": flow}[sys.argv[1]]()
        DBOS.destroy()


main()
