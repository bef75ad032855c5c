"""Chat, plan, approvals and agents as widgets of one notebook, in JupyterLab and in Voila."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import wait_for
from tests.browser.test_explorer_jupyter import idle, run_cell

ROOT = Path(__file__).parents[2]
WIDGETS = (".fk-chat", ".fk-plan", ".fk-approvals", ".fk-agents")


def cell(data: Path) -> str:
    """Write a cell that runs a plan which needs a yes, and shows all that has to do with it."""
    return f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from IPython.display import display
from fraktal_kernel import Workbench
from fraktal_kernel.core.settings import load_settings
from fraktal_widgets import AgentMonitor, ApprovalsPanel, ChatPanel, PlanView
wb = Workbench.open(load_settings(data={str(data)!r}, workers=1, capability_modules=["tests.capabilities"]))
job = wb.submit("plan.run", plan={{"name": "a deed", "steps": [
    {{"id": "first", "capability": "test.echo", "params": {{"text": "x"}}}},
    {{"id": "deed", "capability": "test.deed", "params": {{"file": {str(data / "deeds")!r}}}, "after": ["first"]}},
]}})
display(ChatPanel(wb), PlanView(job, wb), ApprovalsPanel(wb), AgentMonitor(wb))
"""  # noqa: E501


def test_all_four_in_jupyterlab(
    jupyter: Any, open_page: Callable[..., Any], keep_picture: Any, tmp_path: Path
) -> None:
    """A message is answered and a deed approved where the notebook stands, in the dark too."""
    jupyter.write("crew.ipynb", cell(tmp_path / "lab"))
    page = open_page(jupyter.lab("crew.ipynb"), width=1440, height=2400, dark=True)
    idle(page)
    run_cell(page)
    for widget in WIDGETS:
        page.locator(widget).first.wait_for()
    page.get_by_label("Message", exact=True).fill("render the seahorse valley at 160x100")
    page.keyboard.press("Enter")
    answer = page.locator('.fk-message[data-role="assistant"][data-state="done"]')
    answer.locator(".fk-picture").wait_for()
    approve = page.locator(".fk-approvals").get_by_role("button", name="Approve")
    approve.wait_for()
    keep_picture(page, "crew-lab-dark")
    # The widgets share a page, and the last one's style sheet is behind the chat's.
    expect(page.locator(".fk-chat-unfold")).to_be_hidden()
    message, chat = (page.locator(name).bounding_box() for name in (".fk-say", ".fk-chat"))
    assert message["x"] > chat["x"] + chat["width"] / 2
    approve.click()
    wait_for((tmp_path / "lab" / "deeds").exists)
    expect(page.locator(".fk-plan")).not_to_contain_text("waiting")


def test_all_four_in_voila(
    jupyter: Any, open_page: Callable[..., Any], keep_picture: Any, tmp_path: Path
) -> None:
    """On a telephone nothing is wider than the screen; light and dark follow the system."""
    jupyter.write("crew_voila.ipynb", cell(tmp_path / "voila"))
    page = open_page(jupyter.voila("crew_voila.ipynb"), width=360, height=800)
    for widget in WIDGETS:
        page.locator(widget).first.wait_for()
    page.locator(".fk-approvals").get_by_role("button", name="Approve").wait_for()
    for widget in WIDGETS:
        box = page.locator(widget).first.bounding_box()
        assert 200 < box["width"] and box["x"] + box["width"] <= 360, (widget, box)
    # Jupyter lets the lists of an output float; ours stay a grid, here of one column.
    params = page.locator(".fk-ask-params").first
    style = params.evaluate(
        "e => { const s = getComputedStyle(e); return [s.display, s.overflow] }"
    )
    assert style == ["grid", "auto"]
    assert params.locator("dt").first.evaluate("e => getComputedStyle(e).float") == "none"
    keep_picture(page, "crew-voila-narrow")
    light = page.locator(".fk-plan").evaluate("e => getComputedStyle(e).color")
    assert page.locator("body").get_attribute("data-jp-theme-light") == "true"
    page.set_viewport_size({"width": 3840, "height": 2160})
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    dark = page.locator(".fk-plan").evaluate("e => getComputedStyle(e).color")
    assert max(map(int, re.findall(r"\d+", light)[:3])) < 90
    assert min(map(int, re.findall(r"\d+", dark)[:3])) > 200
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 60
    keep_picture(page, "crew-voila-wide-dark")
