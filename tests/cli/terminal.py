"""Typing at a terminal, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

Fraktal = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "fraktal_kernel.cli"]


def command(data: Path, folder: Path, **more: str) -> Fraktal:
    """Give a function that runs ``fraktal`` with words and waits for its end."""

    def call(*words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "FRAKTAL_DATA": str(data), **more},
            timeout=240,
        )

    return call


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Check that a refusal is one line on the standard error and nothing else; returns it."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("fraktal: "), done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    return lines[0]


def eventually(check: Callable[[], bool], seconds: float = 180) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def ended(pid: int) -> bool:
    """Say whether a process does nothing more; its parent may not have looked yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
