"""``notebook.run``: a notebook as a capability, with the doors that it must not open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fraktal_kernel.batch import NotebookFailed
from fraktal_kernel.core.capability import Run, capabilities
from fraktal_kernel.errors import InvalidInput

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text) -> Path:
    """Make a workspace with notebooks in and around it."""
    data = tmp_path / "data"
    monkeypatch.setenv("FRAKTAL_DATA", str(data))
    places = ["books/small.ipynb", "store/jobs/1/small.ipynb", "batch/x/small.ipynb"]
    for place in [*places, "../outside.ipynb"]:
        file = data / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text("open('a.txt', 'w').write(str(12 / n))", parameters="n = 2"))
    (data / "books/link.ipynb").symlink_to(data.parent / "outside.ipynb")
    return data


def test_a_notebook_of_the_workspace_runs_and_gives_its_files(data):
    """Progress, artifacts and the result come as from any capability; a second time it is there."""
    wanted = capabilities["notebook.run"]
    told = []
    run = Run.detached(on_progress=lambda fraction, text: told.append((fraction, text)))
    params = wanted.validate({"notebook": "books/small.ipynb", "parameters": {"n": 4}})
    result = wanted(params, run)
    assert run.artifacts["a.txt"].read() == b"3.0" and not result.skipped
    assert set(run.artifacts) == {"a.txt", "result.json", "small.ipynb"}
    assert Path(result.folder).parent == data / "batch" / "small"
    assert told[-1] == (1.0, "2 cells done")
    again = wanted(params, Run.detached())
    assert again.skipped and again.output == result.output
    anew = wanted(params.model_copy(update={"again": True}), Run.detached())
    assert not anew.skipped


def test_a_failed_notebook_is_an_artifact_of_its_run(data):
    """What one needs to see why it failed is kept."""
    wanted = capabilities["notebook.run"]
    run = Run.detached()
    params = wanted.validate({"notebook": "books/small.ipynb", "parameters": {"n": 0}})
    with pytest.raises(NotebookFailed, match="ZeroDivisionError"):
        wanted(params, run)
    assert b"ZeroDivisionError" in run.artifacts["small.failed.ipynb"].read()


def test_what_was_validated_can_be_validated_again(data):
    """Parameters travel as JSON to a worker, which checks them once more."""
    wanted = capabilities["notebook.run"]
    for name in ("books/small.ipynb", "poster.ipynb", "papermill_jobs/poster.ipynb"):
        for roots in (None, [data], ()):
            once = wanted.validate({"notebook": name}, roots=roots).model_dump(mode="json")
            assert wanted.validate(json.loads(json.dumps(once))).model_dump(mode="json") == once


@pytest.mark.parametrize(
    "name",
    [
        "../outside.ipynb",
        "books/../../outside.ipynb",
        "books/link.ipynb",
        "store/jobs/1/small.ipynb",
        "books/../store/jobs/1/small.ipynb",
        "batch/x/small.ipynb",
        "missing.ipynb",
        "/etc/passwd",
        "books",
        "",
        "books/small.ipynb\0",
        "s3://bucket/small.ipynb",
        "x" * 999 + ".ipynb",
    ],
)
@pytest.mark.parametrize("roots", [None, (), "data"])
def test_only_notebooks_of_the_workspace_and_our_own_can_be_named(data, name, roots):
    """Not what lies outside, not through a link, and not what a job made."""
    with pytest.raises(InvalidInput, match=r"^notebook: given"):
        capabilities["notebook.run"].validate(
            {"notebook": name}, roots=[data] if roots == "data" else roots
        )


def test_results_stay_below_the_workspace(data):
    """A folder that climbs, or is absolute, or a URL, is refused."""
    for out in ("../x", "/tmp/x", "a/../../x", "~/x", "s3://x", "c:\\x"):
        with pytest.raises(InvalidInput, match=r"^out: given"):
            capabilities["notebook.run"].validate({"notebook": "poster.ipynb", "out": out})


def test_parameters_are_checked_with_the_notebook(data):
    """A wrong name or type is refused when the job is submitted."""
    for given, part in (({"m": 3}, "no parameter named 'm'"), ({"n": "x"}, "n: given 'x'")):
        with pytest.raises(InvalidInput, match=part):
            capabilities["notebook.run"].validate(
                {"notebook": "books/small.ipynb", "parameters": given}
            )
