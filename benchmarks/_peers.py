"""Peers that are installed for a benchmark only: each in an environment of its own, made once."""

from __future__ import annotations

import json
import os
import queue
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from fraktal_kernel.fractals.cache import cache_folder

VERSION = "1.2.1"
DBOS_VERSION, DBOS_LIMIT_S = "3.4.0", 120
# What Fractalshades computes with; the window, which needs Qt, is left out.
NEEDED = (
    *("cython==0.29.37", "setuptools<70", "wheel", "numpy==2.2.6", "gmpy2==2.3.2"),
    *("numba==0.68.1", "mpmath==1.4.1", "pillow==13.0.0"),
)
LIBRARIES = ("gmp", "mpfr", "mpc")
WARM_UP_PX = 80


# Seconds on the wall and of the processors; or, in words, why there are none.
Took = tuple[float, float] | str


class NotInstalled(Exception):
    """A peer that cannot be had here; the text says why."""


def fractalshades() -> Path:
    """Give the Python that Fractalshades runs in, installed where it is not yet."""
    base = cache_folder("peers")
    if base is None:
        raise NotInstalled("there is no folder to install it to")
    home = base / f"fractalshades-{VERSION}"
    python, whole = home / "bin" / "python", home / "complete"
    if not whole.exists():
        typed([sys.executable, "-m", "venv", "--clear", str(home)])
        install = [str(python), "-m", "pip", "install", "--quiet"]
        typed([*install, *NEEDED])
        built = ["--no-cache-dir", "--no-deps", "--no-build-isolation"]
        # Its extension is linked to the libraries that gmpy2 brings; no system package is needed.
        typed([*install, *built, f"fractalshades=={VERSION}"], LIBRARY_PATH=str(_linked(home)))
        whole.touch()
    return python


def _linked(home: Path) -> Path:
    """Give gmpy2's libraries the names by which a linker looks for them."""
    folder = home / "libraries"
    folder.mkdir(exist_ok=True)
    for name in LIBRARIES:
        found = sorted(home.glob(f"lib/*/site-packages/gmpy2.libs/lib{name}-*.so*"))
        if not found:
            raise NotInstalled(f"gmpy2 brings no lib{name} on this system")
        (folder / f"lib{name}.so").symlink_to(found[0])
    return folder


def typed(command: Sequence[str], **variables: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "rror" in line] or ["no word"]
        raise NotInstalled(lines[-1].strip()[:200])


def fractalshades_seconds(
    python: Path, view: dict[str, Any], widths_px: Sequence[int], limit_s: float
) -> dict[int, Took]:
    """Time pictures 4:3 of a view, after a warm-up: seconds, or in words why there are none."""
    asked = {**view, "widths_px": [WARM_UP_PX, *widths_px]}
    worker = Path(__file__).with_name("_fractalshades.py")
    lines: queue.Queue[str | None] = queue.Queue()
    found: dict[int, Took] = {}
    with subprocess.Popen(
        [str(python), str(worker)],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
        text=True,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        said: list[str] = []
        watchers = [
            threading.Thread(target=_read, args=(process.stdout, lines.put)),
            threading.Thread(target=_read, args=(process.stderr, said.append)),
        ]
        for watcher in watchers:
            watcher.start()
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        reason = ""
        for width_px in asked["widths_px"]:
            reason = reason or _next(lines, found, limit_s)
            if reason:
                found[width_px] = reason
        process.kill()
        for watcher in watchers:
            watcher.join()
    if reason == "failed":
        last = next((line for line in reversed(said) if line), "no word")
        found = {k: f"failed: {last[:120]}" if v == "failed" else v for k, v in found.items()}
    warm = found.pop(WARM_UP_PX)
    if isinstance(warm, str):
        return {width_px: f"{warm} (at {WARM_UP_PX} pixels)" for width_px in widths_px}
    return found


def _read(stream: IO[str], take: Any) -> None:
    for line in stream:
        take(line.rstrip())
    take(None)


def _next(lines: queue.Queue[str | None], found: dict[int, Took], limit_s: float) -> str:
    """Wait for the next picture, and say what went wrong, if anything did."""
    while True:
        try:
            line = lines.get(timeout=limit_s)
        except queue.Empty:
            return f"stopped after {limit_s:g} s"
        if line is None:
            return "failed"
        if line.startswith("SECONDS "):
            width_px, wall, spent = json.loads(line.removeprefix("SECONDS "))
            found[width_px] = wall, spent
            return ""


def dbos_resume_ms(steps: int, times: int) -> float:
    """Time how long DBOS on SQLite takes to go on behind finished steps: the median."""
    found = _dbos("resume", steps, times, "MS")
    if len(found) != times:
        raise NotInstalled(f"it printed {len(found)} of {times} times")
    return statistics.median(found)


def dbos_rate(steps: int, count: int) -> float:
    """Count how many workflows of so many steps DBOS on SQLite brings to their end a second."""
    return _dbos("flow", steps, count, "RATE")[0]


def _dbos(what: str, steps: int, times: int, word: str) -> list[float]:
    base = cache_folder("peers")
    if base is None:
        raise NotInstalled("there is no folder to install it to")
    home = base / f"dbos-{DBOS_VERSION}"
    python, whole = home / "bin" / "python", home / "complete"
    if not whole.exists():
        typed([sys.executable, "-m", "venv", "--clear", str(home)])
        typed([str(python), "-m", "pip", "install", "--quiet", f"dbos=={DBOS_VERSION}"])
        whole.touch()
    worker = Path(__file__).with_name("_dbos.py")
    done = subprocess.run(
        [str(python), str(worker), what, str(steps), str(times)],
        **{"capture_output": True, "text": True, "check": False},
        timeout=DBOS_LIMIT_S,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    found = [float(words[1]) for words in lines if words[:1] == [word]]
    if not found:
        raise NotInstalled((done.stderr.strip().splitlines() or ["no word"])[-1][:200])
    return found
