"""``fraktal submit`` and ``fraktal jobs``, with a server and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.batch.small import notebook_text
from tests.cli.terminal import COMMAND, command, ended, eventually, one_sentence


def submitted(done) -> int:
    """Read the number of the job that was submitted."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["id"]


@contextmanager
def watching(job: int, data: Path) -> Iterator[subprocess.Popen[str]]:
    """Watch a job at its gate, in a process; begins when the job has been heard."""
    with subprocess.Popen(
        [*COMMAND, "jobs", "watch", str(job)],
        env={**os.environ, "FRAKTAL_DATA": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "waiting at the gate" in process.stderr.readline()
        yield process


def state(fraktal, job: int) -> str:
    """Ask for a job's state."""
    return json.loads(fraktal("jobs", "show", job, "--json").stdout)["state"]


def test_without_a_server_a_job_is_queued_and_that_is_said_plainly(fraktal):
    """Nothing is run here; the sentence says what starts it."""
    assert "No jobs yet" in fraktal("jobs").stdout
    done = fraktal("submit", "fractal.render", "--width", 64, "--height", 48, "--key", "one")
    assert done.stdout == "queued as job 1; it starts when a server runs: fraktal serve\n"
    again = fraktal("submit", "fractal.render", "--width", 64, "--height", 48, "--key", "one")
    assert "job 1" in again.stdout
    time.sleep(1)
    assert state(fraktal, 1) == "queued"
    watch = fraktal("jobs", "watch", 1)
    assert watch.returncode == 1 and "fraktal serve" in one_sentence(watch)
    assert fraktal("jobs", "cancel", 1).stdout == "job 1 is cancelled.\n"
    ended = fraktal("jobs", "watch", 1)
    assert ended.returncode == 1 and "cancelled" in ended.stderr
    assert "it starts when" in fraktal("jobs", "retry", 1).stdout
    assert [job["id"] for job in json.loads(fraktal("jobs", "--json").stdout)] == [1]
    assert json.loads(fraktal("jobs", "--json", "--state", "failed").stdout) == []


def test_a_job_of_an_open_notebook_is_watched_without_a_server(tmp_path, folder):
    """Where another program of ours does the work, the terminal follows it all the same."""
    data = tmp_path / "data"
    program = (
        "import tests.capabilities\n"
        "from fraktal_kernel import Workbench\n"
        "if __name__ == '__main__':\n"
        "    with Workbench.open(workers=1) as wb:\n"
        "        wb.submit('test.gate', file='gate').wait()\n"
    )
    (folder / "program.py").write_text(program)
    (folder / "gate").write_text("20")
    here = command(data, folder)
    own = {
        **os.environ,
        "FRAKTAL_DATA": str(data),
        "FRAKTAL_CAPABILITY_MODULES": '["tests.capabilities"]',
    }
    with subprocess.Popen([sys.executable, "program.py"], cwd=folder, env=own) as process:
        eventually(lambda: data.exists() and '"running"' in here("jobs", "--json").stdout)
        with watching(1, data) as watch:
            (folder / "gate").write_text("100")
            out, errors = watch.communicate(timeout=120)
        assert process.wait(120) == 0
    assert watch.returncode == 0, errors
    assert json.loads(out) == 100


def test_a_job_runs_is_watched_and_its_files_are_saved(served, folder):
    """From submit to the picture in a folder, as the first page of the docs tells it."""
    job = submitted(served("submit", "fractal.render", "--width", 320, "--height", 240, "--json"))
    watched = served("jobs", "watch", job)
    assert watched.returncode == 0, watched.stderr
    assert json.loads(watched.stdout)["width_px"] == 320
    assert "picture.png" in served("jobs", "artifacts", job).stdout
    saved = served("jobs", "artifacts", job, "--save", "made")
    assert saved.stdout == "made/picture.png\n"
    served("run", "fractal.render", "--width", 320, "--height", 240, "--out", "here.png")
    assert (folder / "made/picture.png").read_bytes() == (folder / "here.png").read_bytes()
    assert f"job         {job}" in served("jobs", "show", job).stdout


def test_a_scene_file_named_at_the_terminal_travels_with_the_job(served, folder):
    """The server reads no file of ours: what was in it is sent."""
    small = ("--width", 64, "--height", 48)
    served("run", "fractal.render", "--scene", "elephant", *small, "--out", "a.png")
    job = submitted(served("submit", "fractal.render", "--scene", "a.png", *small, "--json"))
    (folder / "a.png").rename(folder / "gone.png")
    assert served("jobs", "watch", job).returncode == 0
    served("jobs", "artifacts", job, "--save", "made")
    assert (folder / "made/picture.png").read_bytes() == (folder / "gone.png").read_bytes()


def test_a_log_is_printed_oldest_line_first(served):
    """What a job said stands in its log, and watching shows it too."""
    job = submitted(served("submit", "test.echo", "--text", "good day", "--json"))
    watched = served("jobs", "watch", job)
    assert json.loads(watched.stdout) == {"text": "good day"}
    assert "heard good day" in watched.stderr
    log = served("jobs", "log", job).stdout.splitlines()
    assert log[0].endswith("heard good day") and log[1].endswith("printed good day")
    assert json.loads(served("jobs", "log", job, "--json").stdout)[0]["level"] == "info"


def test_a_running_job_is_cancelled(served):
    """Cancel stops the work, watching tells so with exit code 1, retry queues it again."""
    job = submitted(served("submit", "test.sleep", "--json"))
    eventually(lambda: state(served, job) == "running")
    assert served("jobs", "cancel", job).returncode == 0
    eventually(lambda: state(served, job) == "cancelled")
    watched = served("jobs", "watch", job)
    assert watched.returncode == 1 and "cancelled" in watched.stderr
    twice = served("jobs", "cancel", job)
    assert twice.returncode == 1 and f"job {job}" in one_sentence(twice)
    assert "only a failed job" in one_sentence(served("jobs", "discard", job))
    assert "queued again" in served("jobs", "retry", job).stdout
    served("jobs", "cancel", job)


def test_ctrl_c_stops_watching_and_not_the_job(served, served_data):
    """The job goes on, and that is said."""
    job = submitted(served("submit", "test.gate", "--file", "closed", "--json"))
    eventually(lambda: state(served, job) == "running")
    with watching(job, served_data) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "goes on" in errors and "Traceback" not in errors
    assert state(served, job) == "running"
    served("jobs", "cancel", job)


def test_a_question_is_answered_from_the_terminal(served):
    """A waiting job shows what it asks, refuses other answers, and goes on with a good one."""
    job = submitted(served("submit", "test.ask", "--json"))
    eventually(lambda: state(served, job) == "waiting")
    assert "Deploy? [yes/no]" in served("jobs", "show", job).stdout
    wrong = served("jobs", "answer", job, "maybe")
    assert wrong.returncode == 2 and "maybe" in one_sentence(wrong)
    assert "was answered 'yes'" in served("jobs", "answer", job, "yes").stdout
    eventually(lambda: "Sure?" in served("jobs", "show", job).stdout)
    served("jobs", "answer", job, "no")
    watched = served("jobs", "watch", job)
    assert json.loads(watched.stdout) == {"before": "ready", "first": "yes", "second": "no"}


def test_a_failed_job_ends_the_watch_with_exit_code_one(served, folder):
    """What went wrong is told in one sentence."""
    file = folder / "tries"
    job = submitted(
        served("submit", "test.fail", "--times", 9, "--kind", "input", "--file", file, "--json")
    )
    watched = served("jobs", "watch", job)
    assert watched.returncode == 1 and "given nonsense, expected sense" in watched.stderr
    assert f"job {job} failed" in watched.stderr
    listed = served("jobs", "--state", "failed").stdout
    assert "given nonsense" in listed


def test_a_notebook_is_a_job_too(served, folder):
    """A notebook of papermill_jobs runs on the server, and its files come back."""
    job = submitted(
        served(
            "submit", "notebook.run", "--notebook", "poster.ipynb", "--json",
            "--parameters.width", 160, "--parameters.palette", "ember",
        )
    )  # fmt: skip
    watched = served("jobs", "watch", job)
    assert watched.returncode == 0, watched.stderr
    assert json.loads(watched.stdout)["result"]["width_px"] == 160
    served("jobs", "artifacts", job, "--save", "made")
    assert {"poster.ipynb", "poster.png", "result.json"} == set(os.listdir(folder / "made"))


def test_cancelling_a_notebook_job_stops_its_kernel(served, served_data):
    """The kernel does not outlive the job, and its temporary folder is gone."""
    mark = served_data / "kernel"
    cell = (
        f"import os, pathlib, time\npathlib.Path({str(mark)!r}).write_text("
        "f'{os.getpid()} {os.getcwd()}')\ntime.sleep(600)"
    )
    (served_data / "long.ipynb").write_text(notebook_text(cell))
    job = submitted(served("submit", "notebook.run", "--notebook", "long.ipynb", "--json"))
    eventually(lambda: mark.exists() and " " in mark.read_text())
    pid, folder = mark.read_text().split(" ", 1)
    served("jobs", "cancel", job)
    eventually(lambda: state(served, job) == "cancelled")
    eventually(lambda: ended(int(pid)))
    eventually(lambda: not os.path.exists(folder))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["submit", "fractal.rendr"], "did you mean 'fractal.render'"),
        (["submit", "fractal.render", "--width", "0"], "width"),
        (["submit", "fractal.render", "--widht", "9"], "did you mean 'width'"),
        (["submit", "fractal.render", "--priority", "high"], "--priority: given 'high'"),
        (["submit", "fractal.render", "--delay-s", "-4"], "delay"),
        (["submit", "fractal.render", "--max-attempts", "0"], "max_attempts"),
        (["submit", "notebook.run", "--notebook", "/etc/passwd"], "notebook"),
        (["submit", "notebook.run", "--notebook", "../poster.ipynb"], "notebook"),
        (
            ["submit", "notebook.run", "--notebook", "poster.ipynb", "--parameters.widht", "9"],
            "did you mean 'width'",
        ),
        (
            ["submit", "notebook.run", "--notebook", "poster.ipynb", "-p", "out", "../x"],
            "out: given '../x'",
        ),
        (["jobs", "show", "999999"], "999999"),
        (["jobs", "show", "first"], "job: given 'first'"),
        (["jobs", "watch", "999999"], "999999"),
        (["jobs", "cancel", "999999"], "999999"),
        (["jobs", "log", "999999"], "999999"),
        (["jobs", "artifacts", "999999"], "999999"),
        (["jobs", "--state", "sleeping"], "sleeping"),
        (["jobs", "--limit", "0"], "--limit: given '0'"),
        (["jobs", "artifacts", "1", "--save", "no/such"], "no/such"),
    ],
)
@pytest.mark.parametrize("way", ["fraktal", "served"])
def test_bad_input_is_refused_in_one_sentence(request, way, words, part):
    """Exit code 2 and one sentence, whether a server answers or nobody."""
    done = request.getfixturevalue(way)(*words)
    assert done.returncode == 2, done.stderr
    assert part in one_sentence(done)


def test_a_terminal_obeys_nothing_that_jobs_say(served):
    """What would move, colour, hide or turn round is shown as what it is; JSON stays whole."""
    text = "\x1b[8mhidden\x1b[0m \u202e \x9b2J"
    job = json.loads(served("submit", "test.echo", "--text", text, "--json").stdout)["id"]
    watched = served("jobs", "watch", job)
    shown = [watched.stderr, *(served("jobs", what, job).stdout for what in ("show", "log"))]
    for each in shown:
        assert r"\x1b[8mhidden" in each and not {"\x1b", "\x9b", "\u202e"} & set(each)
    assert json.loads(served("jobs", "show", job, "--json").stdout)["params"]["text"] == text
