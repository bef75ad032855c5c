"""Runs in DBOS's own environment: a workflow is begun again behind its finished steps.

Called with the count of steps and of repeats; prints the milliseconds from the wish to the start
of the next step, one line ``MS ...`` each.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from contextlib import suppress

from dbos import DBOS

STEPS, TIMES = int(sys.argv[1]), int(sys.argv[2])
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


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/dbos.sqlite"
        DBOS(config={"name": "benchmark", "system_database_url": url, "run_admin_server": False})
        logging.disable(logging.CRITICAL)
        DBOS.launch()
        first = DBOS.start_workflow(plan)
        with suppress(RuntimeError):
            first.get_result()
        for _ in range(TIMES):
            began = time.time()
            again = DBOS.fork_workflow(first.workflow_id, STEPS + 1)
            with suppress(RuntimeError):
                again.get_result()
            print("MS", (started[-1] - began) * 1000, flush=True)
        DBOS.destroy()


main()
