"""``fraktal batch`` and ``fraktal user``, ``fraktal token`` in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import COMMAND, ended, eventually, one_sentence

POSTER = Path(__file__).resolve().parents[2] / "papermill_jobs" / "poster.ipynb"


@pytest.fixture
def small(folder):
    """Write a notebook that divides, into the person's folder."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}

    def cell(source: str, *tags: str) -> dict[str, object]:
        return {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"tags": list(tags)},
            "outputs": [],
            "source": source,
        }

    cells = [
        cell("n = 2  # by what to divide\nwords = ['a']\n", "parameters"),
        cell("result = 12 / n"),
        cell("open('result.json', 'w').write(str(result))"),
    ]
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    (folder / "small.ipynb").write_text(json.dumps(book))
    return "small.ipynb"


def test_the_poster_runs_as_the_docs_say(fraktal, tmp_path):
    """The picture lies beside the output notebook, in the workspace."""
    done = fraktal("batch", POSTER, "-p", "width", 320)
    assert done.returncode == 0, done.stderr
    output = Path(done.stdout.split(" (")[0])
    assert output.is_relative_to(tmp_path / "data" / "batch" / "poster")
    assert {"poster.ipynb", "poster.png", "result.json"} == set(os.listdir(output.parent))
    facts = json.loads((output.parent / "result.json").read_text())
    assert facts["parameters"]["width"] == 320 and facts["result"]["height_px"] == 180
    again = fraktal("batch", POSTER, "-p", "width", 320)
    assert again.stdout == f"{output} (there already)\n"


def test_a_sweep_tells_each_run_and_keeps_the_failed_one(fraktal, folder, small):
    """One bad combination fails with its cell named; the others are done, and not done twice."""
    done = fraktal("batch", small, "--sweep", "n=1,0,3", "--jobs", 2, "--out", "out", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [run["state"] for run in told] == ["succeeded", "failed", "succeeded"]
    assert [run.get("result") for run in told] == [12.0, None, 4.0]
    assert "cell 2 of 3 (result = 12 / n) failed: ZeroDivisionError" in told[1]["error"]
    assert (Path(told[1]["folder"]) / "small.failed.ipynb").exists()
    assert Path(told[0]["folder"]).parent == folder / "out"
    more = fraktal("batch", small, "--sweep", "n=1,3,4", "--out", "out", "--json")
    assert [run["state"] for run in json.loads(more.stdout)] == ["skipped", "skipped", "succeeded"]
    anew = fraktal("batch", small, "-p", "n", 4, "--out", "out", "--again", "--json")
    assert [run["state"] for run in json.loads(anew.stdout)] == ["succeeded"]
    told = fraktal("batch", small, "-p", "n", 0, "--out", "out")
    assert told.returncode == 1 and told.stdout.startswith("failed: small.ipynb: cell 2 of 3")


def test_ctrl_c_stops_all_kernels_and_keeps_nothing(folder, tmp_path, small):
    """The process ends with 130, the kernels with it, and no result is there."""
    cells = json.loads((folder / small).read_text())
    pids = folder / "pids"
    pids.mkdir()
    cells["cells"][1]["source"] = (
        f"import os, pathlib, time\npathlib.Path({str(pids)!r}, str(os.getpid())).touch()\n"
        "time.sleep(600)"
    )
    (folder / small).write_text(json.dumps(cells))
    with subprocess.Popen(
        [*COMMAND, "batch", small, "--sweep", "n=1,2,3", "--jobs", "2", "--out", "out"],
        cwd=folder,
        env={**os.environ, "FRAKTAL_DATA": str(tmp_path / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        eventually(lambda: len(os.listdir(pids)) == 2)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors and out == ""
    eventually(lambda: all(ended(int(pid)) for pid in os.listdir(pids)))
    assert not list((folder / "out").rglob("*.ipynb"))


def test_the_parameters_of_a_notebook_are_listed(fraktal, small):
    """Names, types, defaults and comments come from the parameters cell."""
    told = fraktal("batch", small, "--list").stdout
    assert "by what to divide" in told and "a whole number" in told
    assert json.loads(fraktal("batch", small, "--list", "--json").stdout)[1]["name"] == "words"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["-p", "m", "3"], "no parameter named 'm'; there are: n, words"),
        (["-p", "word", "3"], "no parameter named 'word'; did you mean 'words'"),
        (["-p", "n", "three"], "n: given 'three', expected a whole number"),
        (["-p", "n", "nan"], "n: given 'nan', expected a whole number"),
        (["-p", "n", "NaN"], "n: given"),
        (["-p", "words", "3"], "words: given 3, expected a list"),
        (["-p", "n"], "-p: expected a name and a value"),
        (["-p", "n", "1", "-p", "n", "2"], "given twice"),
        (["-p", "n", "1", "--sweep", "n=1,2"], "both given and swept"),
        (["--sweep", "n"], "expected NAME=V1,V2"),
        (["--sweep", "n="], "no values"),
        (["--sweep", "n=[1"], "expected a JSON list"),
        (["--sweep", "n=1,x"], "n: given 'x'"),
        (["--sweep", "n=1", "--sweep", "n=2"], "given twice"),
        (["--width", "3"], "expected -p NAME VALUE"),
        (["--jobs", "0"], "--jobs: given '0'"),
        (["--out", "/proc/there"], "--out /proc/there"),
        (["--out", "small.ipynb"], "--out small.ipynb"),
        (["--out", "nosuchthing://x"], "nosuchthing"),
    ],
)
def test_bad_input_is_refused_before_a_kernel_starts(fraktal, folder, small, words, part):
    """Exit code 2, one sentence, nothing written."""
    done = fraktal("batch", small, *words)
    assert done.returncode == 2, done.stderr
    assert part in one_sentence(done)
    assert os.listdir(folder) == ["small.ipynb"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("missing.ipynb", None), ("x.txt", "{}"), ("broken.ipynb", "{"), ("empty.ipynb", "")],
)
def test_what_is_no_notebook_is_refused(fraktal, folder, name, text):
    """The sentence names the file."""
    if text is not None:
        (folder / name).write_text(text)
    done = fraktal("batch", name)
    assert done.returncode == 2 and name in one_sentence(done)


