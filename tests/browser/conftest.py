"""A real browser, and the hosts that it opens: JupyterLab, Voila and Panel on free ports.

No name but loopback resolves in this browser. A test fails when its page asks for anything
beyond loopback, or writes an error of ours to the console. Screenshots are kept under
``test-output/screenshots/``.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "test-output" / "screenshots"
CHROMIUM = os.environ.get("FRAKTAL_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
]
# What the hosts themselves write to the console; nothing of it is ours to mend.
HOST_NOISE = re.compile(
    r"@pyviz/jupyterlab_pyviz"  # its labextension misses a shared module in Voila
    r"|Unsatisfied version .* of shared singleton module"
    r"|pyviz_comms|panel-preview"
    r"|ResizeObserver loop"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the hosts that these tests serve in this process use what their libraries deprecate."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Let playwright wait as long as a busy machine needs, and keep the hosts' chatter down.

    A report shows all that was logged before a failure; the cause must not drown in it.
    """
    from playwright.sync_api import expect

    expect.set_options(timeout=120_000)
    for host in ("panel", "bokeh", "bokeh_fastapi", "tornado", "asyncio", "uvicorn", "websockets"):
        logging.getLogger(host).setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def app_file() -> Callable[[str], Any]:
    """Load a file of the folder ``apps`` as a module: ``app_file("explorer")``."""

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"apps_{name}", ROOT / "apps" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Start Debian's Chromium instead of a downloaded one."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no browser at {CHROMIUM}: apt-get install chromium")
    return browser_type_launch_args | {"executable_path": CHROMIUM, "args": FLAGS}


class Watch:
    """What a page asked for beyond loopback, and the errors that it wrote."""

    def __init__(self) -> None:
        self.beyond: list[str] = []
        self.errors: list[str] = []
        self.expected: re.Pattern[str] | None = None

    def follow(self, page: Any) -> None:
        """Listen to a page from now on."""
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._on_error(f"uncaught: {error}"))

    def _on_request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        local = {"127.0.0.1", "localhost", "", None}
        if parts.scheme not in ("data", "blob") and parts.hostname not in local:
            self.beyond.append(request.url)

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self._on_error(f"{message.text} ({message.location.get('url', '')[:120]})")

    def _on_error(self, text: str) -> None:
        if not HOST_NOISE.search(text) and not (self.expected and self.expected.search(text)):
            self.errors.append(text)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fail the test when one of its pages left loopback or wrote an error."""
    watch = Watch()
    yield watch
    assert not watch.beyond, f"requests that left loopback: {watch.beyond}"
    assert not watch.errors, f"errors in the browser's console: {watch.errors}"


@pytest.fixture
def open_page(browser: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Open watched pages: ``open_page(url, width=…, height=…, dark=…, touch=…)``."""
    contexts = []

    def open_it(
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        **options: Any,
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            **options,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        watch.follow(page)
        page.goto(url, wait_until="domcontentloaded")
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture
def keep_picture() -> Callable[..., Path]:
    """Keep a screenshot: ``keep_picture(page, "explorer-lab")``."""

    def keep(page: Any, name: str, **options: Any) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=path, **options)
        return path

    return keep


def free_port() -> int:
    """Let the system choose a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(question: Callable[[], Any], timeout_s: float = 180, every_s: float = 0.1) -> Any:
    """Ask until the answer is true; fail when that takes too long."""
    end = time.monotonic() + timeout_s
    while True:
        if found := question():
            return found
        assert time.monotonic() < end, f"{question} was not true within {timeout_s} s"
        time.sleep(every_s)


def answers(url: str) -> bool:
    """Say whether a server answers at this address, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=60):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@dataclass(frozen=True)
