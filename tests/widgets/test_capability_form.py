"""Forms from schemas: what Python gives to the browser and does with what comes back."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.cli.parameters import parse
from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.errors import UnknownName
from fraktal_widgets import CapabilityForm
from fraktal_widgets.capability_form import faults, snippets, workspace_files

Until = Callable[..., None]


@pytest.fixture
def form(widget_bench: LocalWorkbench) -> Iterator[CapabilityForm]:
    """Make the form of one capability and close it."""
    form = CapabilityForm("form.simple", widget_bench)
    yield form
    form.close()
    assert form.feed.wait_closed(60)


def run(form: CapabilityForm, **params: Any) -> int:
    """Press the button; returns the number of the wish."""
    number = time.monotonic_ns()
    form.wish = {"do": "run", "params": params, "seq": number}
    return number


def test_every_capability_has_a_form(widget_bench: LocalWorkbench) -> None:
    """Each registered capability gives a form plain JSON with all that it needs."""
    form = CapabilityForm(workbench=widget_bench)
    try:
        assert {one["name"] for one in form.catalog} == set(widget_bench.capabilities)
        for name in widget_bench.capabilities:
            form.capability = name
            assert form.spec["name"] == name
            assert form.spec["title"]
            assert form.spec["schema"]["type"] == "object"
            json.dumps(form.spec, allow_nan=False)
    finally:
        form.close()


def test_examples_work_as_they_stand(widget_bench: LocalWorkbench) -> None:
    """The one-click fills of every capability are valid, but for files that they name."""
    for known in widget_bench.capabilities.values():
        for example in known.examples:
            assert set(example) <= set(known.params_type.model_fields)


def test_a_form_that_a_busy_host_has_lost_is_sent_again(widget_bench: LocalWorkbench) -> None:
    """A browser that waits for a form asks once more, and is told though nothing has changed."""
    form = CapabilityForm(workbench=widget_bench)
    try:
        form.capability = "form.simple"
        told: list[str] = []
        form.observe(lambda change: told.append(change["new"]["name"]), "spec")
        form.wish = {"do": "open", "name": "form.simple", "seq": 1}
        form.wish = {"do": "open", "name": "form.ordered", "seq": 2}
        assert told == ["form.simple", "form.ordered"]
        assert form.capability == "form.ordered"
        form.wish = {"do": "open", "name": "form.gone", "seq": 3}
        assert form.capability == ""
    finally:
        form.close()


def test_an_unknown_capability_is_refused(widget_bench: LocalWorkbench) -> None:
    """A mistyped name is refused at once, with the nearest one."""
    with pytest.raises(UnknownName, match=r"form\.simple"):
        CapabilityForm("form.simpel", widget_bench)


def test_running_shows_the_job_and_its_result(form: CapabilityForm, until: Until) -> None:
    """What was filled in runs as a job that the form follows to its end."""
    number = run(form, count=7, shade="dark")
    until(lambda: form.reply.get("seq") == number)
    assert form.reply["error"] == ""
    until(lambda: form.board["jobs"] and form.board["jobs"][0]["state"] == "succeeded")
    job = form.board["jobs"][0]
    assert job["id"] == form.reply["job"]
    assert job["summary"] == "count 7 · shade dark"
    assert ["count", "7"] in job["result"]


def test_a_refusal_says_which_field_is_meant(form: CapabilityForm, until: Until) -> None:
    """The library's sentence is taken apart, each part to its field; nothing is submitted."""
    number = run(form, count=0, rate=3)
    until(lambda: form.reply.get("seq") == number)
    assert set(form.reply["faults"]) == {"count", "rate"}
    assert form.reply["job"] is None
    assert form.reply["error"]


def test_a_refusal_of_the_whole_stands_at_the_end(
    widget_bench: LocalWorkbench, until: Until
) -> None:
    """What is about no single field comes under the empty name."""
    form = CapabilityForm("form.ordered", widget_bench)
    try:
        number = run(form, low=5, high=2)
        until(lambda: form.reply.get("seq") == number)
        assert form.reply["faults"] == {"": "low is 5 and high is 2; low must be less"}
    finally:
        form.close()


def test_old_jobs_make_room(form: CapabilityForm, until: Until) -> None:
    """A form keeps its newest jobs only."""
    for count in range(1, 6):
        number = run(form, count=count)
        until(lambda number=number: form.reply.get("seq") == number)
        until(lambda: [job["id"] for job in form.board["jobs"]][:1] == [form.reply["job"]])
        until(lambda: form.board["jobs"][0]["state"] == "succeeded")
    assert len(form.board["jobs"]) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"count": 7, "title": 'it\'s "quoted" $HOME', "note": None},
        {"timeout_s": 2.5, "smooth": False, "shade": "dark"},
    ],
)
def test_snippets_say_the_same_three_times(params: dict[str, Any]) -> None:
    """Command, Python and REST carry exactly the parameters that differ from the defaults."""
    known = capabilities["form.simple"]
    made = snippets(known, params)
    expected = known.validate(params).model_dump(mode="json")

    words = shlex.split(made["command"])
    assert words[:3] == ["fraktal", "submit", "form.simple"]
    typed = parse(words[3:], known.schema(), "parameter")
    assert known.validate(typed).model_dump(mode="json") == expected

    calls: list[dict[str, Any]] = []

    class Recorder:
        """Stands where the snippet opens a workbench, and notes what it submits."""

        @staticmethod
        def submit(name: str, **given: Any) -> Any:
            calls.append(given)
            return Recorder

        @staticmethod
        def wait() -> None:
            return None

    code = made["python"].replace("wb = Workbench.open()\n", "")
    exec(compile(code, "snippet", "exec"), {"wb": Recorder})
    assert known.validate(calls[0]).model_dump(mode="json") == expected

    words = shlex.split(made["rest"].replace("\\\n", " "))
    body = json.loads(words[words.index("-d") + 1])
    assert body["capability"] == "form.simple"
    assert known.validate(body["params"]).model_dump(mode="json") == expected


def test_copying_asks_python_for_the_text(form: CapabilityForm) -> None:
    """The browser gets the text that it copies, with the address of its own page."""
    form.wish = {"do": "copy", "kind": "rest", "params": {}, "origin": "http://h:1", "seq": 1}
    assert form.reply["text"].startswith("curl http://h:1/api/jobs")


def test_files_of_the_workspace_are_offered(widget_bench: LocalWorkbench, tmp_path: Path) -> None:
    """A field for a file knows the workspace's files, not the workbench's own."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "inner").write_text("")
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "a.png").write_text("")
    (tmp_path / "b.json").write_text("")
    (tmp_path / "fraktal.db-wal").write_text("")
    assert workspace_files(tmp_path) == ["b.json", "inputs/a.png"]
    form = CapabilityForm("form.rich", widget_bench)
    assert isinstance(form.spec["files"], list)
    form.close()


def test_faults_of_nested_fields_keep_their_path() -> None:
    """A part of a nested parameter is named by its whole path."""
    schema = capabilities["form.rich"].schema()
    found = faults("box.height: missing, and needed; name: given 'A'; expected a-z.", schema)
    assert found == {"box.height": "missing, and needed", "name": "given 'A'; expected a-z"}


def test_large_whole_numbers_reach_the_browser_unharmed(widget_bench: LocalWorkbench) -> None:
    """Numbers that JavaScript would round travel as text."""
    form = CapabilityForm("form.rich", widget_bench)
    assert form.spec["schema"]["properties"]["huge"]["default"] == "9007199254740993"
    form.close()
