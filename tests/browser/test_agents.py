"""The agents page in a real browser, with agents that are processes of their own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from fraktal_kernel.core.jobs.model import JobOptions
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench
from fraktal_widgets import AgentMonitor
from fraktal_widgets.bridge import panel_component
from tests.browser.conftest import wait_for
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401
from tests.widgets.crew import Crew

Visit = Callable[..., Any]
Keep = Callable[..., Any]


def row(page: Any, name: str) -> Any:
    """Find the row of an agent."""
    return page.locator(f'.fk-agent[data-agent="{name}"]')


def test_agents_come_work_and_go(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """An empty page teaches the command; an agent appears by itself, works, fails, is lost."""
    page = visit("/agents", width=1440, height=1100)
    page.get_by_text("No agents yet").wait_for()
    keep_picture(page, "agents-empty-light")
    page.get_by_role("button", name="Copy").click()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("fraktal agent start --name ")

    agent = served.agent("gpu-box")
    here = row(page, "gpu-box")
    expect(here).to_have_attribute("data-state", "online")
    expect(here.locator(".fk-shape-online")).to_have_count(1)
    expect(here.locator(".fk-agent-word")).to_have_text("online, 0 of 1 busy")
    expect(here).to_contain_text(" ago")
    gate = tmp_path / "gate"
    options = JobOptions(agent="gpu-box")
    job = served.workbench.submit("test.gate", options=options, file=str(gate))
    gate.write_text("40")
    expect(here.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(here.get_by_role("link", name=f"Wait at a gate #{job.id}")).to_be_visible()
    expect(here.locator(".fk-agent-word")).to_have_text("online, 1 of 1 busy")
    keep_picture(page, "agents-working-light")
    gate.write_text("100")
    expect(here.locator(".fk-agent-now")).to_have_text("Idle.")
    bad = served.workbench.submit(
        "test.fail", options=options, kind="input", file=str(tmp_path / "tries")
    )
    task = page.locator(f'.fk-task[data-job="{bad.id}"]')
    expect(task).to_have_attribute("data-state", "failed")
    expect(task).to_contain_text("expected sense")
    expect(here).to_contain_text("1 (50 %)")
    done = page.locator(f'.fk-task[data-job="{job.id}"]')
    done.get_by_role("button", name="Details").click()
    expect(done).to_contain_text(str(gate))
    expect(done.get_by_label("Result")).to_contain_text("100")

    chart = page.locator(".fk-chart").first
    wait_for(lambda: "Last: gpu-box" in (chart.get_attribute("aria-label") or ""))
    keep_picture(page, "agents-1440-light", full_page=True)
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    keep_picture(page, "agents-1440-dark", full_page=True)

    box = chart.locator(".u-over").bounding_box()
    before = chart.locator(".u-over").evaluate("o => o.parentElement.textContent")
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 50, steps=4)
    page.mouse.up()
    reset = page.get_by_role("button", name="Show the whole time again")
    expect(reset).to_be_enabled()
    assert before is not None
    keep_picture(page, "agents-zoomed-dark")
    reset.click()
    expect(reset).to_be_disabled()

    agent.send_signal(signal.SIGKILL)
    expect(here).to_have_attribute("data-state", "offline")
    keep_picture(page, "agents-offline-dark")


def test_many_agents_at_every_width(
    open_page: Callable[..., Any],
    panel_server: Callable[[Any], str],
    tmp_path: Path,
    keep_picture: Keep,
) -> None:
    """Two hundred agents come in pages; filters, charts and an undone drain work everywhere."""
    with Workbench.open(
        data=tmp_path, workers=1, capability_modules=["tests.capabilities"]
    ) as bench:
        assert isinstance(bench, LocalWorkbench)
        crew = Crew(bench)
        try:
            for number in range(200):
                crew.join(f"agent-{number:03d}", "test.echo")
            crew.keep_beating()
            url = panel_server(lambda: panel_component(AgentMonitor(bench)))
            page = open_page(url, width=360, height=740, dark=True)
            expect(page.locator(".fk-agent")).to_have_count(50)
            overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(overflow) == 0
            for target in page.locator(".fk-agents :is(button, select, input)").all():
                box = target.bounding_box()
                assert box is None or max(box["height"], box["width"]) >= 32, target.inner_text()
            keep_picture(page, "agents-many-360-dark")
            page.get_by_role("button", name="Next").click()
            page.get_by_text("Page 2 of 4, 200 agents").wait_for()
            page.get_by_label("Filter agents").fill("agent-07")
            expect(page.locator(".fk-agent")).to_have_count(10)
            page.set_viewport_size({"width": 3840, "height": 2160})
            here = row(page, "agent-071")
            expect(here.locator(".fk-agent-word")).to_contain_text("online")
            keep_picture(page, "agents-many-3840-dark")
            page.set_viewport_size({"width": 820, "height": 1100})
            page.emulate_media(color_scheme="light")
            here.get_by_role("button", name="Drain").click()
            here.get_by_role("button", name="Undo").wait_for()
            keep_picture(page, "agents-many-820-light")
            here.get_by_role("button", name="Undo").click()
            here.get_by_role("button", name="Drain").wait_for()
            assert not crew.lines["agent-071"].draining
            here.get_by_role("button", name="Show only agent-071 in the charts").click()
            page.get_by_text("The charts show the agents that you picked").wait_for()
        finally:
            crew.close()


def test_the_notebook_opens_in_voila(jupyter: Any, open_page: Callable[..., Any]) -> None:
    """The same widget stands in a Voila page, and teaches there, too."""
    jupyter.copy("apps/agents.ipynb")
    page = open_page(jupyter.voila("agents.ipynb"))
    page.get_by_text("No agents yet").wait_for()
