"""``fraktal doctor``: what is installed, what is reachable, what to do about the rest.

It only looks: nothing is started or installed, so it is safe beside a running server.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import httpx
import psutil
import typer
from packaging.requirements import Requirement

from fraktal_kernel.cli.screen import size
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.workspace import read_address
from fraktal_kernel.errors import FraktalError, MissingExtra, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.core.store import Store

OK, OFF, BROKEN = "ok", "off", "broken"  # off: not in use, which is fine
SECRET = re.compile(r"secret|token|password|(^|_)key($|_)", re.IGNORECASE)
SYSTEM_PACKAGES = {"chromium": "browser tests", "gcc": "the kernel benchmark"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: str
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as a person reads it."""

    name: str
    value: str
    source: str


def masked(value: object) -> str:
    """Write a value of a setting so that it can be shown to others.

    >>> masked("postgresql://ada:lovelace@db/fraktal")
    'postgresql://ada:***@db/fraktal'
    >>> masked({"endpoint_url": "http://127.0.0.1:9000", "secret": "hush"})
    "{'endpoint_url': 'http://127.0.0.1:9000', 'secret': '***'}"
    """
    if isinstance(value, dict):
        return str(_without_secrets(value))
    text = re.sub(r"(://[^:/@\s]*):\S+@", r"\1:***@", str(value))
    return re.sub(
        r"(?i)([?&][^=&\s]*(?:secret|token|password|key)[^=&\s]*=)[^&\s]+", r"\1***", text
    )


