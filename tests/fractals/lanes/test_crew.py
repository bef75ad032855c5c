"""Crews: every row is done once, and nobody is left with a large rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from fraktal_kernel.fractals import machine
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.progress import Stopped


@pytest.mark.parametrize("threads", [1, 3, 8])
@pytest.mark.parametrize(("rows", "first", "step"), [(1, 0, 1), (7, 0, 1), (1000, 3, 4)])
def test_every_row_is_done_once(threads: int, rows: int, first: int, step: int) -> None:
    """Spans cover the rows that were asked for, whoever takes them."""
    done: list[int] = []

    def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
        mine = [row for start, end in spans for row in range(start, end, step)]
        done.extend(mine)
        return len(mine)

    asked = range(first, rows, step)
    assert Crew(threads).share(work, rows, first=first, step=step) == len(asked)
    assert sorted(done) == list(asked)


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_spans_shrink_towards_the_end(threads: int) -> None:
    """No span is a large part of what is left, so that work in the last rows is shared, too.

    A single thread has nobody to share it with.
    """
    rows, sizes = 2000, []
    lock = threading.Lock()

    def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
        for start, end in spans:
            with lock:
                sizes.append((rows - start, end - start))
        return 0

    Crew(threads).share(work, rows)
    assert threads == 1 or all(size == 1 or size * 4 * threads <= left for left, size in sizes)
    assert len(sizes) < 60 * threads


def test_a_cancel_does_not_wait_for_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever compiles is left to end by itself, and then stops before it does anything else."""
    begun, ready, ended = threading.Event(), threading.Event(), threading.Event()
    saw: list[bool] = []

    def compiled(kernel: Kernel) -> bytes:
        begun.set()
        assert ready.wait(60)
        raise RuntimeError("nobody hears of it")

    kernel = Kernel("fraktal_kernel.fractals.machine", "_sum", "float64(float64[::1])")
    monkeypatch.setattr(Kernel, "_compile", compiled)
    monkeypatch.setattr(machine, "read_kept", lambda path: None)

    def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
        try:
            kernel(np.ones(3))
        finally:
            saw.append(stop.is_set())
            ended.set()
        return 0

    with pytest.raises(Stopped):
        Crew(1, cancelled=begun.is_set).share(work, 8)
    assert not ended.is_set() and machine.compiling()
    ready.set()
    assert ended.wait(60) and saw == [True]
    assert not machine.compiling()
