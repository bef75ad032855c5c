"""Real servers for tests: PostgreSQL, an S3 server and a Dask cluster, each in its own processes.

Each starts once a session, the first time a test asks for it, on a free port of loopback and
in a temporary folder, and is stopped at the end. Where one is not installed, the tests that
need it are skipped and say what is missing.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples everywhere and no word about time, so that a clone passes or fails for what is
# in it, on slow machines too; new examples with ARGS="--hypothesis-profile=fresh".
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", unhurried, derandomize=True)
settings.register_profile("fresh", unhurried, derandomize=False)
settings.load_profile("steady")

START_TIMEOUT_S = 240


@pytest.fixture(scope="session", autouse=True)
def own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep every test out of the user's workspace and free of the user's settings."""
    theirs = {name: value for name, value in os.environ.items() if name.startswith("FRAKTAL_")}
    for name in theirs:
        del os.environ[name]
    data = tmp_path_factory.mktemp("workspace")
    os.environ["FRAKTAL_DATA"] = str(data)
    # Worker processes, on Dask too, find the capabilities of the tests whatever their folder.
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    yield data
    os.environ.pop("FRAKTAL_DATA", None)
    os.environ.pop("PYTHONPATH")
    os.environ.update(theirs)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take minutes, and end with those that open a browser.

    Playwright leaves its event loop running in the thread of the tests, and the hosts of the pages
    set up logging: whoever comes after a browser in the same process would meet both.
    """
    order = {"system": 0, "browser": 2}
    items.sort(key=lambda item: order.get(item.path.parent.name, 1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write out what is no whole character, so that a report can travel between processes."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process whose output is kept, so that a start that fails can be explained."""

    def __init__(self, command: list[str], folder: Path, **options: object) -> None:
        self.output = folder / f"{Path(command[0]).name}-{secrets.token_hex(4)}.log"
        with self.output.open("wb") as output:
            # A session of its own: Ctrl-C in the terminal reaches pytest, which stops us in order.
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **options,  # type: ignore[call-overload]
            )

    def wait_for(self, ready: Callable[[], object]) -> None:
        """Wait until ``ready()`` is true and no longer raises."""
        until = time.monotonic() + START_TIMEOUT_S
        problem: object = "it never became ready"
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if ready():
                    return
            except Exception as error:
                problem = error
            time.sleep(0.05)
        text = self.output.read_text(errors="replace")[-2000:]
        self.stop()
        pytest.fail(f"{self.process.args} did not start ({problem}):\n{text}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and all that it started."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


# --- PostgreSQL ---------------------------------------------------------------------------


def _postgres_programs() -> Path | None:
    """Find the folder of initdb and postgres, which Debian keeps off the PATH."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    whole = [folder for folder in folders if (folder / "postgres").exists()]
    return max(whole, key=lambda folder: folder.parent.name) if whole else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL; give the URL of its superuser, which ends in the port and a slash."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed; on Debian: apt-get install postgresql")
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed; pip install 'fraktal[postgres]'")
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="fraktal-postgres-"))
    identity: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        owner = _unprivileged()
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    password, port = secrets.token_hex(8), free_port()
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)
    data = folder / "data"
    server = None
    try:
        login = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", folder / "password"]
        made = subprocess.run(
            [programs / "initdb", "-D", data, *login, "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            capture_output=True,
            text=True,
            cwd=folder,
            **identity,  # type: ignore[call-overload]
        )
        if made.returncode:
            pytest.fail(f"initdb failed:\n{made.stderr}")
        # These databases live for minutes: durability would only cost time.
        fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        where = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder}
        settings = [f"--{name}={value}" for name, value in (fast | where).items()]
        server = Server(
            [str(programs / "postgres"), "-D", str(data), *settings], folder, cwd=folder, **identity
        )
        url = f"postgresql://postgres:{password}@127.0.0.1:{port}/"
        server.wait_for(lambda: psycopg.connect(url + "postgres").close() or True)
        with psycopg.connect(url + "postgres", autocommit=True) as admin:
            # What a workbench gets in earnest: no superuser, whom row-level security lets pass.
            admin.execute(f"create role fraktal login password '{password}'")
        yield url
    finally:
        if server:
            server.stop(signal.SIGINT)  # a fast shutdown
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    pytest.skip("PostgreSQL does not run as root and there is no user postgres or nobody")


def _new_database(server: str) -> str:
    """Make an empty database that the role ``fraktal`` owns; return its SQLAlchemy URL."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server + "postgres", autocommit=True) as admin:
        admin.execute(f"create database {name} owner fraktal")
    return server.replace("postgresql://postgres:", "postgresql+psycopg://fraktal:") + name


@pytest.fixture(scope="session")
def make_postgres_url(postgres_server: str) -> Callable[[], str]:
    """Give a way to make empty PostgreSQL databases; they go with the server."""
    return lambda: _new_database(postgres_server)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> str:
    """Give one PostgreSQL database that the whole session shares."""
    return _new_database(postgres_server)


@pytest.fixture
def new_postgres_url(postgres_server: str) -> Iterator[str]:
    """Give one empty PostgreSQL database for this test alone."""
    import psycopg

    url = _new_database(postgres_server)
    yield url
    with psycopg.connect(postgres_server + "postgres", autocommit=True) as admin:
        admin.execute(f"drop database {url.rpartition('/')[2]} with (force)")


# --- S3 -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def s3_store_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start an S3 server; give the store options that reach it."""
    for package in ("moto", "flask", "s3fs"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed; pip install 'fraktal[s3]' 'moto[server]'")
    endpoint = f"http://127.0.0.1:{free_port()}"
    port = endpoint.rpartition(":")[2]
    server = Server(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port],
        tmp_path_factory.mktemp("s3"),
    )
    server.wait_for(lambda: urllib.request.urlopen(endpoint + "/moto-api/", timeout=9).close() or 1)
    yield {"endpoint_url": endpoint, "key": "testing", "secret": "testing"}
    server.stop()


@pytest.fixture(scope="session")
def make_s3_store_url(s3_store_options: dict[str, str]) -> Callable[[], str]:
    """Give a way to make store URLs in empty buckets; use them with ``s3_store_options``."""

    def make() -> str:
        bucket = f"bucket-{secrets.token_hex(6)}"
        url = f"{s3_store_options['endpoint_url']}/{bucket}"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=60).close()
        return f"s3://{bucket}/artifacts"

    return make


