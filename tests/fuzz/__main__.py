"""Run every fuzzer for a minute: ``python -m tests.fuzz``; ``python -m tests.fuzz 600``: for ten.

They need atheris (``uv pip install atheris``), and no other test does. What breaks one is kept in
``build/fuzz``; running it with that file as its argument shows how.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE.parents[1] / "build" / "fuzz"
LONGEST = 20_000


def main() -> None:
    """Run them one after the other; exit with how many broke."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    KEPT.mkdir(parents=True, exist_ok=True)
    broken = 0
    for path in sorted(HERE.glob("fuzz_*.py")):
        print(f"--- {path.stem}", flush=True)
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-verbosity=0"]
        command = [sys.executable, "-m", f"tests.fuzz.{path.stem}", *options]
        broken += subprocess.run([*command, f"-artifact_prefix={KEPT}/"]).returncode != 0
    sys.exit(broken)


if __name__ == "__main__":
    main()
