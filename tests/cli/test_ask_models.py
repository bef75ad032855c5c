"""``fraktal ask`` with a language model: a turn of the chat, or what it would be."""

from __future__ import annotations

import json
from pathlib import Path

from tests.agents.scripted import Call, Status, says, scripted, turns
from tests.cli.terminal import command

CHOICE = Call("fractal-render", {"scene": "elephant", "width": 24, "height": 16})


def test_a_turn_is_told_and_its_answer_printed(tmp_path: Path, folder: Path) -> None:
    """The answer alone goes to the output; calls, and who answered, are told beside it."""
    with scripted(turns((CHOICE,), ("Here is the elephant.",))) as server:
        models = json.dumps([server.spec, "offline"])
        fraktal = command(tmp_path / "data", folder, FRAKTAL_MODELS=models, FRAKTAL_WORKERS="1")
        done = fraktal("ask", "draw the elephant, small")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "Here is the elephant.\n"
        assert "fractal.render: succeeded." in done.stderr
        assert f"answered by {server.spec}" in done.stderr
        assert "gave before" not in done.stderr
        server.script = says("Good morning.")
        assert "gave before" not in fraktal("ask", "good morning").stderr
        asked = len(server.asked)
        assert "an answer that it gave before" in fraktal("ask", "good morning").stderr
        assert len(server.asked) == asked
        server.script = says(Status(500))
        again = fraktal("ask", "hello")
    assert again.stdout.startswith("Hello!")
    assert "did not answer (its server answered with status 500)" in again.stderr


def test_what_a_model_would_do_is_printed_and_not_done(tmp_path: Path, folder: Path) -> None:
    """``--json`` asks the model once, and leaves no workspace behind."""
    with scripted(says("I would draw.", CHOICE)) as server:
        models = json.dumps([server.spec])
        fraktal = command(tmp_path / "data", folder, FRAKTAL_MODELS=models)
        done = fraktal("ask", "--json", "draw the elephant, small")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["capability"] == "fractal.render" and found["model"] == server.spec
        assert found["arguments"] == CHOICE.arguments and found["reply"] == "I would draw."
        assert len(server.asked) == 1 and not (tmp_path / "data").exists()
        server.script = says(Status(429))
        refused = fraktal("ask", "--json", "draw")
    assert refused.returncode != 0 and "too many requests" in refused.stderr
    assert "Traceback" not in refused.stderr
