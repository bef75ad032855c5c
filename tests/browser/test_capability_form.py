"""Forms in a real browser: filled in by hand, checked at once, run as jobs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import expect

from fraktal_kernel.core.capability import capabilities
from tests.browser.conftest import wait_for
from tests.browser.served_workbench import ServedWorkbench, run_notebook, served, visit  # noqa: F401

Visit = Callable[..., Any]
Keep = Callable[..., Any]


def opened(visit: Visit, name: str, **options: Any) -> tuple[Any, Any]:  # noqa: F811
    """Open the form of a capability; returns the page and the form."""
    page = visit(f"/#run-{name}", **options)
    form = page.get_by_role("form", name=capabilities[name].title)
    form.wait_for()
    return page, form


def run(page: Any, form: Any) -> Any:
    """Run the form; returns the card of the newest job below it when it has ended."""
    before = page.locator(".fk-capability .fk-job").count()
    form.get_by_role("button", name="Run as job").click()
    wait_for(lambda: page.locator(".fk-capability .fk-job").count() > before)
    newest = page.locator(".fk-capability .fk-job").first
    expect(newest).to_have_attribute("data-state", "succeeded")
    return newest


def submitted(served: ServedWorkbench, capability: str) -> dict[str, Any]:  # noqa: F811
    """Return the parameters of the newest job."""
    job = served.workbench.jobs.list(limit=1)[0]
    assert job.capability == capability
    return job.params


def copied(page: Any, form: Any, kind: str) -> str:
    """Press one of the copy buttons and read the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    form.get_by_role("button", name=f"Copy as {kind}").click()
    form.get_by_text("Copied").wait_for()
    return str(wait_for(lambda: page.evaluate("navigator.clipboard.readText()")))


def test_a_form_runs_with_its_defaults(visit: Visit, served: ServedWorkbench) -> None:  # noqa: F811
    """A form that nobody touched submits exactly the defaults."""
    page, form = opened(visit, "form.simple")
    run(page, form)
    known = capabilities["form.simple"]
    assert submitted(served, "form.simple") == known.validate({}).model_dump(mode="json")


def test_simple_fields_arrive_as_filled_in(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Keep,
) -> None:
    """Numbers, words, choices and ticks arrive as what they are; empty stands for none."""
    page, form = opened(visit, "form.simple", width=1440, height=1000)
    form.get_by_label("Count").fill("42")
    assert "pieces" in form.inner_text()
    form.get_by_label("Rate").fill("0.25")
    form.get_by_label("Timeout").fill("1.5")
    form.get_by_label("Shade").select_option("dark")
    form.get_by_label("Mode").select_option("fast")
    form.get_by_label("Smooth").uncheck()
    form.get_by_role("button", name="good morning", exact=True).click()
    form.locator("summary").click()
    form.get_by_label("Note").fill("two\u00a0words")
    form.get_by_label("Limit").fill("9")
    form.get_by_label("Maybe").select_option("true")
    keep_picture(page, "form-simple-light")
    run(page, form)
    assert submitted(served, "form.simple") == {
        "count": 42,
        "rate": 0.25,
        "step": 10,
        "timeout_s": 1.5,
        "shade": "dark",
        "mode": "fast",
        "smooth": False,
        "title": "good morning",
        "note": "two\u00a0words",
        "limit": 9,
        "maybe": True,
    }


