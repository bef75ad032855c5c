"""The jobs panel in a real browser: it moves, and every button does what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import wait_for
from tests.browser.served_workbench import ServedWorkbench, run_notebook, served, visit  # noqa: F401

Visit = Callable[..., Any]
Keep = Callable[..., Any]


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """End what a test left running or waiting: the next one's panel shows its own jobs only."""
    yield
    if "served" in request.fixturenames:
        request.getfixturevalue("served").end_all()


def card(page: Any, job_id: int) -> Any:
    """Find the card of a job in the panel."""
    return page.locator(f'.fk-jobs .fk-job[data-job="{job_id}"]')


def in_state(page: Any, job_id: int, state: str) -> Any:
    """Wait until a job's card says its state, as a word and as a shape."""
    found = page.locator(f'.fk-jobs .fk-job[data-job="{job_id}"][data-state="{state}"]')
    found.wait_for()
    expect(found.locator(".fk-job-word")).to_have_text(
        {"waiting": "waiting for you"}.get(state, state)
    )
    expect(found.locator(f".fk-job-mark .fk-shape-{state}")).to_have_count(1)
    return found


def test_an_empty_panel_starts_the_first_job(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """Where there is nothing yet, one click makes the first job, and its picture appears."""
    page = visit(width=1440, height=900)
    page.get_by_text("No jobs yet").wait_for()
    keep_picture(page, "jobs-empty-light")
    page.get_by_role("button", name="Run the first one").click()
    page.locator('.fk-jobs .fk-job[data-state="succeeded"]').wait_for(timeout=120_000)
    page.locator(".fk-jobs .fk-picture").wait_for()
    size = page.locator(".fk-jobs .fk-picture").evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert size == [320, 200]


def test_progress_moves_without_a_reload(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """Share, words and bar follow the work; the top bar counts it."""
    page = visit(width=1440, height=900)
    gate = tmp_path / "gate"
    job = served.workbench.submit("test.gate", file=str(gate))
    running = in_state(page, job.id, "running")
    bar = running.get_by_role("progressbar")
    for percent in (10, 20, 30, 40, 50):
        gate.write_text(str(percent))
        expect(bar).to_have_attribute("aria-valuenow", str(percent))
        expect(running.locator(".fk-job-message")).to_have_text(f"{percent} of 100")
    expect(running.locator(".fk-job-times")).to_contain_text("left")
    page.get_by_label("1 job running").wait_for()
    keep_picture(page, "jobs-running-light")
    gate.write_text("100")
    done = in_state(page, job.id, "succeeded")
    expect(done.locator(".fk-job-times")).to_contain_text("took")
    assert str(job.refresh().ended_at.year) in done.locator(".fk-job-times").get_attribute("title")


def test_a_job_is_cancelled_and_tried_again(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
) -> None:
    """Cancel stops the work; Retry, where Cancel stood, begins it anew."""
    page = visit()
    job = served.workbench.submit("test.sleep")
    in_state(page, job.id, "running")
    card(page, job.id).get_by_role("button", name="Cancel").click()
    in_state(page, job.id, "cancelled")
    card(page, job.id).get_by_role("button", name="Retry").click()
    in_state(page, job.id, "running")
    card(page, job.id).get_by_role("button", name="Cancel").click()
    in_state(page, job.id, "cancelled")


def test_a_question_is_answered_with_a_click(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Keep,
) -> None:
    """A waiting job stands out, in the panel and in the top bar, until it is answered."""
    page = visit(width=1440, height=900, dark=True)
    job = served.workbench.submit("test.ask", what="Shall the oven go on?")
    waiting = in_state(page, job.id, "waiting")
    page.get_by_label("1 job waits for your answer").wait_for()
    waiting.scroll_into_view_if_needed()
    keep_picture(page, "jobs-waiting-dark")
    group = page.get_by_role("group", name=f"Question of job {job.id}")
    expect(group).to_contain_text("Shall the oven go on?")
    group.get_by_role("button", name="yes").click()
    expect(group).to_contain_text("Sure?")
    group.get_by_role("button", name="no").click()
    in_state(page, job.id, "succeeded")
    assert job.wait(60) == {"before": "ready", "first": "yes", "second": "no"}


def test_details_show_parameters_log_and_files(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
) -> None:
    """An opened card tells what was asked, said and made; the file comes from our own server."""
    job = served.workbench.submit("test.echo", text="grüß Gott <b>")
    job.wait(60)
    page = visit(f"/#job-{job.id}")  # a link opens the card
    found = in_state(page, job.id, "succeeded")
    found.get_by_role("log").get_by_text("heard grüß Gott <b>").wait_for()
    assert found.get_by_role("button", name="Details").get_attribute("aria-expanded") == "true"
    with page.context.expect_page() as opened:
        found.get_by_role("link", name="echo.txt").click()
    opened.value.wait_for_load_state()
    answer = page.request.get(f"{served.url}/api/jobs/{job.id}/artifacts/echo.txt")
    assert answer.text() == "grüß Gott <b>"


def test_a_failed_job_says_why(visit: Visit, served: ServedWorkbench, tmp_path: Path) -> None:  # noqa: F811
    """The error stands on the card, in words."""
    job = served.workbench.submit("test.fail", kind="input", file=str(tmp_path / "tries"))
    page = visit()
    expect(in_state(page, job.id, "failed")).to_contain_text("expected sense")


def test_the_list_is_filtered_by_state(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Each filter shows its states only, and says what is missing where there is nothing."""
    good = served.workbench.submit("test.echo")
    bad = served.workbench.submit("test.fail", kind="input", file=str(tmp_path / "tries"))
    good.wait(60)
    page = visit()
    in_state(page, good.id, "succeeded")
    in_state(page, bad.id, "failed")
    page.get_by_role("button", name="Failed", exact=True).click()
    card(page, good.id).wait_for(state="hidden")
    card(page, bad.id).wait_for()
    page.get_by_role("button", name="Waiting", exact=True).click()
    page.get_by_text("No job waits for an answer").wait_for()
    page.get_by_role("button", name="All", exact=True).click()
    card(page, good.id).wait_for()


def test_what_finished_while_away_is_told_once(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
) -> None:
    """Whoever comes back hears what has ended meanwhile, and not a second time."""
    served.workbench.submit("test.echo").wait(60)
    page = visit()
    page.locator(".fk-jobs .fk-job").first.wait_for()
    wait_for(lambda: page.evaluate("Number(localStorage.getItem('fk-jobs-seen'))") > 1)
    expect(page.locator(".fk-away")).to_be_hidden()
    page.goto("about:blank")
    served.workbench.submit("test.echo").wait(60)
    served.workbench.submit("test.echo").wait(60)
    page.goto(served.url)
    page.get_by_text("While you were away: 2 jobs succeeded.").wait_for()
    page.get_by_role("button", name="Got it").click()
    page.reload()
    page.locator(".fk-jobs .fk-job").first.wait_for()
    wait_for(lambda: page.locator(".fk-jobs .fk-job").count() >= 3)
    assert not page.locator(".fk-away").is_visible()


def test_updates_keep_the_focus(visit: Visit, served: ServedWorkbench, tmp_path: Path) -> None:  # noqa: F811
    """While a job moves, the button that has the focus keeps it; other jobs do not take it."""
    page = visit()
    gates = tmp_path / "own", tmp_path / "other"
    job, other = (served.workbench.submit("test.gate", file=str(gate)) for gate in gates)
    in_state(page, job.id, "running")
    in_state(page, other.id, "running")
    button = card(page, job.id).get_by_role("button", name="Details")
    button.focus()
    for moving, gate in ((other, gates[1]), (job, gates[0])):
        gate.write_text("100")
        in_state(page, moving.id, "succeeded")
        assert button.evaluate("b => b.getRootNode().activeElement === b")


def test_the_panel_lives_in_a_notebook(
    jupyter: Any, open_page: Callable[..., Any], keep_picture: Keep
) -> None:
    """In JupyterLab the same panel follows a workbench inside the kernel."""
    jupyter.write(
        "jobs.ipynb",
        "import os, tempfile\n"
        "from fraktal_kernel import Workbench\n"
        "from fraktal_widgets import JobsPanel\n"
        "wb = Workbench.open(data=tempfile.mkdtemp(), workers=1)\n"
        "job = wb.submit('fractal.render', scene='elephant', width=480, height=320)\n"
        "JobsPanel(wb)",
    )
    page = open_page(jupyter.lab("jobs.ipynb"), width=1280, height=800)
    run_notebook(page)
    page.locator('.fk-jobs .fk-job[data-state="succeeded"]').wait_for(timeout=120_000)
    page.locator(".fk-jobs .fk-picture").wait_for()
    page.locator(".fk-jobs").get_by_role("button", name="Details").click()
    with page.expect_download() as coming:
        page.locator(".fk-jobs .fk-files button").click()
    assert coming.value.suggested_filename == "picture.png"
    keep_picture(page, "jobs-lab-light")
