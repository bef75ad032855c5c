"""The worker processes of an agent, and the relay between their lines and the agent's one line.

The processes are the same as those of a server (``core/jobs/worker.py``) and call a port of
loopback as they would call the hub. Each frame that one sends goes on over the agent's line with
the number of its worker, and back the same way: nothing in between is read.
"""

from __future__ import annotations

import itertools
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path

from fraktal_kernel.agents.line import FRAME_BYTES, Gone, Open, framed
from fraktal_kernel.core.jobs.channel import Channel
from fraktal_kernel.core.jobs.executors import WorkerProcess
from fraktal_kernel.core.monitoring.logs import get_logger

log = get_logger("agents")
YOUNG_S = 2.0


class Worker:
    """One connected process: its number on the line, and what waits to be told to it."""

    def __init__(self, number: int, name: str, pid: int, connection: Connection) -> None:
        self.number, self.name, self.pid = number, name, pid
        self.connection = connection
        self.frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def tell(self) -> None:
        """Pass on what the server says; one that does not listen keeps only this thread."""
        with suppress(OSError):
            while (frame := self.frames.get()) is not None:
                self.connection.send_bytes(frame)


class Crew:
    """The processes behind one registration; they end with it.

    Parameters
    ----------
    send : sends a frame over the agent's line; OSError when that is gone
    data : workspace root of the processes
    """

    def __init__(
        self, send: Callable[[str | bytes], None], name: str, slots: int, data: Path
    ) -> None:
        self._send, self._name, self._slots, self._data = send, name, slots, data
        self._numbers = itertools.count(1)
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), family="AF_INET", backlog=64)
        self._processes: dict[str, WorkerProcess] = {}
        self._workers: dict[int, Worker] = {}
        self._pause_until = 0.0
        self._closing = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def tick(self) -> None:
        """Replace processes that have ended, slowly if they die young.

        Called from one thread alone, which lives as long as we do: a process ends with the
        thread that started it.
        """
        now = time.monotonic()
        for process in [each for each in self._processes.values() if not each.alive]:
            del self._processes[process.id]
            process.kill()
            if now - process.started < YOUNG_S:
                self._pause_until = now + 1
        while len(self._processes) < self._slots and now >= self._pause_until:
            process = WorkerProcess(self._listener.address, self._key, self._name, self._data)
            self._processes[process.id] = process

    def stopped(self) -> list[int]:
        """List the numbers of workers that the system holds still."""
        found = []
        for worker in list(self._workers.values()):
            process = self._processes.get(worker.name)
            if process is not None and process.stopped:
                found.append(worker.number)
        return found

    def deliver(self, number: int, frame: bytes) -> None:
        """Tell a worker what the server says; one that is gone is told nothing."""
        worker = self._workers.get(number)
        if worker is not None:
            worker.frames.put(frame)

    def kill(self, number: int) -> None:
        """End a worker's process at once."""
        worker = self._workers.get(number)
        process = self._processes.get(worker.name) if worker else None
        if process is not None:
            process.kill()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection = self._listener.accept()
            except OSError:
                time.sleep(0.1)
                continue
            threading.Thread(target=self._relay, args=(connection,), daemon=True).start()

    def _relay(self, connection: Connection) -> None:
        """Carry all that one process says to the server, until either is gone."""
        channel = Channel(connection)
        worker = None
        try:
            channel.authenticate(self._key)
            hello = channel.receive()
            number = next(self._numbers)
            worker = Worker(number, hello["worker"], hello["pid"], connection)
            self._workers[number] = worker
            threading.Thread(target=worker.tell, daemon=True).start()
            self._send(Open(worker=number, pid=worker.pid).model_dump_json())
            while True:
                frame = connection.recv_bytes()
                if len(frame) > FRAME_BYTES:
                    log.error("a worker said too much at once", size_bytes=len(frame))
                    self.kill(number)
                    return
                self._send(framed(number, frame))
        except (AuthenticationError, EOFError, OSError):
            pass
        finally:
            if worker is not None:
                self._workers.pop(worker.number, None)
                worker.frames.put(None)
                with suppress(OSError):
                    self._send(Gone(worker=worker.number).model_dump_json())
            connection.close()

    def close(self) -> None:
        """End all processes."""
        self._closing = True
        with suppress(OSError):  # a call of our own wakes the thread that waits for one
            socket.create_connection(self._listener.address, timeout=1).close()
        self._accepting.join(timeout=2)
        self._listener.close()
        for process in self._processes.values():
            process.kill()
        self._processes.clear()
