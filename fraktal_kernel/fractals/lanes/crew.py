"""Threads that share the rows of a picture: whoever is done takes the next span."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.machine import compiling
from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped

# Towards the end spans have at most so many parts of what is left for each of several threads: rows
# of one picture may take a thousand times as long as others.
_SPANS_OF_THE_REST = 4
_LOOK_UP_S = 0.01

# What a thread does: it takes spans of rows while there are some, until it is to stop, and gives
# the steps that it took.
Work = Callable[[Iterator[tuple[int, int]], threading.Event], int]


@dataclass(frozen=True, slots=True)
class Crew:
    """Some threads, whom to tell how far they are, and who may stop them.

    Parameters
    ----------
    threads : how many; by default one for every processor that this process may use
    progress : called with a fraction and a text such as ``"rows 400/1000"``
    cancelled : asked every few milliseconds
    spans : into how many of them each thread's part of the rows is cut
    """

    threads: int | None = None
    progress: Progress | None = None
    cancelled: Cancelled | None = None
    spans: int = 16

    def ask(self) -> None:
        """End the work if somebody wants that."""
        if self.cancelled is not None and self.cancelled():
            raise Stopped("the computation was cancelled before the picture was complete.")

    def share(self, work: Work, rows: int, *, first: int = 0, step: int = 1) -> int:
        """Let them do the rows ``first, first + step, ...`` below ``rows``; adds up their steps.

        Raises
        ------
        Stopped
            when ``cancelled`` says so, after all threads have ended; where a kernel is being
            compiled, which nobody can stop, they are left to end by themselves
        """
        workers = worker_count(self.threads)
        todo = max(0, -(-(rows - first) // step))
        cut = iter(_spans(todo, workers, self.spans))
        cutting = threading.Lock()
        ended: list[int] = []
        stop = threading.Event()

        def spans() -> Iterator[tuple[int, int]]:
            while True:
                with cutting:
                    span = next(cut, None)
                if span is None:
                    return
                start, end = span
                yield first + start * step, min(first + end * step, rows)
                ended.append((end - start) * step)

        pool = ThreadPoolExecutor(workers, thread_name_prefix="fractal")
        try:
            futures = [pool.submit(work, spans(), stop) for _ in range(workers)]
            waiting = set(futures)
            rows_done = 0
            while waiting:
                _, waiting = wait(waiting, timeout=_LOOK_UP_S)
                self.ask()
                done, rows_done = rows_done, min(rows, sum(ended))
                if self.progress is not None and rows_done > done:
                    self.progress(rows_done / rows, f"rows {rows_done}/{rows}")
        finally:
            stop.set()
            pool.shutdown(wait=not compiling())
        return sum(future.result() for future in futures)


def _spans(todo: int, workers: int, spans: int) -> Iterator[tuple[int, int]]:
    """Cut rows into spans that get smaller towards the end, so that all are done together.

    References
    ----------
    Polychronopoulos and Kuck, *Guided self-scheduling* (1987).

    Examples
    --------
    >>> [end - start for start, end in _spans(64, 2, 8)][:3], list(_spans(64, 2, 8))[-1]
    ([4, 4, 4], (63, 64))
    """
    most, start = -(-todo // (workers * spans)), 0
    while start < todo:
        rest = (todo - start) // (workers * _SPANS_OF_THE_REST) if workers > 1 else most
        end = min(todo, start + max(1, min(most, rest)))
        yield start, end
        start = end


def worker_count(threads: int | None) -> int:
    """Use what was asked for, or every processor that this process may use."""
    if threads is None:
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise InvalidInput(f"threads is {threads!r:.60}; expected a whole number from 1 to 1024.")
    return threads
