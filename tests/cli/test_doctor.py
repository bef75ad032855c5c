"""``fraktal doctor`` tells what is there, what is broken and where each setting came from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.cli.doctor import masked
from fraktal_kernel.core.settings import Settings


def doctor(*words: str, **environment: object) -> subprocess.CompletedProcess[str]:
    """Type the command."""
    return subprocess.run(
        [sys.executable, "-m", "fraktal_kernel.cli", "doctor", *words],
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
    )


def found(report: dict[str, Any], name: str) -> dict[str, str]:
    """Pick one finding."""
    return next(item for item in report["installed"] + report["reachable"] if item["name"] == name)


def test_a_sound_workspace_is_ok_and_stays_untouched(tmp_path: Path) -> None:
    """On a new workspace all that is needed is ok, nothing is written, and the exit code is 0."""
    done = doctor("--json", FRAKTAL_DATA=tmp_path / "new")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True)
    assert found(report, "Fraktal")["text"].count("numpy") == 1
    assert found(report, "server")["advice"] == "fraktal up"
    assert not (tmp_path / "new").exists()


def test_a_card_is_said_to_be_of_use_or_why_not(tmp_path: Path) -> None:
    """Where the driver names a card, the line says whether fractals can be computed on it."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A card, 8 GiB, 580'\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "FRAKTAL_DATA": tmp_path / "new"}
    line = found(json.loads(doctor("--json", **environment).stdout), "GPU")
    assert line["text"].startswith("A card, 8 GiB, 580; ")
    usable = "fractals can be computed on" in line["text"]
    assert (line["state"], bool(line["advice"])) == (("ok", False) if usable else ("off", True))
    environment["NUMBA_ENABLE_CUDASIM"] = "1"
    line = found(json.loads(doctor("--json", **environment).stdout), "GPU")
    assert line["state"] == "ok" and line["text"].endswith("computed on CUDA simulator")


def test_every_setting_says_where_it_came_from(tmp_path: Path) -> None:
    """Each setting is listed with its value and its source: variable, file or default."""
    (tmp_path / "fraktal.toml").write_text("workers = 3\n")
    report = json.loads(doctor("--json", FRAKTAL_DATA=tmp_path, FRAKTAL_PORT=8099).stdout)
    lines = {line["name"]: (line["value"], line["source"]) for line in report["settings"]}
    assert set(lines) == set(Settings.model_fields)
    assert lines["port"] == ("8099", "environment FRAKTAL_PORT")
    assert lines["workers"] == ("3", f"file {tmp_path / 'fraktal.toml'}")
    assert lines["lab_port"] == ("8888", "default")


def test_what_is_broken_is_said_and_fails(tmp_path: Path) -> None:
    """A database that does not answer is broken, its password is masked, the exit code is 1."""
    url = "postgresql://ada:lovelace@127.0.0.1:1/fraktal"
    done = doctor("--json", FRAKTAL_DATA=tmp_path, FRAKTAL_DATABASE_URL=url)
    assert done.returncode == 1
    assert "lovelace" not in done.stdout + done.stderr
    assert found(json.loads(done.stdout), "database")["state"] == "broken"


def test_a_broker_that_is_gone_is_broken(tmp_path: Path) -> None:
    """A broker that is set and does not answer is broken, without its password; none is fine."""
    pytest.importorskip("faststream", reason="pip install 'fraktal[bus]'")
    sound = found(json.loads(doctor("--json", FRAKTAL_DATA=tmp_path).stdout), "broker")
    assert sound["state"] == "ok" and "the database carries messages" in sound["text"]
    url = "amqp://ada:lovelace@127.0.0.1:1/"
    done = doctor("--json", FRAKTAL_DATA=tmp_path, FRAKTAL_BUS=url)
    assert done.returncode == 1 and "lovelace" not in done.stdout + done.stderr
    line = found(json.loads(done.stdout), "broker")
    assert line["state"] == "broken" and "127.0.0.1:1 does not answer" in line["text"]


def test_a_scheduler_that_is_gone_is_broken(tmp_path: Path) -> None:
    """A Dask scheduler that is set and does not answer is broken, with what to do."""
    done = doctor("--json", FRAKTAL_DATA=tmp_path, FRAKTAL_DASK_SCHEDULER="tcp://127.0.0.1:1")
    assert done.returncode == 1
    scheduler = found(json.loads(done.stdout), "Dask scheduler")
    assert "FRAKTAL_DASK_SCHEDULER" in scheduler["advice"]


def test_a_wrong_setting_is_a_finding(tmp_path: Path) -> None:
    """A setting that cannot be read is told like anything else that is broken."""
    done = doctor(FRAKTAL_DATA=tmp_path, FRAKTAL_WORKERS="many")
    assert done.returncode == 1
    assert "FRAKTAL_WORKERS" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_table_shows_the_same(tmp_path: Path) -> None:
    """Without --json a person gets three tables and a last line with the verdict."""
    done = doctor(FRAKTAL_DATA=tmp_path)
    for title in ("Installed", "Reachable", "Settings"):
        assert title in done.stdout
    assert done.stdout.strip().endswith("Everything that is needed works.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("sqlite:////data/fraktal.db", "sqlite:////data/fraktal.db"),
        ("postgresql://ada:p@ss@db/fraktal", "postgresql://ada:***@db/fraktal"),
        ("s3://bucket?secret=hush&region=eu", "s3://bucket?secret=***&region=eu"),
        (
            {"key": "AK", "token": "t", "anon": False},
            "{'key': '***', 'token': '***', 'anon': False}",
        ),
        ({"client_kwargs": {"secret_key": "hush"}}, "{'client_kwargs': {'secret_key': '***'}}"),
    ],
)
def test_secrets_are_masked(value: object, shown: str) -> None:
    """Passwords in URLs and secrets in options, nested ones too, are never shown."""
    assert masked(value) == shown
