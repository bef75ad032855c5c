"""One limit for what steps and jobs return, the same sentence in a job and in a direct call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel import Workbench
from fraktal_kernel.core.run import Run
from fraktal_kernel.core.values import JSON_MAX_BYTES, kept_json
from fraktal_kernel.errors import InvalidInput, JobFailed

MODULE = "tests.core.large_capabilities"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Open a workbench with one worker."""
    data = tmp_path_factory.mktemp("limits")
    with Workbench.open(data=data, workers=1, capability_modules=[MODULE]) as workbench:
        yield workbench


def test_what_just_fits_is_kept_and_what_does_not_is_refused() -> None:
    """The limit counts the bytes of the JSON text, quotes included."""
    assert len(kept_json("x" * (JSON_MAX_BYTES - 2), "it")[1]) == JSON_MAX_BYTES
    with pytest.raises(InvalidInput, match=r"^it returned 1,048,577 bytes of JSON, expected at"):
        kept_json("x" * (JSON_MAX_BYTES - 1), "it")
    with pytest.raises(InvalidInput, match="save large results as artifacts"):
        kept_json("\N{SNOWMAN}" * (JSON_MAX_BYTES // 4), "it")


@pytest.mark.parametrize("where", ["step", "result", "child"])
def test_a_job_and_a_direct_call_refuse_alike(bench: Workbench, where: str) -> None:
    """Whoever tries a capability by hand learns what its job would say."""
    params: dict[str, Any] = {"where": where, "size": JSON_MAX_BYTES}
    job = bench.submit("large.give", **params)
    named = "step 'large'" if where == "step" else "large.give"
    sentence = f"{named} returned 1,048,578 bytes of JSON, expected at most 1,048,576; "
    with pytest.raises(JobFailed, match=sentence):
        job.wait(60)
    if where != "child":
        assert job.refresh().attempt == 1  # too much stays too much
    if where != "result":  # what a function gives back here is held, not kept
        with pytest.raises(InvalidInput, match=sentence):
            bench.run("large.give", **params)


def test_a_result_within_the_limit_comes_back_whole(bench: Workbench) -> None:
    """Large, and not too large."""
    params: dict[str, Any] = {"where": "result", "size": JSON_MAX_BYTES - 2}
    assert len(bench.submit("large.give", **params).wait(60)) == JSON_MAX_BYTES - 2


def test_a_detached_step_counts_its_limit_too(tmp_path: Path) -> None:
    """A step of a direct call may not return what a job's may not."""
    with pytest.raises(InvalidInput, match="step 'all' returned"):
        Run.detached().step("all", lambda: "x" * JSON_MAX_BYTES)