def test_users_are_added_and_get_passwords(fraktal):
    """A password is read from the terminal or the standard input, never from the words."""
    assert fraktal("user", "add", "ada", "--stdin", stdin="correct horse\n").returncode == 0
    assert fraktal("user", "add", "bob", "--admin", "--stdin", stdin="battery staple\n").stdout
    people = json.loads(fraktal("user", "list", "--json").stdout)
    assert {p["name"]: p["is_admin"] for p in people}.items() >= {"ada": False, "bob": True}.items()
    twice = fraktal("user", "add", "ada", "--stdin", stdin="correct horse\n")
    assert twice.returncode != 0 and "ada" in one_sentence(twice)
    short = fraktal("user", "add", "eve", "--stdin", stdin="x\n")
    assert short.returncode == 2 and "password" in one_sentence(short)
    assert fraktal("user", "password", "ada", "--stdin", stdin="a new password\n").returncode == 0
    nobody = fraktal("user", "password", "ads", "--stdin", stdin="a new password\n")
    assert nobody.returncode == 2 and "did you mean 'ada'" in one_sentence(nobody)


def test_a_token_is_shown_once_and_can_be_revoked(fraktal):
    """The list never shows the secret."""
    made = fraktal("token", "create", "nightly", "--scope", "read", "--scope", "jobs:fractal.*")
    secret = made.stdout.strip()
    assert secret.startswith("fk_") and "cannot be shown again" in made.stderr
    listed = fraktal("token", "list", "--json").stdout
    assert secret not in listed
    (token,) = json.loads(listed)
    assert token["scopes"] == ["jobs:fractal.*", "read"] and token["revoked_at"] is None
    assert fraktal("token", "revoke", token["id"]).returncode == 0
    assert json.loads(fraktal("token", "list", "--json").stdout)[0]["revoked_at"]
    assert fraktal("token", "revoke", 99).returncode == 2
    wrong = fraktal("token", "create", "x", "--scope", "everything")
    assert wrong.returncode == 2 and "everything" in one_sentence(wrong)
