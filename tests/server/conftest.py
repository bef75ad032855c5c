"""The real application on a real socket, once for all tests of the server."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.server.app import create_app
from fraktal_kernel.server.serve import Server, address, listen
from tests.server.served import FRIEND, LAUNCH, SECRET, Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve an empty workspace in this process, with workers that find our capabilities."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    settings = load_settings(
        data=tmp_path_factory.mktemp("served"),
        port=0,
        workers=1,
        allowed_origins=[FRIEND],
        token_rate_per_s=1,
        token_burst=100,
        capability_modules=["tests.server.served_capabilities"],
    )
    with Workbench.open(settings, serve=True) as workbench, listen(settings) as listener:
        assert isinstance(workbench, LocalWorkbench)
        app = create_app(
            workbench,
            launch_token=LAUNCH,
            local_secret=SECRET,
            lab_url="http://127.0.0.1:8888/lab",
        )
        ready = threading.Event()
        server = Server(app, settings, ready.set, lambda: None)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(60)
            yield Served(workbench, address(settings.host, listener))
        finally:
            server.should_exit = True
            thread.join(60)
            patch.undo()


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """Call as this user's own program."""
    with served.client() as client:
        yield client
