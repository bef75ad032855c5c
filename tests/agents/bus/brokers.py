"""Real message brokers, each in a process of its own that can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server, free_port

NATS = ["/usr/sbin/nats-server"]
REDIS = ["/usr/bin/redis-server"]
#: What Debian puts on the PATH changes to another user, and to folders of its own.
RABBIT = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
RABBIT_ARGUMENTS = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"


def program(name: str, places: list[str]) -> str:
    """Find a program, or skip and say what to install."""
    found = [place for place in places if Path(place).exists()] or [shutil.which(name)]
    if found[0] is None:
        pytest.skip(f"no {name} is installed; on Debian: apt-get install {name}")
    return str(found[0])


class Broker:
    """One broker on a free port, with its data in a folder that outlives its process."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix=f"fraktal-{kind}-"))
        self.port = free_port()
        self._helper: Server | None = None
        self._server: Server | None = None
        try:
            self._command, self._environment = COMMANDS[kind](self)
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What ``FRAKTAL_BUS`` has to be."""
        scheme = {"rabbit": "amqp"}.get(self.kind, self.kind)
        login = {"rabbit": "guest:guest@"}.get(self.kind, "")
        return f"{scheme}://{login}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = {**os.environ, **self._environment}
        self._server = Server(self._command, self.folder, cwd=self.folder, env=environment)
        self._server.wait_for(self._answers)

    def _answers(self) -> bool:
        asked, expected = {
            "rabbit": (b"AMQP\0\0\x09\x01", b"\x01"),
            "nats": (b"", b"INFO"),
            "redis": (b"PING\r\n", b"+PONG"),
        }[self.kind]
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
            probe.settimeout(5)
            probe.sendall(asked)
            return probe.recv(100).startswith(expected)

    def kill(self) -> None:
        """End it without a chance to write anything."""
        if self._server is not None:
            self._server.stop(signal.SIGKILL)
            self._server = None

    def helper(self, command: list[str]) -> None:
        """Start what the broker needs beside itself; it ends with :meth:`stop`."""
        self._helper = Server(command, self.folder, cwd=self.folder)

    def stop(self) -> None:
        """End it for good."""
        self.kill()
        if self._helper is not None:
            self._helper.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def _nats(broker: Broker) -> tuple[list[str], dict[str, str]]:
    where = ["-a", "127.0.0.1", "-p", str(broker.port), "-js", "-sd", str(broker.folder)]
    return [program("nats-server", NATS), *where], {}


def _redis(broker: Broker) -> tuple[list[str], dict[str, str]]:
    where = ["--bind", "127.0.0.1", "--port", str(broker.port), "--dir", str(broker.folder)]
    keep = ["--appendonly", "yes", "--save", ""]
    return [program("redis-server", REDIS), *where, *keep], {}


def _rabbit(broker: Broker) -> tuple[list[str], dict[str, str]]:
    server = program("rabbitmq-server", RABBIT)
    # RabbitMQ would start this by itself, to stay behind when RabbitMQ is long gone.
    names = free_port()
    broker.helper(
        [program("epmd", ["/usr/bin/epmd"]), "-port", str(names), "-address", "127.0.0.1"]
    )
    plugins = broker.folder / "plugins"
    plugins.write_text("[].\n")
    return [server], {
        "HOME": str(broker.folder),
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"fraktal{broker.port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(broker.port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(broker.folder / "data"),
        "RABBITMQ_LOG_BASE": str(broker.folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_CONF_ENV_FILE": str(broker.folder / "none.conf"),
        "RABBITMQ_CONFIG_FILE": str(broker.folder / "none"),
        "RABBITMQ_PID_FILE": str(broker.folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": RABBIT_ARGUMENTS,
    }


COMMANDS: dict[str, Callable[[Broker], tuple[list[str], dict[str, str]]]] = {
    "rabbit": _rabbit,
    "nats": _nats,
    "redis": _redis,
}
