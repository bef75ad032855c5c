"""Agents for tests: real processes, and raw lines that say whatever a test wants."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from fraktal_kernel.agents.line import VERSION, framed, unframed
from tests.system.serving import ROOT, Serving, runs, until, workers_of


class AgentProcess:
    """A real ``fraktal agent start`` in the workspace of a server."""

    def __init__(self, server: Serving, name: str, *words: str, **environment: str) -> None:
        self.name = name
        self._said = server.data.parent / f"{name}.said"
        start = [sys.executable, "-m", "fraktal_kernel.cli", "agent", "start", "--name", name]
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [*start, "--offers", "test.*,fault.*", "--slots", "1", *words],
                env={**server.environment, **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def said(self) -> str:
        """Read what it has printed."""
        return self._said.read_text(errors="replace")

    def kill(self) -> None:
        """End it with SIGKILL; its workers end with it."""
        family = workers_of(self.process.pid)
        self.process.kill()
        self.process.wait()
        until(lambda: not any(map(runs, family)), what="the end of every worker")

    def hold(self) -> None:
        """Stop it and its workers, as a machine that hangs would."""
        for process in (psutil.Process(self.process.pid), *workers_of(self.process.pid)):
            process.suspend()

    def go_on(self) -> None:
        """Let it go on."""
        for process in (*workers_of(self.process.pid), psutil.Process(self.process.pid)):
            process.resume()

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            family = workers_of(self.process.pid)
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            for worker in filter(runs, family):
                with suppress(psutil.NoSuchProcess):
                    worker.kill()


@contextmanager
def agent(server: Serving, name: str, *words: str, **environment: str) -> Iterator[AgentProcess]:
    """Start an agent; ended at the end in any case."""
    started = AgentProcess(server, name, *words, **environment)
    try:
        yield started
    finally:
        started.close()


def words_of(name: str, **more: Any) -> dict[str, Any]:
    """Give the first words of an agent."""
    return {
        "op": "register",
        "version": VERSION,
        "name": name,
        "instance": os.urandom(16).hex(),
        "offers": ["served.*"],
        "capabilities": ["served.count", "served.fail"],
        "slots": 2,
        "machine": {
            "host": "testing",
            "system": "none",
            "python": "3.11",
            "cores": 1,
            "memory_bytes": 1,
            "cards": [],
        },
        "data": "/nowhere",
        "modules": [],
        **more,
    }


class RawAgent:
    """One raw line: says exactly what it is told to, as somebody who means no good would."""

    def __init__(self, url: str, token: str, name: str = "raw", **more: Any) -> None:
        self.words = words_of(name, **more)
        self._open = ExitStack()
        calling = connect(
            f"{url.replace('http', 'ws', 1)}/api/agents/line",
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
            compression=None,
            max_size=None,
            close_timeout=1,
        )
        self.line: ClientConnection = self._open.enter_context(calling)

    def say(self, **message: Any) -> None:
        """Say a message of the line."""
        self.line.send(json.dumps(message))

    def hear(self, timeout_s: float = 60) -> dict[str, Any]:
        """Wait for a message of the line."""
        while isinstance(frame := self.line.recv(timeout=timeout_s), bytes):
            pass
        message: dict[str, Any] = json.loads(frame)
        return message

    def register(self) -> RawAgent:
        """Register, and be welcome."""
        self.say(**self.words)
        assert self.hear()["op"] == "welcome"
        return self

    def open(self, worker: int = 1) -> None:
        """Say that a worker is ready."""
        self.say(op="open", worker=worker, pid=1)

    def work(self, message: dict[str, Any] | str, worker: int = 1) -> None:
        """Say what a worker would."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.line.send(framed(worker, text.encode()))

    def job(self, timeout_s: float = 60) -> dict[str, Any]:
        """Wait until a worker is given a job."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            frame = self.line.recv(timeout=timeout_s)
            if isinstance(frame, bytes):
                message: dict[str, Any] = json.loads(unframed(frame)[1])
                if message["op"] == "run":
                    return message
        raise AssertionError("no job came")

    def refusal(self, timeout_s: float = 60) -> tuple[int, str]:
        """Wait until the server hangs up; return its code and the whole of what it said."""
        sentence = ""
        try:
            while True:
                frame = self.line.recv(timeout=timeout_s)
                if isinstance(frame, str) and json.loads(frame)["op"] == "refused":
                    sentence = json.loads(frame)["error"]
        except ConnectionClosed as error:
            assert error.rcvd is not None, "the server did not say good-bye"
            return error.rcvd.code, sentence or error.rcvd.reason

    def close(self) -> None:
        """Hang up."""
        self._open.close()
