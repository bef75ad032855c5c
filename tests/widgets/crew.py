"""A crew of agents whose lines end in this process: what they say is real, their machines are not.

The desk, its scribe and the database are those of a serving workbench; only the WebSocket and the
worker processes are left out, so that two hundred agents cost no more than what is tested.
"""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace
from typing import Any

from fraktal_kernel.agents.desk import AgentLine, Desk
from fraktal_kernel.agents.line import VERSION, Beat, Machine, Register
from fraktal_kernel.agents.placing import Task
from fraktal_kernel.core.local import LocalWorkbench

GIB = 1024**3


class Crew:
    """Agents of one workbench's user, who speak when they are told to.

    Parameters
    ----------
    workbench : one that serves, and is closed by whoever opened it
    """

    def __init__(self, workbench: LocalWorkbench) -> None:
        self.workbench = workbench
        workbench.start()
        self.desk = Desk(workbench.engine)
        self.lines: dict[str, AgentLine] = {}
        self._silent = threading.Event()

    def join(self, name: str, *capabilities: str, slots: int = 2) -> None:
        """Let an agent register."""
        line = self.desk.line(self.workbench.user, lambda frame: None, lambda code, why: None)
        words = Register(
            version=VERSION,
            name=name,
            instance=os.urandom(16).hex(),
            offers=["test.*"],
            capabilities=list(capabilities) or ["test.echo"],
            slots=slots,
            machine=Machine(
                host=f"host-of-{name}",
                system="none",
                python="3.11",
                cores=4,
                memory_bytes=16 * GIB,
            ),
            data="/nowhere",
        )
        line.register(words.model_dump_json())
        self.lines[name] = line

    def beat(self, *names: str, cpu: float = 0.25, memory_bytes: int = 4 * GIB) -> None:
        """Let some agents, or all, tell how they fare."""
        words = Beat(cpu_share=cpu, memory_bytes=memory_bytes).model_dump_json()
        for name in names or list(self.lines):
            self.lines[name].hear(words)

    def tell(self) -> None:
        """Write the beats that were heard, and tell them, now instead of with the next batch."""
        self.desk.scribe._due["beats"] = 0.0
        self.desk.scribe.flush()

    def keep_beating(self) -> None:
        """Let all of them beat once a second from now on, so that none is taken for gone."""

        def beat() -> None:
            while not self._silent.wait(1.0):
                self.beat()

        threading.Thread(target=beat, daemon=True).start()

    def begin(self, name: str, job: Any) -> Task:
        """Let an agent begin a try of a job."""
        running = SimpleNamespace(outcome=None, ended_at=None, error=None, verdict=None)
        task = Task(self.lines[name], job, running)  # type: ignore[arg-type]
        self.desk.scribe.task(task)
        self.desk.scribe.flush()
        return task

    def end(self, task: Task, outcome: str = "succeeded", error: str | None = None) -> None:
        """Let the try end."""
        running: Any = task.running
        running.outcome, running.error, running.ended_at = outcome, error, time.time()
        self.desk.scribe.task(task)

    def close(self) -> None:
        """Let all agents go."""
        self._silent.set()
        self.desk.close()