def test_everything_pydantic_says_can_be_filled_in(
    visit: Visit,  # noqa: F811
    served: ServedWorkbench,  # noqa: F811
    keep_picture: Keep,
) -> None:
    """Nested, listed, paired, named, dated and recursive parameters come back as meant."""
    page, form = opened(visit, "form.rich", width=1440, height=1400)
    form.get_by_label("Name needed", exact=True).first.fill("rich_one")
    box = form.get_by_role("group", name="Box", exact=True)
    box.get_by_label("Height").fill("480")
    form.get_by_role("button", name="Add Spare").click()
    spare = form.get_by_role("group", name="Spare")
    spare.get_by_label("Height").fill("7")
    form.get_by_label("Kind of Shape").select_option("square")
    form.get_by_role("group", name="Shape").get_by_label("Side").fill("2.5")
    sizes = form.get_by_role("group", name="Sizes")
    sizes.get_by_role("button", name="Add one").click()
    sizes.get_by_label("Sizes, entry 3").fill("30")
    sizes.get_by_role("button", name="Take out entry 1").click()
    names = form.get_by_role("group", name="Names")
    names.get_by_role("button", name="Add one").click()
    names.get_by_label("Names, entry 1").fill("first")
    form.get_by_role("group", name="Shades").get_by_label("light").check()
    point = form.get_by_role("group", name="Point")
    point.get_by_role("textbox").nth(1).fill("-3e2")
    weights = form.get_by_role("group", name="Weights")
    weights.get_by_role("button", name="Add one").click()
    weights.get_by_label("Name").nth(1).fill("b")
    weights.get_by_label("Weights, entry 2").fill("0.5")
    form.get_by_label("Price").fill("12.34")
    form.locator("summary").click()
    form.get_by_label("Either").fill("12")
    form.get_by_label("Day").fill("2026-02-03")
    form.get_by_label("At").fill("2026-02-03T04:05:06")
    form.get_by_label("Key").fill("12345678-1234-5678-1234-567812345678")
    form.get_by_label("Anything").fill('{"a": [1, null]}')
    tree = form.get_by_role("group", name="Tree")
    tree.get_by_role("button", name="Add tree").first.click()
    tree.get_by_label("Name needed").nth(1).fill("branch")
    keep_picture(page, "form-rich-light", full_page=True)
    run(page, form)
    params = submitted(served, "form.rich")
    moment = datetime.fromisoformat(params.pop("at").replace("Z", "+00:00"))
    assert moment.astimezone(UTC).second == 6
    shades = params.pop("shades")
    assert set(shades) == {"light", "dark"}
    assert params == {
        "name": "rich_one",
        "box": {"width": 640, "height": 480, "label": None},
        "spare": {"width": 640, "height": 7, "label": None},
        "shape": {"kind": "square", "side": 2.5},
        "sizes": [2, 30],
        "names": ["first"],
        "point": [0.0, -300.0],
        "weights": {"a": 1.0, "b": 0.5},
        "price": "12.34",
        "either": 12,
        "day": "2026-02-03",
        "wake": "07:30:00",
        "pause": "PT1M30S",
        "key": "12345678-1234-5678-1234-567812345678",
        "file": None,
        "tree": {
            "name": "root",
            "children": [{"name": "branch", "children": [], "best": None}],
            "best": None,
        },
        "anything": {"a": [1, None]},
        "boxes": [],
        "huge": 9007199254740993,
    }


