"""``fraktal up``: the web server and JupyterLab together; ``fraktal link``: a new way in.

The server runs in this process, JupyterLab as its child with the same token.
"""

from __future__ import annotations

import secrets
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fraktal_kernel.cli.lab import Lab
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.workspace import read_address
from fraktal_kernel.errors import AlreadyRunning, InvalidInput, Unavailable

LAB_START_S = 180.0  # a first start compiles hundreds of modules


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def free_port(host: str, port: int, option: str) -> int:
    """Check that a port can be listened on, picking one for 0.

    Raises
    ------
    InvalidInput
        something else listens there
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InvalidInput(
                f"port {port} of {host} cannot be used ({error.strerror}); stop what uses it, or "
                f"choose another with {option} (0 picks a free one)."
            ) from None
        return int(probe.getsockname()[1])


def _refuse_second(settings: Settings) -> None:
    """Say where the workbench is when it is open already."""
    import httpx

    address = read_address(settings)
    if address is None:
        return
    try:
        httpx.get(f"{address.url}/api/health", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return
    raise AlreadyRunning(
        f"Fraktal is open at {address.url} already; for a link into it type: fraktal link."
    )


class Opening:
    """What is shown between the start and the line with the link.

    It waits on a thread of its own, because the server holds the main one.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._link = ""
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._show, name="opening", daemon=True)

    def start(self) -> None:
        """Begin to show what is awaited."""
        self._thread.start()

    def server_is_ready(self, link: str) -> None:
        """Note that the server answers, and the link that opens it."""
        self._link = link
        self._ready.set()

    def stop(self) -> None:
        """Wait no longer."""
        self._stopped.set()
        self._ready.set()

    def _show(self) -> None:
        from rich.console import Console

        console = Console(stderr=True)
        if not console.is_terminal:
            _say("fraktal: starting the server and JupyterLab ...")
        with console.status("Starting the server ...") as status:
            self._ready.wait()
            status.update("Starting JupyterLab ...")
            latest = time.monotonic() + LAB_START_S
            while not (self._stopped.wait(0.1) or self._lab.answers()):
                if self._lab.given_up or time.monotonic() > latest:
                    _say(f"fraktal: JupyterLab does not answer; its log is {self._lab.log}.")
                    break
        if not self._stopped.is_set():
            print(f"Fraktal is open at {self._link}", flush=True)
            _say("fraktal: Ctrl-C stops it")


def up(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the pages; 0 picks one.")
    ] = None,
    lab_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of JupyterLab; 0 picks one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    data: Annotated[Path | None, typer.Option(help="Workspace root.")] = None,
) -> None:
    """Open the workbench: the web server and JupyterLab, behind one link."""
    given = {"port": port, "lab_port": lab_port, "host": host, "data": data}
    arguments: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = load_settings(**arguments)
    _refuse_second(settings)
    free_port(settings.host, settings.port, "--port")
    arguments["lab_port"] = free_port(settings.host, settings.lab_port, "--lab-port")
    if settings.port == arguments["lab_port"]:
        raise InvalidInput(f"--port and --lab-port are both {settings.port}; choose two.")
    settings = load_settings(**arguments)

    from fraktal_kernel.server.serve import serve

    token = secrets.token_urlsafe(32)
    lab = Lab(settings, token, _say)
    opening = Opening(lab)

    def stop() -> None:
        opening.stop()
        lab.stop_soon()

    lab.start()
    opening.start()
    try:
        serve(
            settings,
            launch_token=token,
            lab_url=lab.link,
            on_ready=opening.server_is_ready,
            on_stop=stop,
        )
    finally:
        stop()
        lab.stop()


def link() -> None:
    """Print a new one-time link into the running workbench."""
    import httpx

    settings = load_settings()
    address = read_address(settings)
    if address is None:
        raise Unavailable(
            f"nothing serves the workspace {settings.data}; start it with: fraktal up, or name "
            "another with FRAKTAL_DATA."
        )
    try:
        answer = httpx.post(
            f"{address.url}/api/launch-links",
            headers={"Authorization": f"Bearer {address.token}"},
            timeout=10,
            trust_env=False,
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(
            f"the server at {address.url} gives no link ({error}); start it again with: fraktal up."
        ) from None
    print(answer.json()["url"])
