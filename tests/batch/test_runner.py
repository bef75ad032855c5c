"""Notebooks run in real kernels: what they make is kept whole, and failures are named."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import fsspec
import psutil
import pytest

from fraktal_kernel.batch import Notebook, NotebookFailed, Plan, plan_sweep, run_notebook, run_sweep
from fraktal_kernel.core.run import Cancelled
from fraktal_kernel.errors import InvalidInput, MissingExtra, NotFound


def test_a_notebook_runs_with_its_parameters_and_keeps_all_it_made(write, tmp_path):
    """Output, files, the notebook's own result and our facts stand beside each other."""
    place = write(
        "import json, pathlib\npathlib.Path('sub').mkdir()\n"
        "pathlib.Path('sub/a.txt').write_text('x' * n)",
        "pathlib.Path('result.json').write_text(json.dumps({'n': n}))",
        parameters="n = 2",
    )
    told = []
    plan = Plan.of(Notebook.read(place), {"n": 5}, str(tmp_path / "out"))
    assert plan.finished() is None
    done = run_notebook(plan, on_cell=lambda *t: told.append(t))
    folder = Path(done.folder)
    assert folder.parent == tmp_path / "out" and folder.name.startswith("n-5_")
    assert (folder / "sub/a.txt").read_text() == "xxxxx"
    assert done.files == ["sub/a.txt"] and done.result == {"n": 5}
    facts = json.loads((folder / "result.json").read_text())
    assert facts["digest"] == plan.digest and facts["parameters"] == {"n": 5}
    output = json.loads((folder / "small.ipynb").read_text())
    assert output["metadata"]["papermill"]["output_path"] == str(folder / "small.ipynb")
    assert [t[:2] for t in told] == [(0, 3), (0, 3), (1, 3), (2, 3), (3, 3)]
    assert plan.finished() == done
    assert sorted(p.name for p in folder.iterdir()) == ["result.json", "small.ipynb", "sub"]


def test_a_failed_notebook_is_kept_and_its_cell_named(write, tmp_path):
    """The sentence says which cell failed and where the notebook with the error stands."""
    place = write("a = 1", "b = a / (n - n)", "c = 3", parameters="n = 2")
    plan = Plan.of(Notebook.read(place), {"n": 3}, str(tmp_path / "out"))
    with pytest.raises(NotebookFailed, match="ZeroDivisionError") as caught:
        run_notebook(plan)
    assert caught.value.cell == 3
    assert "cell 3 of 4 (b = a / (n - n)) failed" in str(caught.value)
    kept = Path(caught.value.output)
    assert kept.name == "small.failed.ipynb" and "ZeroDivisionError" in kept.read_text()
    assert [p.name for p in kept.parent.iterdir()] == ["small.failed.ipynb"]
    assert plan.finished() is None


def test_a_file_that_no_store_could_hold_fails_its_run_alone(write, tmp_path):
    """What one notebook names its files is no reason to stop the others of a sweep."""
    place = write("open('at 12:30' if n == 3 else 'at noon', 'w').close()", parameters="n = 2")
    bad, good = run_sweep(plan_sweep(place, {}, {"n": [3, 4]}, str(tmp_path / "out")))
    assert isinstance(bad.error, NotebookFailed) and "'at 12:30' has a ':'" in str(bad.error)
    assert Path(bad.error.output).exists()
    assert good.finished is not None and good.finished.files == ["at noon"]


def test_any_name_of_a_notebook_will_do(write, tmp_path):
    """A name that not every store can hold, or that is too long for more, names its output."""
    for name in ("Escape: why?", "ż" * 120):
        plan = Plan.of(Notebook.read(write("1", name=f"{name}.ipynb")), {}, str(tmp_path / "out"))
        output = Path(run_notebook(plan).output)
        assert output.exists() and len(output.name.encode()) < 200
    assert Plan.of(Notebook.read(write("1", name="a:b.ipynb")), {}, "out").notebook.name == "a_b"


def test_a_kernel_that_dies_is_told_as_a_failure_of_its_cell(write, tmp_path):
    """A kernel killed by the system is a failed cell, not a hang and not a traceback."""
    place = write("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", parameters="n = 2")
    plan = Plan.of(Notebook.read(place), {}, str(tmp_path / "out"))
    with pytest.raises(NotebookFailed, match=r"[Kk]ernel") as caught:
        run_notebook(plan)
    assert caught.value.cell == 2 and Path(caught.value.output).exists()


def test_the_process_of_a_notebook_that_is_killed_is_told_as_a_failure(write, tmp_path):
    """When the process between us and the kernel dies, that is said, and the kernel ends."""
    cell = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(60)"
    plan = Plan.of(Notebook.read(write(cell)), {}, str(tmp_path / "out"))
    with pytest.raises(NotebookFailed, match="died with code -9"):
        run_notebook(plan)