def test_faults_stand_beside_their_fields(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """What is wrong is said when one leaves the field, in words, and nothing typed is lost."""
    page, form = opened(visit, "form.simple", width=1440, height=1000, dark=True)
    count = form.get_by_label("Count")
    for given, said in {
        "0": "given 0, expected at least 1",
        "1000000000": "given 1000000000, expected at most 100",
        "many": 'given "many", expected a number',
        "1.5": "given 1.5, expected a whole number",
        "NaN": 'given "NaN", expected a number',
    }.items():
        count.fill(given)
        count.blur()
        form.get_by_text(said).wait_for()
        expect(count).to_have_attribute("aria-invalid", "true")
        expect(count).to_have_value(given)
    form.get_by_label("Step").fill("7")
    form.get_by_label("Rate").fill("1")
    form.get_by_role("button", name="Run as job").click()
    form.get_by_text("3 fields need a look.").wait_for()
    form.get_by_text("expected a multiple of 5").wait_for()
    form.get_by_text("expected less than 1").wait_for()
    keep_picture(page, "form-faults-dark")
    count.fill("5")
    expect(count).not_to_have_attribute("aria-invalid", re.compile(""))


def test_what_the_library_refuses_stands_in_the_form(visit: Visit) -> None:  # noqa: F811
    """A refusal that only the library can know is shown, and the input stays."""
    page, form = opened(visit, "form.ordered")
    form.get_by_label("Low").fill("9")
    form.get_by_role("button", name="Run as job").click()
    form.get_by_text("low is 9 and high is 2; low must be less").wait_for()
    assert form.get_by_label("Low").input_value() == "9"
    form.get_by_label("Low").fill("1")
    run(page, form)


def test_a_file_outside_the_workspace_is_refused_beside_its_field(visit: Visit) -> None:  # noqa: F811
    """The scene's field says why a path that climbs out is not read."""
    _, form = opened(visit, "fractal.render")
    form.get_by_label("Scene, Name").fill("../../etc/passwd.png")
    form.get_by_role("button", name="Run as job").click()
    fault = form.get_by_role("group", name="Scene").locator(".fk-fault:visible")
    expect(fault.first).to_contain_text("passwd")


def test_a_picture_is_made_and_shown(visit: Visit, keep_picture: Keep) -> None:  # noqa: F811
    """An example fills the form in one click; the job below shows its progress and its picture."""
    page, form = opened(visit, "fractal.render", width=360, height=740, dark=True)
    form.get_by_role("button", name="julia_dragon").click()
    expect(form.get_by_label("Palette")).not_to_have_value("")
    form.get_by_label("Width").fill("400")
    form.get_by_label("Height").fill("300")
    made = run(page, form)
    made.locator(".fk-picture").wait_for()
    made.scroll_into_view_if_needed()
    keep_picture(page, "form-render-360-dark", full_page=True)


def test_every_capability_can_be_filled_in(visit: Visit, served: ServedWorkbench) -> None:  # noqa: F811
    """Each registered capability opens, and its examples come out of the form as they went in."""
    page = visit()
    page.locator(".fk-catalog-row").first.wait_for()
    for name in served.offered():
        known = capabilities[name]
        page.evaluate(f"location.hash = '#run-{name}'")
        form = page.get_by_role("form", name=known.title)
        form.wait_for()
        for parameter in known.params_type.model_fields:
            expect(form.locator(f'[data-name="{parameter}"]')).to_have_count(1)
        for number, example in enumerate(known.examples):
            form.locator(".fk-examples").first.get_by_role("button").nth(number).click()
            words = shlex.split(copied(page, form, "REST").replace("\\\n", " "))
            body = json.loads(words[words.index("-d") + 1])
            assert body["capability"] == name
            usual = {
                field: info.default
                for field, info in known.params_type.model_fields.items()
                if not info.is_required()
            }
            given = {key: value for key, value in example.items() if usual.get(key) != value}
            # Forms within come out with the defaults of each, which mean the same; all else to the
            # letter.
            forms = [key for key, value in given.items() if isinstance(value, list | dict)]
            assert body["params"].keys() == given.keys()
            assert {**body["params"], **{key: given[key] for key in forms}} == given
            assert known.validate(body["params"]) == known.validate(example)
            assert known.validate(body["params"]) == known.validate(example)


def test_drafts_survive_a_reload(visit: Visit) -> None:  # noqa: F811
    """What was typed is there again when the page is loaded anew."""
    page, form = opened(visit, "form.simple")
    form.get_by_label("Title").fill("half done")
    page.reload()
    form.wait_for()
    expect(form.get_by_label("Title")).to_have_value("half done")


def test_the_form_lives_in_a_notebook(
    jupyter: Any, open_page: Callable[..., Any], keep_picture: Keep
) -> None:
    """In JupyterLab the same form runs a job of a workbench inside the kernel."""
    jupyter.write(
        "form.ipynb",
        "import tempfile\n"
        "from fraktal_kernel import Workbench\n"
        "from fraktal_widgets import CapabilityForm\n"
        "wb = Workbench.open(data=tempfile.mkdtemp(), workers=1)\n"
        "CapabilityForm('fractal.render', wb)",
    )
    page = open_page(jupyter.lab("form.ipynb"), width=1280, height=900)
    run_notebook(page)
    form = page.get_by_role("form", name="Render a fractal picture")
    form.wait_for()
    form.get_by_label("Width").fill("320")
    form.get_by_label("Height").fill("240")
    form.get_by_role("button", name="Run as job").click()
    page.locator('.fk-capability .fk-job[data-state="succeeded"]').wait_for(timeout=120_000)
    page.locator(".fk-capability .fk-picture").wait_for()
    keep_picture(page, "form-lab-light")
