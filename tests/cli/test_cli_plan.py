"""``fraktal plan``, as the page about plans tells it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.cli.terminal import eventually, one_sentence

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plans.md"


def example() -> str:
    """Read the plan that the page shows."""
    found = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_of_the_page_runs(served, folder):
    """It asks its question, takes the answer, and gives what the page says."""
    (folder / "views.yaml").write_text(example())
    words = ("plan", "run", "views.yaml", "-p", "width=100", "-p", "scenes=[seahorse]", "--json")
    submitted = served(*words)
    assert submitted.returncode == 0, submitted.stderr
    job = json.loads(submitted.stdout)["id"]

    def node(name):
        drawn = json.loads(served("plan", "show", job, "--json").stdout)
        return next(each for each in drawn["nodes"] if each["id"] == name)

    eventually(lambda: node("good")["waits_for"] == "question")
    shown = served("plan", "show", job)
    assert shown.returncode == 0 and "waiting (question)" in shown.stdout
    assert "plan 'two views', job" in shown.stdout and "draw" in shown.stdout
    assert served("jobs", "answer", node("good")["jobs"][0], "yes").returncode == 0
    assert served("jobs", "watch", job).returncode == 0
    steps = json.loads(served("jobs", "show", job, "--json").stdout)["result"]["steps"]
    assert [each["width_px"] for each in steps["draw"]["result"]] == [100]
    assert [each["width_px"] for each in steps["large"]["result"]] == [640]


def test_a_plan_that_failed_is_gone_on_with(served, folder):
    """Its end is shown with an exit code; going on keeps what was done."""
    (folder / "tries.yaml").write_text(
        "steps:\n"
        "- {id: a, capability: test.echo}\n"
        "- id: b\n"
        "  capability: test.fail\n"
        f"  params: {{file: '{folder / 'tries'}', kind: input}}\n"
        "  after: [a]\n"
    )
    waited = served("plan", "run", "tries.yaml", "--wait")
    assert waited.returncode == 1 and "step 'b' failed" in waited.stderr
    job = int(re.search(r"plan 'tries', job (\d+): failed", waited.stdout)[1])
    assert served("plan", "resume", job).stdout == f"job {job} goes on.\n"
    assert served("jobs", "watch", job).returncode == 0
    shown = json.loads(served("plan", "show", job, "--json").stdout)
    assert [node["attempts"] for node in shown["nodes"]] == [1, 1]
    late = served("plan", "resume", job)
    assert late.returncode == 1 and "only a failed or cancelled job" in one_sentence(late)


def test_bad_plans_are_one_sentence(fraktal, folder):
    """No file, no plan, no capability, no input, no server to wait for: nothing is queued."""
    (folder / "bad.yaml").write_text("steps:\n- {id: a, capability: fractal.rendr}\n")
    (folder / "asks.yaml").write_text("steps:\n- {id: a, ask: '${inputs.what}?'}\n")
    for words, said in (
        (["bad.yaml"], "did you mean 'fractal.render'?"),
        (["asks.yaml", "-p", "what=a", "-p", "what=b"], "given twice"),
        (["asks.yaml", "-p", "what=[1"], "-p what, line 1"),
    ):
        refused = fraktal("plan", "run", *words)
        assert refused.returncode == 2 and said in one_sentence(refused)
    assert json.loads(fraktal("jobs", "--json").stdout) == []
    queued = fraktal("plan", "run", "asks.yaml", "-p", "what=x")
    assert "is job 1; it starts when a server runs: fraktal serve" in queued.stdout
    refused = fraktal("plan", "run", "asks.yaml", "-p", "what=x", "--wait")
    assert refused.returncode == 1 and "fraktal serve" in one_sentence(refused)
