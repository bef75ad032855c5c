"""The whole workbench as ``fraktal serve`` starts it, for tests of its pages.

Import the fixture ``served``; each module that does has a server of its own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.security import Security
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import FraktalError

ROOT = Path(__file__).parents[2]
MODULES = ["tests.capabilities", "tests.widgets.schema_capabilities"]


@dataclass
class ServedWorkbench:
    """A server process and what reaches it."""

    settings: Settings
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)
    url: str = field(init=False)
    workbench: RemoteWorkbench = field(init=False)
    agents: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes find in their environment."""
        names = ",".join(f'"{name}"' for name in MODULES)
        return os.environ | {
            "FRAKTAL_DATA": str(self.settings.data),
            "FRAKTAL_WORKERS": "2",
            "FRAKTAL_CAPABILITY_MODULES": f"[{names}]",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, port: int = 0) -> None:
        """Start the server and wait for the line with its address."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fraktal_kernel.cli", "serve", "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self.environment,
            )
        end = time.monotonic() + 180
        while not (found := re.search(r"open at (http://[\d.:]+)/", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)
        self.url = found[1]
        workbench = Workbench.open(self.settings)
        assert isinstance(workbench, RemoteWorkbench)
        self.workbench = workbench

    def stop(self) -> None:
        """Stop the agents and the server as Ctrl-C does."""
        for agent in self.agents:
            agent.send_signal(signal.SIGINT)
        for agent in self.agents:
            try:
                agent.wait(60)
            except subprocess.TimeoutExpired:
                agent.kill()
        self.agents.clear()
        self.workbench.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def link(self, path: str = "/") -> str:
        """Make a link that signs a new browser in, once, and opens a page."""
        answer = httpx.post(
            f"{self.url}/api/launch-links",
            headers={"authorization": f"Bearer {self.workbench.address.token}"},
            trust_env=False,
            timeout=60,
        )
        token = answer.json()["url"].partition("token=")[2]
        address, _, anchor = path.partition("#")
        mark = "&" if "?" in address else "?"
        return f"{self.url}{address}{mark}token={token}" + (f"#{anchor}" if anchor else "")

    def offered(self) -> list[str]:
        """Name the capabilities of the server; this process may know more, from other tests."""
        answer = httpx.get(
            f"{self.url}/api/capabilities",
            headers={"authorization": f"Bearer {self.workbench.address.token}"},
            trust_env=False,
            timeout=60,
        )
        return [known["name"] for known in answer.json()["capabilities"]]

    def agent(self, name: str, offers: str = "test.*", slots: int = 1) -> subprocess.Popen[bytes]:
        """Start an agent of this workbench as a process, and wait until it is online."""
        words = ["agent", "start", "--name", name, "--offers", offers, "--slots", str(slots)]
        with self.log.with_name(f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fraktal_kernel.cli", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self.environment,
            )
        self.agents.append(process)
        end = time.monotonic() + 120
        while name not in [
            one.name for one in self.workbench.agents.list() if one.state == "online"
        ]:
            assert process.poll() is None, self.log.with_name(f"{name}.log").read_text()
            assert time.monotonic() < end, self.log.with_name(f"{name}.log").read_text()
            time.sleep(0.1)
        return process

    def end_all(self) -> None:
        """Cancel every job that has not ended, and wait until all have."""
        active = ("queued", "running", "waiting")
        for handle in (job for state in active for job in self.workbench.jobs.list(state=state)):
            with suppress(FraktalError):  # it may have ended meanwhile
                self.workbench.jobs.cancel(handle.id)
        end = time.monotonic() + 60
        while any(self.workbench.jobs.list(state=state) for state in active):
            assert time.monotonic() < end, "a cancelled job did not end"
            time.sleep(0.05)

    def add_user(self, name: str, password: str) -> int:
        """Add a user, beside the running server, as ``fraktal user`` does."""
        database = Database(self.settings.database)
        try:
            return Security(database).add_user(name, password).user_id
        finally:
            database.close()

    def threads(self) -> int:
        """Count the threads of the server."""
        return int(psutil.Process(self.process.pid).num_threads())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedWorkbench]:
    """Serve an empty workspace."""
    folder = tmp_path_factory.mktemp("served")
    settings = load_settings(data=folder / "data", capability_modules=MODULES)
    served = ServedWorkbench(settings, folder / "server.log")
    served.start()
    yield served
    served.stop()


@pytest.fixture
def visit(served: ServedWorkbench, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Open a page of the workbench in a new browser: ``visit("/", dark=True)``."""

    def open_it(path: str = "/", **options: Any) -> Any:
        page = open_page(served.link(path), **options)
        page.locator(".fk-jobs").wait_for()
        return page

    return open_it


def run_notebook(page: Any) -> None:
    """Run all cells of the notebook that a JupyterLab page shows, once its kernel stands ready."""
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
