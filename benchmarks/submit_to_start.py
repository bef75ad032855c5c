"""How long a submitted job waits for an idle worker process: submit to the first line of work.

Both clocks are this machine's; the capability returns when its work began.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pydantic import BaseModel

from fraktal_kernel import Run, Workbench, capability

JOBS = 500


class Nothing(BaseModel):
    """No parameters."""


def clock(params: Nothing, run: Run) -> float:
    """Return when the work began, in seconds since 1970."""
    return time.time()


if __name__ != "__main__":
    capability("benchmark.clock", title="Tell the time")(clock)


def main() -> None:
    # Worker processes import this module by name, wherever they are started.
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    with (
        tempfile.TemporaryDirectory() as folder,
        Workbench.open(
            data=folder, capability_modules=["benchmarks.submit_to_start"], workers=2
        ) as workbench,
    ):
        for _ in range(10):
            workbench.submit("benchmark.clock").wait(60)
        waits_ms = []
        for _ in range(JOBS):
            began = time.time()
            waits_ms.append((workbench.submit("benchmark.clock").wait(60) - began) * 1000)
    waits_ms.sort()
    p99 = waits_ms[int(0.99 * JOBS)]
    print(
        f"median {statistics.median(waits_ms):.2f} ms, p99 {p99:.2f} ms, worst {waits_ms[-1]:.2f}",
        file=sys.stderr,
    )
    print(json.dumps({"figure": "submit_to_start_p99", "value": round(p99, 2), "unit": "ms"}))


if __name__ == "__main__":
    # By its own name, under which worker processes import it.
    from benchmarks import submit_to_start

    submit_to_start.main()