def test_cancelling_stops_the_kernel_and_keeps_nothing(write, tmp_path):
    """When the call has returned, neither the kernel nor a half result is left."""
    pid_file = tmp_path / "pid"
    place = write(
        f"import os, pathlib, time\npathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    plan = Plan.of(Notebook.read(place), {}, str(tmp_path / "out"))

    def seen() -> bool:
        return pid_file.exists() and pid_file.read_text() != ""

    with pytest.raises(Cancelled):
        run_notebook(plan, cancelled=seen)
    assert not (tmp_path / "out").exists()
    kernel = int(pid_file.read_text())
    assert not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == "zombie"


def test_a_notebook_cancelled_before_its_kernel_stands_leaves_none(write, tmp_path, monkeypatch):
    """At whatever moment one cancels, no kernel starts behind the call's back."""
    monkeypatch.setenv("FRAKTAL_TEST_MARK", str(tmp_path))
    plan = Plan.of(Notebook.read(write("import time; time.sleep(600)")), {}, str(tmp_path / "out"))
    for after_s in (0.0, 0.5, 1.0, 1.5):
        began = time.monotonic()
        with pytest.raises(Cancelled):
            run_notebook(plan, cancelled=lambda: time.monotonic() - began > after_s)  # noqa: B023
        assert not [process for process in psutil.process_iter() if _marked(process, tmp_path)]
    assert not (tmp_path / "out").exists()


def _marked(process: psutil.Process, mark: Path) -> bool:
    """Say whether a process still runs that a notebook of this test brought to life."""
    try:
        if process.pid == os.getpid() or process.status() == "zombie":
            return False
        return process.environ().get("FRAKTAL_TEST_MARK") == str(mark)
    except psutil.Error:
        return False


def test_notebooks_are_read_from_and_written_to_fsspec_urls(text):
    """A notebook in one filesystem makes its results in another, whole."""
    content = text("open('a.txt', 'w').write(word)", parameters="word = 'x'")
    with fsspec.open("memory://books/small.ipynb", "w") as file:
        file.write(content)
    notebook = Notebook.read("memory://books/small.ipynb")
    done = run_notebook(Plan.of(notebook, {"word": "hello"}, "memory://out"))
    assert done.folder.startswith("memory://out/word-hello_")
    with fsspec.open(f"{done.folder}/a.txt") as file:
        assert file.read() == b"hello"
    with fsspec.open(f"{done.folder}/result.json") as file:
        assert json.load(file)["files"] == ["a.txt"]


def test_a_notebook_can_import_what_lies_beside_it(write, tmp_path):
    """Modules beside the notebook are found, though it runs in a folder of its own."""
    (tmp_path / "neighbour.py").write_text("answer = 42\n")
    place = write("import neighbour, os\nassert neighbour.answer == 42 and os.listdir() == []")
    run_notebook(Plan.of(Notebook.read(place), {}, str(tmp_path / "out")))


def test_a_result_that_is_not_json_is_a_failure(write, tmp_path):
    """What the notebook says about itself has to be readable."""
    place = write("open('result.json', 'w').write('{')")
    plan = Plan.of(Notebook.read(place), {}, str(tmp_path / "out"))
    with pytest.raises(NotebookFailed, match="not JSON"):
        run_notebook(plan)
    assert plan.finished() is None


def test_outputs_do_not_change_what_a_notebook_is_known_by(write):
    """Opening and saving a notebook does not make its results stale, editing a cell does."""
    place = write("a = 1", parameters="n = 2")
    before = Notebook.read(place)
    content = json.loads(Path(place).read_text())
    content["cells"][1].update(execution_count=7, id="other")
    content["metadata"]["papermill"] = {"x": 1}
    Path(place).write_text(json.dumps(content, indent=3))
    assert Notebook.read(place).digest({"n": 3}) == before.digest({"n": 3})
    assert before.digest({"n": 2}) == before.digest({}) != before.digest({"n": 3})
    content["cells"][1]["source"] = ["a = ", "2"]
    Path(place).write_text(json.dumps(content))
    assert Notebook.read(place).digest({"n": 3}) != before.digest({"n": 3})


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("missing.ipynb", None, NotFound),
        ("notes.txt", "{}", InvalidInput),
        ("broken.ipynb", "{", InvalidInput),
        ("empty.ipynb", "", InvalidInput),
        ("list.ipynb", "[]", InvalidInput),
        ("old.ipynb", '{"cells": [], "nbformat": 3}', InvalidInput),
        ("cell.ipynb", '{"cells": [3], "nbformat": 4}', InvalidInput),
        ("bytes.ipynb", "\udcff\udcfe", InvalidInput),
    ],
)
def test_what_is_not_a_notebook_is_refused_in_one_sentence(tmp_path, name, text, error):
    """The sentence names the file and what is wrong with it."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text, errors="surrogateescape")
    with pytest.raises(error, match=name) as caught:
        Notebook.read(str(path))
    assert "\n" not in str(caught.value)


def test_a_protocol_that_nothing_knows_is_refused():
    """A URL that cannot be opened says so."""
    with pytest.raises((InvalidInput, MissingExtra)):
        Notebook.read("nosuchthing://a/b.ipynb")


def test_a_sweep_runs_every_combination_and_goes_on_where_it_stopped(write, tmp_path):
    """The second time only what failed or is new is run."""
    place = write(
        "import os\nassert not (n == 2 and os.environ.get('BREAK_TWO')), 'two is broken'\n"
        "open(f'{word}.txt', 'w').write(str(n))",
        parameters="n = 1\nword = 'x'",
    )
    out = str(tmp_path / "out")
    plans = plan_sweep(place, {"word": "w"}, {"n": ["1", "2", "3"]}, out, typed=True)
    assert [p.parameters for p in plans] == [{"word": "w", "n": n} for n in (1, 2, 3)]
    os.environ["BREAK_TWO"] = "1"
    try:
        first = run_sweep(plans, jobs=2)
    finally:
        del os.environ["BREAK_TWO"]
    assert [o.error is None for o in first] == [True, False, True]
    assert "two is broken" in str(first[1].error)
    more = plan_sweep(place, {"word": "w"}, {"n": ["1", "2", "3", "4"]}, out, typed=True)
    second = run_sweep(more, jobs=2)
    assert [o.skipped for o in second] == [True, False, True, False]
    assert all(o.error is None for o in second)
    assert not Path(plans[1].folder, "small.failed.ipynb").exists()
    third = run_sweep(more[:1], again=True)
    assert not third[0].skipped and third[0].finished.started_at > first[0].finished.started_at


def test_a_sweep_over_two_parameters_is_their_product_without_doubles(write):
    """Equal combinations are planned once."""
    place = write("", parameters="a = 1\nb = 2.0")
    plans = plan_sweep(place, {}, {"a": [1, 2, 2], "b": [0.5, 1.5]}, "memory://x")
    assert [p.parameters for p in plans] == [{"a": a, "b": b} for a in (1, 2) for b in (0.5, 1.5)]
    assert len({p.folder for p in plans}) == 4


def test_a_sweep_that_cannot_be_planned_is_refused(write):
    """Doubly given, empty, unknown: told before a kernel starts."""
    place = write("", parameters="a = 1")
    with pytest.raises(InvalidInput, match="both given and swept"):
        plan_sweep(place, {"a": 1}, {"a": [1]}, "memory://x")
    with pytest.raises(InvalidInput, match="no values"):
        plan_sweep(place, {}, {"a": []}, "memory://x")
    with pytest.raises(InvalidInput, match="did you mean 'a'"):
        plan_sweep(place, {}, {"aa": [1]}, "memory://x")


def test_a_notebook_runs_from_s3_to_s3(text, s3_store_url, s3_store_options, monkeypatch):
    """With the store's own options, a real S3 server gives the notebook and takes the results."""
    monkeypatch.setenv("FRAKTAL_STORE_URL", s3_store_url)
    monkeypatch.setenv("FRAKTAL_STORE_OPTIONS", json.dumps(s3_store_options))
    place = f"{s3_store_url}/books/small.ipynb"
    content = text("open('a.txt', 'w').write(word)", parameters="word = 'x'")
    with fsspec.open(place, "w", **s3_store_options) as file:
        file.write(content)
    out = f"{s3_store_url}/results"
    (outcome,) = run_sweep(plan_sweep(place, {"word": "hello"}, {}, out))
    assert outcome.error is None and outcome.finished.folder.startswith(out)
    with fsspec.open(f"{outcome.finished.folder}/a.txt", **s3_store_options) as file:
        assert file.read() == b"hello"
    (again,) = run_sweep(plan_sweep(place, {"word": "hello"}, {}, out))
    assert again.skipped
    with pytest.raises(NotFound, match=r"missing\.ipynb"):
        Notebook.read(f"{s3_store_url}/books/missing.ipynb")


def test_papermill_itself_reads_and_writes_every_place(text):
    """Once taught, Papermill's own functions take fsspec URLs and see only whole notebooks."""
    from papermill import inspect_notebook
    from papermill.iorw import papermill_io

    from fraktal_kernel.batch.places import teach_papermill

    before = list(papermill_io._handlers)
    teach_papermill()
    try:
        papermill_io.write(text("x = 1", parameters="n: int = 2"), "memory://pm/a.ipynb")
        found = inspect_notebook("memory://pm/a.ipynb")
        assert found["n"]["default"] == "2"
        assert papermill_io.listdir("memory://pm") == ["a.ipynb"]
    finally:
        papermill_io._handlers[:] = before
