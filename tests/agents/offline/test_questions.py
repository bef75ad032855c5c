"""What the workbench answers itself, on a real journal with real workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraktal_kernel import Workbench
from fraktal_kernel.agents.offline import Answer, answer, understand
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.errors import Conflict, InvalidInput, JobFailed, NotFound
from tests.cli.terminal import eventually


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Open a workspace in which one job is done, one failed and one waits for an answer."""
    folder = tmp_path_factory.mktemp("asked")
    with Workbench.open(
        data=folder / "data", workers=1, capability_modules=["tests.capabilities"]
    ) as opened:
        assert opened.submit("fractal.render", width=32, height=24).wait(timeout_s=240)
        failing = opened.submit("test.fail", kind="input", file=str(folder / "tries"))
        with pytest.raises(JobFailed):
            failing.wait(timeout_s=240)
        asking = opened.submit("test.ask", what="Deploy?")
        eventually(lambda: asking.state in ("waiting", "failed"))
        yield opened


def ask(text: str, workbench: Workbench) -> Answer:
    """Understand a question and have it answered."""
    found = understand(text, capabilities)
    assert found.kind == "question", found
    assert found.capability is not None
    return answer(found.capability, dict(found.arguments), workbench, found.language)


def test_jobs_are_counted_and_named(workbench: Workbench) -> None:
    """How many failed today is a number, and which they are stands behind it."""
    failed = ask("how many jobs failed today?", workbench)
    assert failed.data == {"count": 1, "jobs": [2]}
    assert failed.reply.startswith("1 failed job: 2 test.fail") and "nonsense" in failed.reply
    assert ask("what is running?", workbench).reply == "No running jobs."
    assert ask("ile zadań jest w kolejce?", workbench).reply == "Zadania w kolejce: 0."
    assert ask("list my jobs", workbench).data["jobs"] == [3, 2, 1]
    assert ask("how many jobs failed yesterday?", workbench).data["count"] == 0
    assert ask("show failed jobs of the last 3 days", workbench).data["count"] == 1
    assert ask("which jobs wait for an answer?", workbench).data["jobs"] == [3]


def test_one_job_is_told_about(workbench: Workbench) -> None:
    """Why it failed, what it asks, and what it wrote."""
    assert "expected sense" in ask("why did job 2 fail?", workbench).reply
    assert "Deploy? [yes/no]" in ask("what is job 3 doing?", workbench).reply
    assert "steps" in ask("show me the log of job 1", workbench).reply
    assert ask("did the last job fail?", workbench).data["id"] == 3
    with pytest.raises(NotFound, match="77"):
        ask("cancel job 77", workbench)


def test_results_come_with_their_files(workbench: Workbench) -> None:
    """The last picture can be read; a film that nobody made is not made up."""
    shown = ask("show me the last picture", workbench)
    (picture,) = shown.artifacts
    assert picture.name == "picture.png" and shown.data["job"] == 1
    assert ask("where is my last film?", workbench).artifacts == ()
    assert ask("pokaż wynik zadania 1", workbench).data["job"] == 1


def test_what_there_is_is_listed(workbench: Workbench) -> None:
    """Capabilities, and the choices of their parameters, nested ones too."""
    assert "fractal.film" in ask("what can you do?", workbench).data
    palettes = ask("which palettes are there?", workbench)
    assert "ember" in palettes.reply
    assert "burning_ship" in ask("what formulas are there?", workbench).reply
    told = ask("how do I make a poster?", workbench)
    assert told.data["name"] == "fractal.poster" and "width" in told.reply
    assert ask("is everything ok?", workbench).data["database"] == "ok"


def test_a_job_is_acted_on_when_its_state_allows(workbench: Workbench) -> None:
    """Answer, retry and cancel do what the journal allows, and say so where it does not."""
    with pytest.raises(Conflict):
        ask("retry job 1", workbench)
    assert ask("answer yes to job 3", workbench).reply == "Job 3 was answered 'yes'."
    assert ask("retry job 2", workbench).reply == "Job 2 is queued again."
    assert workbench.job(2).wait(timeout_s=240) == 2  # its second try
    cancelled = ask("anuluj zadanie 3", workbench)
    assert cancelled.reply == "Anuluję zadanie 3."


def test_a_question_that_is_none_is_refused(workbench: Workbench) -> None:
    """A name that is no question, or arguments that do not fit, do nothing."""
    with pytest.raises(NotFound):
        answer("fractal.render", {}, workbench)
    with pytest.raises(InvalidInput):
        answer("workbench.jobs", {"state": "happy"}, workbench)


def test_the_questions_have_names_of_their_own(tmp_path: Path) -> None:
    """No registered capability is hidden by a question."""
    from fraktal_kernel.agents.offline.questions import questions

    assert not set(questions) & set(capabilities)
