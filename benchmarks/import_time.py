"""How long importing takes, in fresh processes: the package alone, and with its workbench.

The promise is less than 0.3 s for ``import fraktal_kernel``; numpy is beside it as a measure of
the machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 11
STATEMENTS = {
    "import_time": "import fraktal_kernel",
    "import_time_workbench": "from fraktal_kernel import Workbench",
}
PEER = "import numpy"


def seconds(statement: str) -> float:
    """Time one statement in a process that has imported nothing else."""
    clock = "time.perf_counter()"
    code = f"import time; began = {clock}; {statement}; print({clock} - began)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in [*STATEMENTS.values(), PEER]}
    for statement in taken:
        seconds(statement)  # once unmeasured: reads the files from the disk
    for _ in range(ROUNDS):
        for statement, times in taken.items():
            times.append(seconds(statement))
    peer = statistics.median(taken[PEER])
    for figure, statement in STATEMENTS.items():
        value = statistics.median(taken[statement])
        line = {"figure": figure, "value": value, "unit": "s", "peer": PEER, "ratio": value / peer}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