class Jupyter:
    """A running Jupyter server with Voila as its extension."""

    port: int
    token: str
    folder: Path

    def copy(self, path: str) -> None:
        """Copy a notebook of the repository, such as ``"apps/explorer.ipynb"``."""
        shutil.copy(ROOT / path, self.folder)

    def write(self, name: str, *cells: str) -> None:
        """Write a notebook with these code cells."""
        import nbformat

        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(book, self.folder / name)

    def lab(self, name: str) -> str:
        """Give the address of a notebook in JupyterLab, in a workspace of its own."""
        workspace = secrets.token_hex(4)
        here = f"http://127.0.0.1:{self.port}/lab/workspaces/{workspace}/tree/{name}"
        return f"{here}?token={self.token}"

    def voila(self, name: str) -> str:
        """Give the address of a notebook in Voila."""
        return f"http://127.0.0.1:{self.port}/voila/render/{name}?token={self.token}"


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """Start a Jupyter server as ``fraktal up`` does, with the configuration that we ship."""
    folder = tmp_path_factory.mktemp("jupyter")
    port, token = free_port(), secrets.token_hex(16)
    config = ROOT / "deploy" / "jupyter" / "jupyter_server_config.py"
    log = (folder / "server.log").open("wb")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", f"--config={config}", f"--port={port}"),
            *("--ServerApp.port_retries=0", "--ip=127.0.0.1", "--no-browser", "--allow-root"),
            *(f"--IdentityProvider.token={token}", f"--notebook-dir={notebooks}"),
            "--LabApp.expose_app_in_browser=True",  # tests run JupyterLab's own commands
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        # A folder of its own: what a user has set up must not reach the tests.
        env=os.environ
        | {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
        },
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/api"))
        yield Jupyter(port, token, notebooks)
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


@pytest.fixture(scope="module")
def panel_server() -> Iterator[Callable[[Any], str]]:
    """Serve a page function in FastAPI, as the workbench's server does; gives its address."""
    import uvicorn
    from fastapi import FastAPI
    from panel.io.fastapi import add_applications

    from fraktal_kernel.server.leaving import let_visits_go
    from fraktal_kernel.server.messages import send_messages_whole

    let_visits_go()
    send_messages_whole()
    running = []

    def serve(page: Any) -> str:
        app = FastAPI()
        port = free_port()
        app.get("/favicon.ico")(lambda: None)  # browsers ask for it unasked
        add_applications(
            {"/app": page},
            app=app,
            check_unused_sessions_milliseconds=1_000,
            unused_session_lifetime_milliseconds=120_000,
        )
        server = uvicorn.Server(
            uvicorn.Config(app, "127.0.0.1", port, log_level="warning", ws="websockets-sansio")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        running.append((server, thread))
        return f"http://127.0.0.1:{port}/app"

    yield serve
    for server, thread in running:
        server.should_exit = True
        server.force_exit = True
        thread.join(60)


class ExplorerPage:
    """The explorer as a person has it: hands, eyes and the line of facts."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.root = page.locator(".fk-explorer")
        self.canvas = page.locator(".fk-explorer-canvas")

    def sharp(self, timeout_s: float = 180) -> ExplorerPage:
        """Wait until the finest level of the newest view is drawn."""
        try:
            self.root.wait_for(timeout=timeout_s * 1000)
        except Exception:
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SCREENSHOTS / "failed.png")
            raise
        # Two looks: a change that was just made must have been asked for.
        self.page.wait_for_timeout(60)
        wait_for(lambda: self.root.get_attribute("data-state") == "sharp", timeout_s, 0.05)
        return self

    def rested(self) -> None:
        """Wait, by the page's own clock, as long as a view must rest to be one to come back to."""
        self.page.evaluate("new Promise((go) => setTimeout(go, 600))")

    def pixels(self) -> Any:
        """Read what the canvas shows as RGB, uint8 [h, w, 3], once it stands still."""
        import numpy as np
        from PIL import Image

        before = None
        while (address := self.canvas.evaluate("c => c.toDataURL('image/png')")) != before:
            before = address
            self.page.wait_for_timeout(120)
        png = base64.b64decode(address.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def facts(self) -> dict[str, str]:
        """Read the line of facts."""
        texts = self.page.locator(".fk-explorer-facts > span").all_inner_texts()
        pairs = [text.split(" ", 1) for text in texts[:3]]
        return {name: value for name, value in pairs}

    def wheel(self, turns: float, x: float = 0.5, y: float = 0.5) -> None:
        """Turn the wheel over a point of the picture, given in fractions of its size."""
        box = self.canvas.bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        self.page.mouse.wheel(0, turns)

    def zoomed_and_repainted(self) -> None:
        """Turn the wheel and see that another, deeper view is painted."""
        before, width = self.pixels(), float(self.facts()["width"])
        self.wheel(-300, 0.3, 0.45)
        self.sharp()
        assert float(self.facts()["width"]) < 0.9 * width
        assert (self.pixels() != before).mean() > 0.05


@pytest.fixture
def explorer_page() -> Callable[[Any], ExplorerPage]:
    """Get hold of the explorer of a page: ``explorer_page(page)``."""
    return ExplorerPage
