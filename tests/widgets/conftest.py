"""A workbench with real worker processes for the widgets to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench

MODULES = ["tests.capabilities", "tests.widgets.schema_capabilities"]


@pytest.fixture(scope="session")
def widget_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkbench]:
    """Open one workbench for all tests of widgets."""
    data = tmp_path_factory.mktemp("widgets")
    with Workbench.open(
        data=data, workers=1, capability_modules=MODULES, retry_delay_s=0.05
    ) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until something holds: ``until(lambda: panel.board["jobs"])``."""

    def wait(condition: Callable[[], object], timeout_s: float = 180) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.02)

    return wait
