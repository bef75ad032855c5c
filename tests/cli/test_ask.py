"""``fraktal ask``: one sentence at a terminal, with a server and without one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

from tests.cli.terminal import COMMAND, one_sentence


def test_what_is_understood_is_printed_and_nothing_is_done(fraktal, tmp_path: Path):
    """``--json`` names the capability and its arguments, and leaves no workspace behind."""
    done = fraktal(
        *("ask", "--json"), "render the seahorse valley at 1920x1080 with the fire palette"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kind"] == "call" and found["capability"] == "fractal.render"
    assert found["arguments"] == {
        "scene": "seahorse_valley",
        "width": 1920,
        "height": 1080,
        "palette": "ember",
    }
    assert found["confidence"] > 0.5 and found["reply"]
    assert not (tmp_path / "data").exists()


def test_words_become_a_job_that_is_watched(fraktal, tmp_path: Path):
    """Without a server, too, the job is done, its file named, and the journal knows of it."""
    done = fraktal("ask", "draw", "the", "elephant,", "32x24")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("picture.png (") and "elephant" in done.stderr
    shown = json.loads(fraktal("jobs", "show", 1, "--json").stdout)
    assert shown["state"] == "succeeded" and shown["params"]["width"] == 32
    asked = fraktal("ask", "show me the last picture")
    assert asked.stdout == "Job 1 fractal.render succeeded: picture.png.\n"


def test_what_cannot_be_done_is_one_sentence(fraktal):
    """Missing, impossible and wrong alike: exit code 2, and no job."""
    for words, says in (
        ("send an e-mail to Bob", "I cannot do that"),
        ("uruchom notatnik", "Którego pliku mam użyć?"),
        ("run the notebook nowhere.ipynb", "nowhere.ipynb"),
    ):
        done = fraktal("ask", words)
        assert done.returncode == 2 and says in one_sentence(done)
    assert "No jobs yet" in fraktal("jobs").stdout


def test_a_server_does_what_is_asked(served):
    """Where a server runs, the job is its own."""
    done = served("ask", "draw the clover, 16 by 12")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("picture.png")
    listed = served("ask", "what can you do?")
    assert "fractal.poster" in listed.stdout
    counted = served("ask", "how many jobs failed today?")
    assert counted.returncode == 0, counted.stderr
    assert "No" in counted.stdout


def test_somebody_at_the_terminal_is_asked_back(tmp_path: Path):
    """The question stands on the screen, the answer is typed, and the job is done."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "ask", "run", "a", "notebook"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FRAKTAL_DATA": str(tmp_path / "data")},
    ) as process:
        os.close(theirs)
        os.write(ours, b"nowhere.ipynb\n")
        _, errors = process.communicate(timeout=240)
    os.close(ours)
    assert "Which file should I use?" in errors
    assert process.returncode == 2 and "nowhere.ipynb" in errors
