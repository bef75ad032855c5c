"""``fraktal approvals``: the whole of what is asked, and the answers."""

from __future__ import annotations

import json

from tests.cli.terminal import eventually, one_sentence
from tests.system.serving import workers_of


def test_what_waits_is_shown_whole_and_answered(served, folder):
    """The arguments stand there as they are; changed, approved, denied, and refused."""
    deeds = json.dumps([{"file": str(folder / "a"), "text": t} for t in ("one", "two")])
    submitted = served("submit", "test.errand", "--deeds", deeds, "--json")
    job = json.loads(submitted.stdout)["id"]

    def asked():
        found = json.loads(served("approvals", "list", "--json").stdout)
        return [each for each in found if each["params"].get("file") == str(folder / "a")]

    eventually(lambda: len(asked()) == 2)
    one, two = sorted(asked(), key=lambda each: each["params"]["text"])
    shown = served("approvals").stdout
    assert f"fraktal approvals approve|deny {one['id']}" in shown and "a butler" in shown
    assert '"text": "one"' in " ".join(shown.split())
    assert "expected NAME=VALUE" in one_sentence(
        served("approvals", "approve", one["id"], "--set", "text")
    )
    wrong = served("approvals", "approve", one["id"], "--set", "txet=1")
    assert wrong.returncode == 2 and "did you mean" in one_sentence(wrong)
    approved = served("approvals", "approve", one["id"], "--set", "text=less")
    assert "is approved and queued" in approved.stdout and '"text": "less"' in approved.stderr
    denied = served("approvals", "deny", two["id"], "--note", "enough", "--json")
    assert json.loads(denied.stdout)["state"] == "denied"
    assert served("jobs", "watch", job).returncode == 0
    result = json.loads(served("jobs", "show", job, "--json").stdout)["result"]
    assert result[0] == "succeeded less" and result[1].endswith(": enough")
    late = served("approvals", "deny", one["id"])
    assert late.returncode == 1 and "its job has begun" in one_sentence(late)
    assert asked() == []
    assert "denied by" in served("approvals", "list", "--all").stdout


def test_what_is_in_doubt_is_shown_with_its_arguments(served, served_data, folder):
    """Whoever is asked whether it happened reads what, and to what, beside the question."""
    file, gate = folder / "doubted", folder / "gate"
    words = ("test.deed", "--file", file, "--after", gate, "--text", "doubted")
    job = json.loads(served("submit", *words, "--json").stdout)["id"]
    eventually(lambda: gate.with_suffix(".reached").exists())
    for worker in workers_of(json.loads((served_data / "server.json").read_text())["pid"]):
        worker.kill()
    eventually(lambda: "Did it happen?" in served("approvals", "list", "--json").stdout)
    assert {"ever:", "test.deed", '"doubted",'} <= set(served("approvals").stdout.split())
    served("jobs", "answer", job, "it happened")
    assert json.loads(served("jobs", "show", job, "--json").stdout)["state"] == "succeeded"
