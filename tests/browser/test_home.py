"""The home page of the served workbench, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watch, wait_for
from tests.browser.served_workbench import ServedWorkbench, served, visit  # noqa: F401

Visit = Callable[..., Any]
Keep = Callable[..., Any]


def sharp(page: Any) -> None:
    """Wait until the explorer has drawn its finest level."""
    page.locator('.fk-explorer[data-state="sharp"]').wait_for(timeout=180_000)


@pytest.mark.parametrize(("width", "height"), [(360, 740), (820, 1100), (1440, 900), (3840, 2160)])
def test_the_page_opens_whole(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Keep,
    width: int,
    height: int,
) -> None:
    """Explorer, capabilities, jobs and the way to JupyterLab stand there at every width."""
    if not served.workbench.jobs.list():
        served.workbench.submit("fractal.render", scene="elephant", width=800, height=500).wait(120)
        served.workbench.submit("test.ask", what="Shall the oven go on?")
    page = visit(width=width, height=height)
    page.get_by_role("heading", name="Workbench").wait_for()
    expect(page.locator(".fk-catalog-row")).to_have_count(len(served.offered()))
    page.locator(".fk-jobs .fk-job").first.wait_for()
    page.locator(".fk-jobs .fk-picture").first.wait_for()
    expect(page.locator(".page-lab")).to_contain_text("fraktal up")
    sharp(page)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    keep_picture(page, f"home-{width}-light")
    page.emulate_media(color_scheme="dark")
    wait_for(lambda: page.evaluate(ground) != light)
    keep_picture(page, f"home-{width}-dark")
    keep_picture(page, f"home-{width}-dark-full", full_page=True)


def test_targets_are_large_enough(visit: Visit) -> None:  # noqa: F811
    """Everything that can be pressed is at least 32 pixels high or wide on a phone."""
    page = visit(width=360, height=740)
    page.locator(".fk-catalog-row").first.wait_for()
    for target in page.locator(
        ":is(.page-top, .page-rail, .fk-jobs, .fk-capability) :is(a, button)"
    ).all():
        box = target.bounding_box()
        if box is not None:
            assert box["height"] >= 32, target.inner_text()


def test_the_palette_finds_and_opens_a_form(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """Ctrl-K, a few letters, Enter: the form stands open and has the focus."""
    page = visit(width=1440, height=900)
    page.locator(".fk-catalog-row").first.wait_for()
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Find a capability")
    box.wait_for()
    page.get_by_role("dialog").wait_for()
    box.fill("rendfrac")
    first = page.get_by_role("dialog").get_by_role("option").first
    expect(first).to_contain_text("Render a fractal picture")
    expect(box).to_have_attribute("aria-activedescendant", first.get_attribute("id"))
    keep_picture(page, "palette-light")
    page.keyboard.press("Enter")
    page.get_by_role("form", name="Render a fractal picture").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_palette_gives_the_focus_back(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """Arrow keys go round, Esc closes, and the focus is where it was."""
    page = visit(width=1440, height=900, dark=True)
    start = page.get_by_label("Filter capabilities")
    start.focus()
    page.keyboard.press("Control+k")
    page.get_by_role("dialog").get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowUp")
    options = page.get_by_role("dialog").get_by_role("option")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    keep_picture(page, "palette-dark")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(start).to_be_focused()
    page.keyboard.type("echo")
    expect(start).to_have_value("echo")


def test_a_scene_opens_in_the_explorer(visit: Visit) -> None:  # noqa: F811
    """A scene chosen in the palette is where the explorer goes."""
    page = visit(width=1440, height=900)
    sharp(page)
    before = page.locator(".fk-explorer-facts").inner_text()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find a capability").fill("starfish")
    first = page.get_by_role("dialog").get_by_role("option").first
    expect(first).to_contain_text("Starfish")
    page.keyboard.press("Enter")
    wait_for(lambda: page.locator(".fk-explorer-facts").inner_text() != before)


def test_the_explorer_page_leads_back_to_forms(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """From the explorer's own page the palette opens a capability on the home page."""
    page = visit("/explorer?scene=seahorse", width=1440, height=900)
    sharp(page)
    expect(page.locator(".fk-explorer-facts")).to_contain_text("-0.745")
    keep_picture(page, "explorer-page-light")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find a capability").fill("fill in simple")
    first = page.get_by_role("dialog").get_by_role("option").first
    expect(first).to_contain_text("Fill in simple things")
    page.keyboard.press("Enter")
    page.get_by_role("form", name="Fill in simple things").wait_for()
    expect(page).to_have_url(re.compile("/#run-form.simple$"))


