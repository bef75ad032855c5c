"""The server starts with one line, holds its workspace alone, and stops in good order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.server.serve import address, is_loopback, listen

PROGRAM = """
import sys
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import FraktalError
from fraktal_kernel.server.serve import serve
if __name__ == "__main__":
    try:
        serve(load_settings())
    except FraktalError as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""
LINE = re.compile(r"Fraktal is open at (http://127\.0\.0\.1:\d+)/\?token=(\S+)\n")


def start(folder: Path, **settings: Any) -> subprocess.Popen[str]:
    """Start a server of its own in a folder."""
    script = folder.parent / "serve_it.py"
    script.write_text(PROGRAM)
    given = {"data": folder, "port": 0, "workers": 1, "capability_modules": "[]", **settings}
    return subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, **{f"FRAKTAL_{k.upper()}": str(v) for k, v in given.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Start a server and wait for its line; give the process, the address and the token."""
    process = start(folder, **settings)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = LINE.fullmatch(line)
        assert found, line + process.stderr.read()
        yield process, found[1], found[2]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_start_and_stop(tmp_path: Path, how: signal.Signals) -> None:
    """One line says where it is; it answers; at a signal it ends in good order, by itself."""
    folder = tmp_path / "data"
    with running(folder) as (process, url, token):
        note = folder / "server.json"
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        told = json.loads(note.read_text())
        assert told["url"] == url and told["pid"] == process.pid and told["token"] != token
        own = {"authorization": f"Bearer {told['token']}"}
        assert httpx.get(f"{url}/api/me", headers=own, trust_env=False, timeout=60).json()[
            "is_admin"
        ]
        assert httpx.get(f"{url}/?token={token}", trust_env=False, timeout=60).status_code == 303
        children = psutil.Process(process.pid).children(recursive=True)
        ended: list[ConnectionClosed] = []
        events = url.replace("http", "ws", 1) + "/api/events"
        with connect(events, additional_headers=own, proxy=None) as line:

            def listen_on() -> None:
                try:
                    line.recv(timeout=120)
                except ConnectionClosed as closed:
                    ended.append(closed)

            listener = threading.Thread(target=listen_on)
            listener.start()
            process.send_signal(how)
            code = process.wait(60)
            listener.join(60)
        output, complaints = process.communicate()
        assert (code, output, complaints) == (0, "", "")
        assert ended and ended[0].rcvd is not None and ended[0].rcvd.code in (1001, 1012)
        assert not note.exists()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive, "no worker outlives its server"
    assert token not in (folder / "logs" / "fraktal.jsonl").read_text()


def test_second_server_is_refused(tmp_path: Path) -> None:
    """A workspace has one server; the second says which process has it, and changes nothing."""
    folder = tmp_path / "data"
    with running(folder) as (process, url, _):
        second = start(folder)
        output, complaint = second.communicate(timeout=120)
        assert second.returncode == 1 and output == ""
        assert complaint.startswith("AlreadyRunning: ") and str(process.pid) in complaint
        assert len(complaint.splitlines()) == 1
        assert httpx.get(f"{url}/api/me", trust_env=False, timeout=60).status_code == 401
        assert (folder / "server.json").exists()


def test_taken_port_is_told(tmp_path: Path) -> None:
    """A port that something else uses is a sentence, and leaves no server behind."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(tmp_path / "data", port=port)
        output, complaint = process.communicate(timeout=120)
    assert process.returncode == 1 and output == ""
    assert complaint.startswith(f"Unavailable: cannot listen on 127.0.0.1 port {port}")
    assert not (tmp_path / "data" / "server.json").exists()


def test_a_store_that_there_is_not_is_refused_and_one_that_is_away_is_not(tmp_path: Path) -> None:
    """A slip in the settings is told at once; a store that does not answer may come back."""
    process = start(tmp_path / "data", store_url="s4://pictures")
    told = process.communicate(timeout=120)[1]
    assert process.returncode == 1 and "InvalidInput: the store URL s4://pictures" in told
    away = "ftp://127.0.0.1:1/pictures"  # its client connects as soon as it is made
    with running(tmp_path / "data", store_url=away) as (_, url, _):
        health = httpx.get(f"{url}/api/health", trust_env=False, timeout=60).json()
    assert "ok" not in health["store"]


def test_own_programs_find_the_server(tmp_path: Path) -> None:
    """``Workbench.open`` talks to the server that runs the workspace, without being told how."""
    folder = tmp_path / "data"
    with running(folder):
        with Workbench.open(load_settings(data=folder)) as workbench:
            assert workbench.remote
            job = workbench.submit("fractal.render", scene="seahorse", width=64, height=48)
            assert job.wait(120)["width_px"] == 64
            (picture,) = job.artifacts()
            assert picture.read().startswith(b"\x89PNG")
            assert job.log() is not None


def test_address_names_what_a_browser_can_reach() -> None:
    """An address that means "everywhere" is shown as loopback."""
    for host, shown in (
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("localhost", "localhost"),
    ):
        with listen(load_settings(host=host, port=0)) as listener:
            assert address(host, listener) == f"http://{shown}:{listener.getsockname()[1]}"
    assert is_loopback("127.0.0.2") and is_loopback("localhost") and is_loopback("::1")
    assert not is_loopback("0.0.0.0") and not is_loopback("example.org")


def test_address_that_is_none_is_refused() -> None:
    """A host that is not this machine's is a sentence."""
    with pytest.raises(InvalidInput, match="no address of this machine"):
        with listen(load_settings(host="no.such.host.invalid", port=0)):
            pass
