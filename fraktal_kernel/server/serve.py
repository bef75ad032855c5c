"""Start the web server of a workspace, say where it is, and stop it in good order."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.monitoring.logs import close_logs, configure_logs
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.core.workspace import ServerAddress, remove_address, write_address
from fraktal_kernel.errors import InvalidInput, Unavailable

#: How long requests that are under way may take to end when the server stops.
GRACE_S = 1
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: Settings,
    *,
    lab_url: str | None = None,
    launch_token: str | None = None,
    on_ready: Callable[[str], object] | None = None,
    on_stop: Callable[[], object] | None = None,
) -> None:
    """Serve a workspace until SIGINT or SIGTERM.

    Once it answers it prints one line with the address and a token that opens it once, and
    ``server.json`` in the workspace root tells this user's own programs how to reach it.

    Parameters
    ----------
    lab_url : where JupyterLab is, for the link on the page
    launch_token : the one-time token; a new random one if none is given
    on_ready : called with the link instead of printing it
    on_stop : called when stopping begins

    Raises
    ------
    AlreadyRunning
        another server holds the workspace
    Unavailable
        the port is taken
    InvalidInput, MissingExtra
        the settings name a store that there is not
    """
    from fraktal_kernel.server.app import create_app

    launch_token = launch_token or secrets.token_urlsafe(32)
    local_secret = secrets.token_urlsafe(32)
    with Workbench.open(settings, serve=True) as workbench, listen(settings) as listener:
        assert isinstance(workbench, LocalWorkbench)
        workbench.store.check_url()
        configure_logs(settings)
        app = create_app(
            workbench, launch_token=launch_token, local_secret=local_secret, lab_url=lab_url
        )
        url = address(settings.host, listener)

        def ready() -> None:
            write_address(settings, ServerAddress(url=url, token=local_secret, pid=os.getpid()))
            if not is_loopback(settings.host):
                print(
                    f"fraktal: listening on {settings.host} without encryption; only do this in "
                    "a network that you trust, or behind a proxy that adds TLS.",
                    file=sys.stderr,
                )
            # What was imported stays until the end: looking through it again and again for
            # rubbish would delay answers, and the end by seconds.
            gc.freeze()
            (on_ready or print_link)(f"{url}/?token={launch_token}")

        def stopping() -> None:
            app.state.desk.stop()
            if on_stop is not None:
                on_stop()

        try:
            Server(app, settings, ready, stopping).run([listener])
        finally:
            remove_address(settings)
            close_logs()


def print_link(link: str) -> None:
    """Print the one line that tells where the workbench is."""
    print(f"Fraktal is open at {link}", flush=True)


class Server(uvicorn.Server):
    """Uvicorn that says when it is ready, and returns after a signal instead of dying of it.

    Parameters
    ----------
    app : what to serve
    on_ready, on_stop : called when it answers, and when it begins to stop
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        on_ready: Callable[[], object],
        on_stop: Callable[[], object],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,  # core/monitoring has set the logs up
                access_log=False,  # the gate writes it, without query strings
                proxy_headers=False,  # nobody may say that he comes from elsewhere
                server_header=False,
                lifespan="on",
                ws_max_size=settings.max_request_bytes,
                ws_per_message_deflate=False,  # pictures do not shrink, and loopback is fast
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._on_ready, self._on_stop = on_ready, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell, then stop."""
        self._on_stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal; uvicorn itself would raise it again and skip our clean-up."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """Open the port, or say in a sentence why not."""
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise InvalidInput(
            f"host: given {host!r}, which is no address of this machine; use 127.0.0.1."
        ) from None
    listener = socket.socket(family, kind, protocol)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(where)
            listener.listen(2048)
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {host} port {port} ({error.strerror}); stop what uses it, or "
                "choose another with --port (0 picks a free one)."
            ) from None
        yield listener


def address(host: str, listener: socket.socket) -> str:
    """Return the URL under which a browser on this machine reaches a listener."""
    port = listener.getsockname()[1]
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if number.is_unspecified:
        return f"http://127.0.0.1:{port}" if number.version == 4 else f"http://[::1]:{port}"
    return f"http://{host}:{port}" if number.version == 4 else f"http://[{host}]:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
