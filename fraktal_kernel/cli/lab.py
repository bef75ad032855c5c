"""JupyterLab as a child process that lives exactly as long as the workbench that started it.

Run as a module it becomes JupyterLab itself, after it has seen to it that it ends with its
parent: whatever way that goes, no JupyterLab stays behind on its port.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from fraktal_kernel.core.settings import Settings
from fraktal_kernel.core.workspace import make_folder

CHECKOUT = Path(__file__).resolve().parents[2]
STOP_S = 1.5  # from being asked to end until it is ended
RESTARTS = 3  # in a minute; more means that it cannot run here
CONFIG = CHECKOUT / "deploy" / "jupyter" / "jupyter_server_config.py"
START_PAGE = "notebooks/00_start_here.ipynb"


class Lab:
    """JupyterLab beside the web server, with the same token.

    Parameters
    ----------
    settings : host, port and workspace
    token : what JupyterLab asks for, the same string as in the launch link
    tell : called with one sentence when it dies and when it is given up
    """

    def __init__(self, settings: Settings, token: str, tell: Callable[[str], None]) -> None:
        everywhere = settings.host in ("0.0.0.0", "::")
        host = "127.0.0.1" if everywhere else settings.host
        host = f"[{host}]" if ":" in host else host
        self.url = f"http://{host}:{settings.lab_port}"
        self.log = settings.data / "logs" / "jupyter.log"
        self._root = CHECKOUT if (CHECKOUT / "notebooks").is_dir() else settings.data
        self._page = f"/lab/tree/{START_PAGE}" if (self._root / START_PAGE).exists() else "/lab"
        self._settings = settings
        self._token = token
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._latest = 0.0
        self._watcher = threading.Thread(target=self._watch, name="jupyterlab", daemon=True)

    @property
    def link(self) -> str:
        """The address that opens it, at the start of the tour, without another question."""
        return f"{self.url}{self._page}?token={self._token}"

    def start(self) -> None:
        """Start it, and start it again when it dies."""
        make_folder(self.log.parent)
        self._watcher.start()

    def answers(self) -> bool:
        """Say whether it answers now."""
        try:
            return httpx.get(f"{self.url}/api", timeout=1, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    @property
    def given_up(self) -> bool:
        """Whether it died so often that it is not started any more."""
        return not self._watcher.is_alive()

    def stop_soon(self) -> None:
        """Ask it to end, without waiting; safe in a signal handler."""
        if self._latest:
            return  # asked already
        self._latest = time.monotonic() + STOP_S
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)

    def stop(self) -> None:
        """End it and its kernels: asked first, then without asking."""
        self.stop_soon()
        process = self._process
        if process is None:
            return
        try:
            process.wait(max(0.0, self._latest - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)

    def _command(self) -> list[str]:
        settings = self._settings
        options = {
            "ServerApp.ip": settings.host,
            "ServerApp.port": settings.lab_port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.root_dir": self._root,
            "ServerApp.allow_root": True,  # else it refuses in containers, which run as root
            "LabApp.default_url": self._page,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        if CONFIG.exists():
            words.append(f"--config={CONFIG}")
        return [sys.executable, "-m", __name__, str(os.getpid()), *words]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "JUPYTER_TOKEN": self._token,  # not an argument: those are open to all users
            "FRAKTAL_DATA": str(self._settings.data),
        }

    def _watch(self) -> None:
        starts: deque[float] = deque(maxlen=RESTARTS)
        while not self._stopping.is_set():
            starts.append(time.monotonic())
            private = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(private, "wb") as log:
                self._process = subprocess.Popen(
                    self._command(),
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is ours to handle
                )
            if self._stopping.is_set():  # the stop came while it started
                self._process.terminate()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            often = len(starts) == RESTARTS and time.monotonic() - starts[0] < 60
            then = "it is not started again" if often else "starting it again"
            self._tell(f"JupyterLab ended (exit code {code}); {then}. Its log is {self.log}.")
            if often:
                return
            self._stopping.wait(0.5)


def _end_with(parent: int) -> None:
    """End this process as soon as ``parent`` is no longer its parent."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)  # JupyterLab then ends its kernels
    time.sleep(3)
    os._exit(1)


def main() -> None:
    """Become JupyterLab: the first word is the process to live with, the rest is for it."""
    parent = int(sys.argv.pop(1))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from jupyterlab.labapp import main as jupyterlab  # type: ignore[import-untyped]

    jupyterlab()


if __name__ == "__main__":
    main()
