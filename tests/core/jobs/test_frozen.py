"""A process that is held still loses its job; one that computes in silence keeps it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fraktal_kernel import Workbench
from fraktal_kernel.core.local import LocalWorkbench
from tests.system.serving import runs, until

LEASE_S = 2.0


@pytest.fixture(scope="module", params=["local", "dask"])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalWorkbench]:
    """Open a workbench with short leases over each executor."""
    settings: dict[str, object] = {
        "data": tmp_path_factory.mktemp("frozen"),
        "capability_modules": ["tests.capabilities", "tests.core.jobs.still_capabilities"],
        "workers": 1,
        "lease_s": LEASE_S,
        "heartbeat_s": 0.3,
    }
    if request.param == "dask":
        settings["dask_scheduler"] = request.getfixturevalue("dask_scheduler")
    with Workbench.open(**settings) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


def test_a_frozen_worker_loses_its_job(bench: LocalWorkbench, tmp_path: Path) -> None:
    """Its lease runs out, it is killed although it cannot hear, and another does the job."""
    file = tmp_path / "pids"
    job = bench.submit("still.wait", file=file)
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    frozen = psutil.Process(int(file.read_text()))
    os.kill(frozen.pid, signal.SIGSTOP)
    pids = job.wait(60)
    assert pids[0] == frozen.pid and len(pids) == 2
    until(lambda: not runs(frozen), what="the end of the frozen process")
    told = bench.engine.events.page(0, "jobs.state", subject=str(job.id))
    reasons = [event.payload["reason"] for event in told if "reason" in event.payload]
    assert reasons == ["the worker did not answer any more"]
    assert bench.submit("test.echo").wait(60) == {"text": "hello"}


def test_a_worker_frozen_for_a_moment_goes_on(bench: LocalWorkbench, tmp_path: Path) -> None:
    """What is held still for less than the lease keeps its job."""
    file = tmp_path / "pids"
    job = bench.submit("still.wait", file=file)
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    pid = int(file.read_text())
    for how in (signal.SIGSTOP, signal.SIGCONT):  # at once, or a busy machine outlasts the lease
        os.kill(pid, how)
    assert job.state == "running" and job.refresh().attempt == 1
    job.cancel()
    until(lambda: job.refresh().ended)


def test_a_worker_that_computes_in_silence_keeps_its_job(bench: LocalWorkbench) -> None:
    """C code that lets no Python run for longer than the lease is work, not silence."""
    job = bench.submit("still.busy", seconds=int(2 * LEASE_S) + 1)
    job.wait(60)
    told = bench.engine.events.page(0, "jobs.state", subject=str(job.id))
    assert [event.payload["state"] for event in told] == ["queued", "running", "succeeded"]