def _without_secrets(options: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            shown[name] = _without_secrets(value)
        elif isinstance(value, str):
            shown[name] = "***" if SECRET.search(name) and value else masked(value)
        else:
            shown[name] = value
    return shown


# ------------------------------------------------------------------ what is installed


def _versions(requirements: list[Requirement]) -> tuple[list[str], list[str]]:
    """Split requirements into those met ("name version") and those not met ("name>=bound")."""
    met, missing = [], []
    for requirement in requirements:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{requirement.name}{requirement.specifier}")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            met.append(f"{requirement.name} {version}")
        else:
            wanted = f"{requirement.name}{requirement.specifier}"
            missing.append(f"{wanted} (here is {version})")
    return met, missing


def installed() -> Iterator[Finding]:
    """Look at Python and at the packages of Fraktal and of each of its extras."""
    yield Finding("Python", OK, f"{platform.python_version()} on {platform.platform(terse=True)}")
    requirements = [Requirement(line) for line in metadata.requires("fraktal") or []]
    extras = metadata.metadata("fraktal").get_all("Provides-Extra") or []
    for extra in ["", *sorted(extras)]:
        mine = [
            need
            for need in requirements
            if need.name != "fraktal"  # an extra that takes in other extras
            and (
                (need.marker is None and not extra)
                or (
                    need.marker is not None
                    and need.marker.evaluate({"extra": extra})
                    and not need.marker.evaluate({"extra": ""})
                )
            )
        ]
        met, missing = _versions(mine)
        if not missing:
            yield Finding(extra or "Fraktal", OK, ", ".join(met))
        else:
            state = OFF if extra else BROKEN
            advice = f"make install EXTRAS={extra}" if extra else "make install"
            yield Finding(extra or "Fraktal", state, f"not installed: {', '.join(missing)}", advice)


# ------------------------------------------------------------------ what is reachable


def _database(settings: Settings) -> Finding:
    from fraktal_kernel.core.database import Database

    shown = masked(str(settings.database))
    with closing(Database(settings.database)) as database:
        if database.file is not None and not database.file.exists():
            return Finding("database", OK, f"{shown}; not there yet, the first start makes it")
        query = "select sqlite_version()" if database.sqlite else "show server_version"
        with database.read() as transaction:
            row = transaction.row(query)
    kind = "SQLite" if database.sqlite else "PostgreSQL"
    return Finding("database", OK, f"{shown}; {kind} {row[0] if row else ''} answers")


def _store(settings: Settings) -> Finding:
    from fraktal_kernel.core.store import Store

    shown = masked(settings.store)
    if "://" not in settings.store and not Path(settings.store).exists():
        return Finding("store", OK, f"{shown}; not there yet, the first start makes it")
    store = Store(settings.store, **settings.store_options)
    store.check()
    return Finding("store", OK, f"{shown}; answers{_unnamed(settings, store)}")


def _broker(settings: Settings) -> Finding:
    if not settings.bus:
        return Finding("broker", OK, "not set; the database carries messages")
    from fraktal_kernel.agents.bus.link import ask

    ask(settings.bus)
    return Finding("broker", OK, f"{masked(settings.bus)} answers")


def _unnamed(settings: Settings, store: Store) -> str:
    """Say what the next sweep will free, if anything."""
    from fraktal_kernel.core.database import Database
    from fraktal_kernel.core.jobs.files import orphans, sharers
    from fraktal_kernel.core.migrations import HEAD

    try:
        with closing(Database(settings.database)) as database:
            there = database.file is None or database.file.exists()
            if not there or database.version() != HEAD:
                return ""
            found, others = orphans(database, store), sharers(database, store)
    except FraktalError:  # the line about the database says why
        return ""
    if not found:
        return ""
    one = len(found) == 1
    text = f"; {len(found)} {'file' if one else 'files'}"
    text += f" ({size(sum(each.size_bytes for each in found))}) that no job names"
    if others:
        return f"{text} {'stays' if one else 'stay'}: other databases use this store as well"
    return f"{text} {'goes' if one else 'go'} at the server's next start, or within a day"


def _workspace(settings: Settings) -> Finding:
    folder = settings.data
    while not folder.exists():
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return Finding(
            "workspace",
            BROKEN,
            f"{settings.data} cannot be written by this user",
            "set FRAKTAL_DATA to a folder of yours",
        )
    free = shutil.disk_usage(folder).free
    state, advice = (OK, "") if free > 2**30 else (BROKEN, "free some space, or set FRAKTAL_DATA")
    return Finding("workspace", state, f"{settings.data}; {free / 2**30:.1f} GiB free", advice)


def _machine(settings: Settings) -> Finding:
    memory = psutil.virtual_memory().total / 2**30
    return Finding(
        "machine",
        OK,
        f"{os.cpu_count()} cores, {memory:.0f} GiB memory; {settings.workers} workers",
    )


def _server(settings: Settings) -> list[Finding]:
    """Look for the server of this workspace, and through it at its workers."""
    address = read_address(settings)
    if address is None:
        return [
            Finding("server", OFF, "none serves this workspace", "fraktal up"),
            Finding("workers", OFF, "they start with the server or with the first job"),
        ]
    try:
        health = httpx.get(
            f"{address.url}/api/health",
            headers={"Authorization": f"Bearer {address.token}"},
            timeout=10,
            trust_env=False,
        ).json()
    except (httpx.HTTPError, ValueError):
        if psutil.pid_exists(address.pid):
            text = f"{address.url} does not answer, although process {address.pid} is there"
            return [Finding("server", BROKEN, text, "stop it, then: fraktal up")]
        text = f"{address.url} ended without a word; the next start cleans up"
        return [Finding("server", OFF, text, "fraktal up")]
    workers = str(health.pop("workers", "unknown"))
    troubles = [f"{part}: {said}" for part, said in health.items() if said not in (True, "ok")]
    troubles = [text for text in troubles if not text.startswith("ok:")]
    return [
        Finding("server", BROKEN, masked("; ".join(troubles)), "see logs/ in the workspace")
        if troubles
        else Finding("server", OK, f"{address.url} answers"),
        Finding("workers", OK, "answer")
        if workers == "ok"
        else Finding("workers", BROKEN, masked(workers), "see logs/ in the workspace"),
    ]


def _lab(settings: Settings) -> Finding:
    url = f"http://127.0.0.1:{settings.lab_port}"
    try:
        version = httpx.get(f"{url}/api", timeout=5, trust_env=False).json()["version"]
    except (httpx.HTTPError, ValueError, KeyError):
        return Finding("JupyterLab", OFF, f"nothing answers at {url}", "fraktal up")
    return Finding("JupyterLab", OK, f"{url} answers (Jupyter Server {version})")


def _scheduler(settings: Settings) -> Finding:
    if not settings.dask_scheduler:
        return Finding("Dask scheduler", OFF, "not set; jobs run in local worker processes")
    place = urlsplit(settings.dask_scheduler)
    try:
        socket.create_connection((place.hostname or "", place.port or 8786), timeout=5).close()
    except (OSError, ValueError) as error:
        return Finding(
            "Dask scheduler",
            BROKEN,
            f"{settings.dask_scheduler} does not answer: {error}",
            "start it (dask scheduler), or clear FRAKTAL_DASK_SCHEDULER",
        )
    return Finding("Dask scheduler", OK, f"{settings.dask_scheduler} answers")


def _gpu(_settings: Settings) -> Finding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding("GPU", OFF, "no NVIDIA driver; the processor computes")
    asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run([program, *asked], capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return Finding("GPU", BROKEN, "nvidia-smi does not answer", "restart the NVIDIA driver")
    if done.returncode:
        said = (done.stdout or done.stderr).strip().splitlines()
        return Finding(
            "GPU", OFF, f"nvidia-smi: {said[0] if said else 'failed'}", "check the NVIDIA driver"
        )
    found = "; ".join(done.stdout.strip().splitlines())
    from fraktal_kernel.fractals.gpu.card import card

    try:
        name = card().name
    except MissingExtra as error:
        return Finding("GPU", OFF, f"{found}; {error}", "make install EXTRAS=gpu")
    except Unavailable as error:
        return Finding("GPU", OFF, f"{found}; not in use: {error}", "check the NVIDIA driver")
    return Finding("GPU", OK, f"{found}; fractals can be computed on {name}")


def _programs() -> Iterator[Finding]:
    for name, use in SYSTEM_PACKAGES.items():
        place = shutil.which(name)
        if place:
            yield Finding(name, OK, f"{place}, for {use}")
        else:
            yield Finding(name, OFF, f"not here; for {use}", f"sudo apt-get install {name}")
    initdb = shutil.which("initdb") or next(
        (str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None
    )
    if initdb:
        yield Finding("postgresql", OK, f"{initdb}, for the PostgreSQL tests")
    else:
        yield Finding(
            "postgresql",
            OFF,
            "no server programs here; for the PostgreSQL tests",
            "sudo apt-get install postgresql",
        )


def reachable(settings: Settings) -> Iterator[Finding]:
    """Ask everything that the settings name whether it answers."""
    checks: list[Callable[[Settings], Finding]] = [_workspace, _machine, _database, _store, _broker]
    for check in checks:
        try:
            yield check(settings)
        except FraktalError as error:
            yield Finding(
                check.__name__.strip("_"), BROKEN, masked(error), "see the settings below"
            )
    yield from _server(settings)
    yield _lab(settings)
    yield _scheduler(settings)
    yield _gpu(settings)
    yield from _programs()


def setting_lines(settings: Settings) -> list[SettingLine]:
    """List every setting with its value and where that came from."""
    sources = settings.sources
    return [
        SettingLine(name, masked(getattr(settings, name)), sources[name])
        for name in type(settings).model_fields
    ]


# ------------------------------------------------------------------ how it is shown


def _table(title: str, rows: list[tuple[str, ...]], columns: tuple[str, ...]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _rows(findings: list[Finding]) -> list[tuple[str, ...]]:
    from rich.markup import escape

    mark = {OK: "[green]✓ ok[/]", OFF: "[dim]– off[/]", BROKEN: "[bold red]✗ broken[/]"}
    return [
        (item.name, mark[item.state], escape(item.text), escape(item.advice)) for item in findings
    ]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is installed, what is reachable, and what to do about the rest."""
    packages = list(installed())
    lines: list[SettingLine] = []
    try:
        settings = load_settings()
        places = list(reachable(settings))
        lines = setting_lines(settings)
    except FraktalError as error:
        places = [Finding("settings", BROKEN, masked(error), "see docs/settings.md")]
    broken = [item for item in packages + places if item.state == BROKEN]
    if as_json:
        report = {
            "ok": not broken,
            "installed": [asdict(item) for item in packages],
            "reachable": [asdict(item) for item in places],
            "settings": [asdict(line) for line in lines],
        }
        print(json.dumps(report, indent=2))
    else:
        from rich.console import Console
        from rich.markup import escape

        console = Console()
        columns = ("what", "state", "found", "what to do")
        console.print(_table("Installed", _rows(packages), columns))
        console.print(_table("Reachable", _rows(places), columns))
        shown = [(line.name, escape(line.value), escape(line.source)) for line in lines]
        console.print(_table("Settings", [*shown], ("setting", "value", "from")))
        names = ", ".join(item.name for item in broken)
        console.print(f"Broken: {names}." if broken else "Everything that is needed works.")
    if broken:
        raise typer.Exit(1)