@pytest.fixture
def s3_store_url(make_s3_store_url: Callable[[], str]) -> str:
    """Give a store URL in an empty bucket; use it with ``s3_store_options``."""
    return make_s3_store_url()


# --- Dask ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def dask_scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Dask scheduler and two workers of one thread each; give the scheduler's address.

    The workers have their nannies, as in earnest: one that is killed comes back.
    """
    if find_spec("distributed") is None:
        pytest.skip("dask.distributed is not installed; pip install 'fraktal[cluster]'")
    folder = tmp_path_factory.mktemp("dask")
    contact = folder / "scheduler.json"
    run = [sys.executable, "-m"]
    servers = []
    try:
        command = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        keep = ["--no-dashboard", "--scheduler-file", str(contact)]
        servers.append(Server([*run, *command, *keep], folder, cwd=folder))
        servers[0].wait_for(lambda: json.loads(contact.read_text())["address"])
        address = str(json.loads(contact.read_text())["address"])
        for _ in range(2):
            command = ["distributed.cli.dask_worker", address, "--host", "127.0.0.1"]
            small = ["--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
            place = ["--local-directory", str(folder)]
            servers.append(Server([*run, *command, *small, *place], folder, cwd=folder))
        for server in servers[1:]:
            server.wait_for(
                lambda output=server.output: "Registered to:" in output.read_text(errors="replace")
            )
        yield address
    finally:
        for server in reversed(servers):
            server.stop()
