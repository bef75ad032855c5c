"""Cells made by the workers of a Dask cluster: as tasks that know all they need, in any order.

A task is the painter, pickled, and a cell. Each worker process prepares what the cells share once,
such as the reference orbit of a deep view. Few cells are under way for each thread of the cluster,
and finished ones stay on their workers until they are asked for, so that memory is bounded
everywhere. What a worker that dies had begun, Dask gives to another; a task that nobody waits for
any more, because this process stopped or was killed, ends within milliseconds.
"""

from __future__ import annotations

import pickle
import queue
import socket
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from fraktal_kernel.errors import FraktalError, InvalidInput, MissingExtra, Unavailable
from fraktal_kernel.fractals.poster.cells import Cell
from fraktal_kernel.fractals.poster.painter import Cells, Made, Making, Painter
from fraktal_kernel.fractals.poster.points import Points
from fraktal_kernel.fractals.progress import Cancelled, Stopped

# A thread should find its next cell there when it is done with one.
_AHEAD = 2
_CONNECT_S, _LOOK_UP_S, _COUNT_S, _ALONE_S = 5.0, 0.01, 1.0, 120.0
_KEPT_PLANS = 2
# Jobs that wait for a thread of the cluster come before further cells.
_PRIORITY = -10


def spread(
    address: str, painter: Painter, cells: Cells, cancelled: Cancelled | None = None
) -> Making:
    """Let the workers of a cluster make cells, and give them as they are finished.

    Parameters
    ----------
    address : of the scheduler, such as ``"tcp://10.0.0.5:8786"``
    painter, cells : what is made
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Raises
    ------
    Unavailable
        there is no scheduler, or it has no workers
    """
    client = _client(address)
    one_thread = replace(painter.request, threads=1)  # Dask fills the processors with tasks
    plan = pickle.dumps(replace(painter, request=one_thread))
    left = iter(cells)
    under_way: dict[str, tuple[list[int], Cell]] = {}
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ready: queue.Queue[tuple[Any, Made | BaseException]] = queue.Queue(maxsize=1)
    closed = threading.Event()
    threads = _threads(client)

    def fetch() -> None:
        while (future := finished.get()) is not None and not closed.is_set():
            try:
                item: Made | BaseException = future.result()
            except BaseException as error:
                item = error
            while not closed.is_set():
                with suppress(queue.Full):
                    ready.put((future, item), timeout=_LOOK_UP_S)
                    break

    fetching = threading.Thread(target=fetch, name="poster-fetch", daemon=True)
    fetching.start()
    counted_at = alone_since = time.monotonic()
    exhausted = False
    try:
        while True:
            while not exhausted and len(under_way) < _AHEAD * max(threads, 1):
                one = next(left, None)
                exhausted = one is None
                if one is not None:
                    future = client.submit(_cell, plan, one[1], pure=False, priority=_PRIORITY)
                    under_way[future.key] = one
                    future.add_done_callback(finished.put)
                    del future
            if not under_way:
                return
            try:
                future, item = ready.get(timeout=_LOOK_UP_S)
            except queue.Empty:
                item = None
            if cancelled is not None and cancelled():
                raise Stopped("the work was cancelled; what the cluster had begun is given up.")
            now = time.monotonic()
            if now - counted_at >= _COUNT_S:
                threads, counted_at = _threads(client), now
                alone_since = now if threads else alone_since
                if now - alone_since > _ALONE_S:
                    raise Unavailable(
                        f"the Dask scheduler {address} has had no worker for {_ALONE_S:.0f} s; "
                        "start some and make the picture again, what is done is kept."
                    )
            if item is None:
                continue
            if isinstance(item, BaseException):
                raise _told(item, address)
            numbers, cell = under_way.pop(future.key)
            future.release()
            yield numbers, cell, partial(_given, item)
            del future, item
    finally:
        closed.set()
        finished.put(None)
        client.close(timeout=2)
        fetching.join(timeout=2)


def _given(made: Made) -> Made:
    return made


def check(address: str) -> None:
    """Refuse, before any work, a scheduler that is not there."""
    if find_spec("distributed") is None:
        raise MissingExtra("Dask needs: pip install 'fraktal[cluster]'.")
    place = urlsplit(address)
    try:
        known = place.scheme in ("tcp", "tls") and place.hostname and place.port
    except ValueError:
        known = False
    if not known:
        raise InvalidInput(
            f"scheduler is {address!r:.200}; expected an address such as 'tcp://10.0.0.5:8786'."
        )
    try:
        # A client of Dask would go on trying; a refusal is known at once.
        socket.create_connection((place.hostname, place.port), timeout=_CONNECT_S).close()
    except OSError as error:
        raise _silent(address, error) from None


def _silent(address: str, error: BaseException) -> Unavailable:
    why = str(error) or type(error).__name__
    return Unavailable(
        f"the Dask scheduler {address} does not answer ({why:.200}); start it, or mend the address."
    )


def _client(address: str) -> Any:
    """Connect to a cluster that has workers."""
    check(address)
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False, name="fraktal-poster")
    except (OSError, TimeoutError, ValueError) as error:
        raise _silent(address, error) from None
    if not _threads(client):
        client.close(timeout=2)
        raise Unavailable(f"the Dask scheduler {address} has no workers; start some.")
    return client


def _threads(client: Any) -> int:
    """Count the threads of the cluster."""
    try:
        return sum(client.nthreads().values())
    except (OSError, TimeoutError):
        return 0


def _told(error: BaseException, address: str) -> FraktalError:
    """Say in one sentence why a cell could not be made."""
    if isinstance(error, FraktalError):
        return error
    if isinstance(error, ImportError):
        return Unavailable(
            f"the workers of {address} cannot import what they need ({error!s:.200}); install "
            "fraktal there, of this version."
        )
    return Unavailable(
        f"a worker of {address} could not make its tiles ({type(error).__name__}: "
        f"{error!s:.300}); see its log, and make the picture again: what is done is kept."
    )


# ------------------------------------------------------------------ what workers do

_plans: OrderedDict[bytes, tuple[Painter, Points]] = OrderedDict()
_preparing = threading.Lock()


def _cell(plan: bytes, cell: Cell) -> Made:
    """Make one cell on one thread, unless nobody waits for it any more."""
    given_up = _asked_by_dask()
    painter, points = _prepared(plan, given_up)
    fields = painter.fields(points, cell, given_up)
    return painter.made(points, cell, fields, given_up)


def _asked_by_dask() -> Cancelled:
    """Give what says whether Dask still wants the task that this thread does."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def given_up() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return given_up


def _prepared(plan: bytes, given_up: Cancelled) -> tuple[Painter, Points]:
    """Prepare what all cells of a poster share, once in a process, however many threads ask."""
    while not _preparing.acquire(timeout=_LOOK_UP_S):
        if given_up():
            raise Stopped("nobody waits for this cell any more.")
    try:
        if plan not in _plans:
            painter: Painter = pickle.loads(plan)
            _plans[plan] = painter, painter.points(given_up)
            while len(_plans) > _KEPT_PLANS:
                _plans.popitem(last=False)
        _plans.move_to_end(plan)
        return _plans[plan]
    finally:
        _preparing.release()
