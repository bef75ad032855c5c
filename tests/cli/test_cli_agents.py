"""``fraktal agent``: what a person types, and what they read when it cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.terminal import COMMAND, Fraktal, eventually, one_sentence


def server_of(data: Path) -> tuple[str, str]:
    """Read where the server is, and its secret."""
    found = json.loads((data / "server.json").read_text())
    return found["url"], found["token"]


@contextmanager
def started(data: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start an agent and wait until it says that it is online."""
    with subprocess.Popen(
        [*COMMAND, "agent", "start", *words],
        env={**os.environ, "FRAKTAL_DATA": str(data), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "is online at http" in line, line + process.stderr.read()
            yield process
        finally:
            process.kill()


SOMEWHERE = ("--server", "http://127.0.0.1:1", "--token", "fk_x")
MODULES = {"FRAKTAL_CAPABILITY_MODULES": '["tests.capabilities"]'}


def test_an_agent_is_started_listed_and_drained(served: Fraktal, served_data: Path) -> None:
    """On this machine and, with an address and a token, from another workspace."""
    url, _ = server_of(served_data)
    done = served("token", "create", "far", "--scope", "agent:test.*")
    far = {"FRAKTAL_TOKEN": done.stdout.strip(), **MODULES}
    elsewhere = served_data.parent / "elsewhere"
    with (
        started(served_data, "--name", "near", "--offers", "test.echo", "--slots", "1", **MODULES),
        started(elsewhere, "--name", "far", "--offers", "test.*", "--server", url, **far) as away,
    ):
        listed = json.loads(served("agent", "list", "--json").stdout)
        mine = {each["name"]: each for each in listed}
        assert {mine[name]["state"] for name in ("near", "far")} == {"online"}
        assert mine["near"]["capabilities"] == ["test.echo"]
        done = served("submit", "test.echo", "--text", "hi", "--agent", "far", "--json")
        job = json.loads(done.stdout)["id"]

        def shown() -> dict[str, object]:
            found: dict[str, object] = json.loads(served("jobs", "show", job, "--json").stdout)
            return found

        eventually(lambda: shown()["state"] == "succeeded")
        assert shown()["ran_on"] == "far"
        table = served("agent", "list").stdout
        assert "near" in table and "draining" not in table
        done = served("agent", "drain", "far")
        assert (done.returncode, done.stderr) == (0, "")
        assert away.wait(120) == 0
    assert "agent 'far' is offline" in one_sentence(served("agent", "drain", "far"))
    assert "start it again" in one_sentence(served("agent", "resume", "far"))
    assert "did you mean 'near'" in one_sentence(served("agent", "drain", "neat"))


def test_ctrl_c_ends_an_agent(served: Fraktal, served_data: Path) -> None:
    """In order, and the server knows at once."""
    with started(served_data, "--name", "brief", "--slots", "1", **MODULES) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    listed = json.loads(served("agent", "list", "--json").stdout)
    assert {each["name"]: each["state"] for each in listed}["brief"] == "offline"


def test_an_agent_that_is_not_wanted_says_why(served: Fraktal, served_data: Path) -> None:
    """A wrong token, a token for something else, and a name that is taken."""
    url, secret = server_of(served_data)
    there = ("agent", "start", "--server", url, "--offers", "test.*", "--token")
    done = served(*there, "fk_wrong")
    assert done.returncode == 1 and "refused the line (HTTP 403)" in one_sentence(done)
    token = served("token", "create", "small", "--scope", "agent:test.echo").stdout.strip()
    done = served(*there, token)
    assert done.returncode == 1 and "needs the scope 'agent:test.*'" in one_sentence(done)
    with started(served_data, "--name", "one", "--slots", "1", **MODULES):
        done = served(*there, secret, "--name", "one")
        assert done.returncode == 1
        assert "an agent named 'one' is online already" in one_sentence(done)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 1, "no server runs this workspace"),
        (["--token", "fk_x"], 2, "--token: given without --server"),
        (["--server", "example.org", "--token", "fk_x"], 2, "--server: given 'example.org'"),
        (["--server", "http://127.0.0.1:1"], 2, "--server needs a token"),
        (["--offers", "nothing.*", *SOMEWHERE], 2, "matches no capability here"),
        (["--name", "a b", *SOMEWHERE], 2, "name: given 'a b'"),
        (["--slots", "0"], 2, "--slots: given '0'"),
    ],
)
def test_what_cannot_be_started_is_refused(
    fraktal: Fraktal, words: list[str], code: int, sentence: str
) -> None:
    """With one sentence, before anything is done."""
    done = fraktal("agent", "start", *words)
    assert done.returncode == code
    assert sentence in one_sentence(done)


def test_there_may_be_no_agents(fraktal: Fraktal) -> None:
    """The list says how to get one."""
    assert fraktal("agent", "list").stdout == "No agents yet; fraktal agent start makes one.\n"
    assert fraktal("agent", "list", "--json").stdout == "[]\n"
    assert "there is no agent 'x'" in one_sentence(fraktal("agent", "drain", "x"))