def test_the_colours_can_be_switched(visit: Visit) -> None:  # noqa: F811
    """The switch goes from the system's colours to light to dark, and the browser remembers."""
    page = visit(width=1440, height=900)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Colours: system").click()
    page.get_by_role("button", name="Colours: light").click()
    page.get_by_role("button", name="Colours: dark").wait_for()
    wait_for(lambda: page.evaluate(ground) != light)
    dark = page.evaluate(ground)
    page.reload()
    page.get_by_role("button", name="Colours: dark").wait_for()
    wait_for(lambda: page.evaluate(ground) == dark)


def test_somebody_unknown_is_asked_who_they_are(
    served: ServedWorkbench,  # noqa: F811
    open_page: Callable[..., Any],
    watch: Watch,
    keep_picture: Keep,
) -> None:
    """Without a session one is asked for name and password; a wrong one is refused in words."""
    watch.expected = re.compile("401")  # what the browser itself says of it
    served.add_user("ada", "correct horse battery")
    served.workbench.submit("test.echo", text="of somebody else").wait(60)
    for width, dark in ((1440, False), (360, True)):
        page = open_page(served.url, width=width, height=740, dark=dark)
        page.get_by_role("heading", name="does not know you yet").wait_for()
        keep_picture(page, f"sign-in-{width}-{'dark' if dark else 'light'}")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("No jobs yet").wait_for()
    assert "somebody else" not in page.locator(".fk-jobs").inner_text()
    expect(page.locator(".page-lab")).to_contain_text(
        "belongs to the person who started the server"
    )
    keep_picture(page, "home-empty-360-dark", full_page=True)


def test_no_secret_stands_in_the_page(visit: Visit) -> None:  # noqa: F811
    """The cookie that signs one in cannot be read by the page, nor found in its text."""
    page = visit()
    secret = next(
        c["value"] for c in page.context.cookies() if c["name"].startswith("fraktal_session")
    )
    answer = page.request.get(page.url)
    assert secret not in answer.text()
    assert secret not in page.evaluate("document.cookie")


def test_nobody_may_choose_the_number_of_a_session(visit: Visit) -> None:  # noqa: F811
    """A visit cannot be tied to a session that somebody else prepared."""
    page = visit()
    for name in ("bokeh_session_id", "bokeh-session-id"):
        answer = page.request.get(f"{page.url}?{name}=chosen")
        assert answer.status == 422
        assert "bokeh_session_id" in answer.json()["error"]


def test_a_visit_that_ends_leaves_no_threads(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
) -> None:
    """When browsers leave, the widgets that were made for them end."""
    pages = [visit() for _ in range(3)]
    for page in pages:
        page.locator(".fk-catalog-row").first.wait_for()
    there = served.threads()
    for page in pages:
        page.context.close()
    wait_for(lambda: served.threads() <= there - 6)


def test_the_page_comes_back_after_a_restart(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    watch: Watch,
    keep_picture: Keep,
) -> None:
    """A restart of the server is told, then survived, with what was typed."""
    watch.expected = re.compile("WebSocket|Lost websocket|ERR_|not connected so cannot send")
    page = visit("/#run-form.simple", width=1440, height=900)
    page.get_by_label("Title").fill("kept")
    port = int(served.url.rpartition(":")[2])
    served.stop()
    page.get_by_text("The workbench does not answer").wait_for()
    keep_picture(page, "home-lost-light")
    served.start(port)
    page.get_by_text("The workbench does not answer").wait_for(state="hidden")
    expect(page.get_by_label("Title")).to_have_value("kept")
    job = served.workbench.submit("test.echo", text="after the restart")
    page.locator(f'.fk-jobs .fk-job[data-job="{job.id}"][data-state="succeeded"]').wait_for()


def test_many_alerts_do_not_hide_the_page(visit: Visit) -> None:  # noqa: F811
    """Twenty lost agents take a quarter of the window, and are scrolled within it."""
    page = visit("/", width=1440, height=900)
    lost = [{"name": f"lost_{n}", "severity": "warning", "text": f"it is {n}."} for n in range(20)]
    page.route("**/api/alerts", lambda route: route.fulfill(json={"alerts": lost}))
    page.evaluate("() => { document.dispatchEvent(new Event('visibilitychange')) }")
    strip = page.locator("#alerts")
    expect(strip.locator("li")).to_have_count(20)
    box = strip.bounding_box()
    assert box["height"] <= 226 and box["y"] + box["height"] <= 901
    strip.get_by_role("button", name="Hide: it is 19.").click()
    expect(strip.locator("li")).to_have_count(19)
