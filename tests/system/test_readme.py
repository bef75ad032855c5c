"""The README's two commands: the tests are run by one, and the other opens the workbench."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?token=\S+")
START_S = 240.0  # JupyterLab on a busy machine

pytestmark = pytest.mark.system


def commands(text: str) -> list[str]:
    """List the ``make`` commands that a text shows or runs."""
    return re.findall(r"^(?:\$ )?(make \w+)\b", text, re.MULTILINE)


def test_ci_runs_what_the_readme_says() -> None:
    """The README shows two commands first, and ``.ci/run`` runs the second as it stands."""
    assert commands((ROOT / "README.md").read_text())[:2] == ["make run", "make test"]
    assert commands((ROOT / ".ci" / "run").read_text()) == ["make test"]


def test_make_run_opens_the_workbench() -> None:
    """``make run`` is the installer and then ``fraktal up``."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if line]
    assert ".ci/install.py" in lines[0]
    assert lines[-1].endswith("fraktal up")


class Opened:
    """A workbench that was opened by ``fraktal up`` in a workspace of its own."""

    def __init__(self, data: Path) -> None:
        command = [sys.executable, "-m", "fraktal_kernel.cli", "up", "--port", "0"]
        self.lines: Queue[str] = Queue()
        self.said = (data.parent / "up.log").open("w+")
        self.data = data
        self.process = subprocess.Popen(
            [*command, "--lab-port", "0"],
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            env={**os.environ, "FRAKTAL_DATA": str(data), "FRAKTAL_WORKERS": "1"},
        )
        self._reader = Thread(target=self._read)
        self._reader.start()
        try:
            self.line = self.lines.get(timeout=START_S)
        except Empty:
            errors = self.errors()
            self.end()
            pytest.fail(f"fraktal up printed nothing:\n{errors}")
        self.link = LINK.search(self.line)[0] if LINK.search(self.line) else ""  # type: ignore[index]
        self.url, _, self.token = self.link.partition("/?token=")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def end(self) -> None:
        """End it at once and close what we read from it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.said.close()

    def errors(self) -> str:
        """Read what was said on the standard error."""
        self.said.seek(0)
        return self.said.read()

    def lab(self) -> psutil.Process:
        """Find JupyterLab's process."""
        for child in psutil.Process(self.process.pid).children():
            if "fraktal_kernel.cli.lab" in child.cmdline():
                return child
        raise AssertionError("there is no JupyterLab below fraktal up")

    def lab_url(self) -> str:
        """Find where JupyterLab listens."""
        words = self.lab().cmdline()
        port = next(word for word in words if word.startswith("--ServerApp.port="))
        return f"http://127.0.0.1:{port.partition('=')[2]}"


def wait_until(true: object, within_s: float) -> bool:
    """Wait until a function returns something true."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if true():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


def runs(process: psutil.Process) -> bool:
    """Say whether a process still does anything."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(url: str) -> bool:
    """Say whether a server answers."""
    try:
        return httpx.get(url, timeout=10, trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open a workbench and end it, and whatever it left behind."""
    workbench = Opened(tmp_path / "data")
    family = psutil.Process(workbench.process.pid).children(recursive=True)
    yield workbench
    for process in filter(runs, family):
        process.kill()
    workbench.end()


def test_up_opens_both_and_ctrl_c_ends_both(opened: Opened) -> None:
    """One line has the link; page, JupyterLab and Voila answer behind it; Ctrl-C ends all."""
    assert opened.link, opened.line
    with httpx.Client(follow_redirects=True, timeout=60, trust_env=False) as browser:
        assert browser.get(f"{opened.url}/api/jobs").status_code == 401
        assert browser.get(opened.link).status_code == 200
        assert browser.get(f"{opened.url}/api/jobs").json() == {"jobs": []}
        lab = opened.lab_url()
        assert browser.get(f"{lab}/api/contents/notebooks").status_code == 403
        key = {"Authorization": f"token {opened.token}"}
        listed = browser.get(f"{lab}/api/contents/notebooks", headers=key).json()
        assert "00_start_here.ipynb" in [item["name"] for item in listed["content"]]
        assert browser.get(f"{lab}/voila", headers=key).status_code == 200
    with httpx.Client(timeout=60, trust_env=False) as other:
        assert other.get(opened.link).status_code == 401  # the link is used up

    family = psutil.Process(opened.process.pid).children(recursive=True)
    opened.process.send_signal(signal.SIGINT)
    assert opened.process.wait(180) == 0, opened.errors()
    assert opened.lines.empty()  # one line, no more
    assert wait_until(lambda: not any(map(runs, family)), 60)
    assert not (opened.data / "server.json").exists()


def test_link_opens_another_browser(opened: Opened) -> None:
    """``fraktal link`` prints a link that works once, while the workbench is open."""
    command = [sys.executable, "-m", "fraktal_kernel.cli", "link"]
    environment = {**os.environ, "FRAKTAL_DATA": str(opened.data)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    link = LINK.search(done.stdout)
    assert link and link[0] != opened.link
    with httpx.Client(follow_redirects=True, timeout=60, trust_env=False) as browser:
        assert browser.get(link[0]).status_code == 200


def test_a_dead_jupyterlab_is_started_again(opened: Opened) -> None:
    """When JupyterLab is killed, that is said, and it comes back on the same port."""
    lab, url = opened.lab(), opened.lab_url()
    lab.kill()
    assert wait_until(lambda: "JupyterLab ended (exit code -9)" in opened.errors(), 60)
    assert wait_until(lambda: answers(f"{url}/api"), START_S)
    assert opened.lab().pid != lab.pid
    assert answers(f"{opened.url}/api/health")


def test_nothing_outlives_a_killed_workbench(opened: Opened) -> None:
    """After SIGKILL of ``fraktal up``, JupyterLab and the workers end by themselves."""
    family = psutil.Process(opened.process.pid).children(recursive=True)
    assert family
    opened.process.kill()
    opened.process.wait()
    assert wait_until(lambda: not any(map(runs, family)), 60)


@pytest.mark.parametrize("option", ["--port", "--lab-port"])
def test_a_port_that_is_taken_is_refused(option: str, tmp_path: Path) -> None:
    """A port that something else uses is one sentence and exit code 2, with nothing started."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other_option = "--lab-port" if option == "--port" else "--port"
        command = [sys.executable, "-m", "fraktal_kernel.cli", "up", option, str(port)]
        done = subprocess.run(
            [*command, other_option, "0"],
            env={**os.environ, "FRAKTAL_DATA": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"fraktal: port {port} of 127.0.0.1 cannot be used")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()
