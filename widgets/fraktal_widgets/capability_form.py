"""A form made from a capability's schema, in notebooks and pages alike.

The form checks what it can in the browser; what the library refuses stands beside the field
that it is about. What was typed is never lost by an error.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_widgets.assets import joined
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.job_widget import SCRIPTS, JobWidget

if TYPE_CHECKING:
    from fraktal_kernel.core.capability import Capability
    from fraktal_kernel.core.workbench import Workbench

FILES_LISTED = 300
FOLDERS_SKIPPED = frozenset({"store", "logs", "scratch", "__pycache__"})


class CapabilityForm(JobWidget):
    """Fill in a capability's parameters, run it as a job, watch it and see what it made.

    Parameters
    ----------
    name : which capability; None shows the list of all, each opening its form
    workbench : where the jobs run; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined(*SCRIPTS, "schema_fields.js", "schema_form.js", "capability_form.js")
    _css = joined("tokens.css", "controls.css", "job_card.css", "capability_form.css")

    capability = traitlets.Unicode().tag(sync=True)  # which form stands open; empty for the list
    catalog = traitlets.List().tag(sync=True)  # Python -> browser: all capabilities in short
    spec = traitlets.Dict().tag(sync=True)  # Python -> browser: the open one in full
    single = traitlets.Bool().tag(sync=True)  # whether this form is of one capability alone
    reply = traitlets.Dict().tag(sync=True)  # Python -> browser: what came of a wish

    def __init__(
        self, name: str | None = None, workbench: Workbench | None = None, *, api: str = ""
    ) -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self._known = workbench.capabilities
        if name is not None:
            self._known[name]  # an unknown name is refused here, with the nearest known one
        feed = JobFeed(workbench, self._show_jobs, everything=False)
        super().__init__(feed, api=api, single=name is not None, catalog=catalog(self._known))
        self.observe(self._on_capability, "capability")
        self.capability = name or ""

    def show(self, name: str, params: Mapping[str, Any] | None = None) -> None:
        """Show the form of one capability, filled in with some parameters."""
        self.spec = self._spec(name, params)
        self.capability = name

    def _spec(self, name: str, fill: Mapping[str, Any] | None = None) -> dict[str, Any]:
        known = self._known[name]
        described = {**known.describe(), "examples": list(known.examples)}
        files = listed_files(described["schema"], self.feed.workbench.settings.data)
        spec: dict[str, Any] = safe(described | {"files": files, "fill": dict(fill or {})})
        return spec

    def _on_capability(self, change: dict[str, Any]) -> None:
        name = str(change["new"])
        if not name or self.spec.get("name") == name:
            return
        if name in self._known:
            self.spec = self._spec(name)
        else:  # an old link, or a plug-in that is gone
            self.capability = ""

    def _open(self, name: str, seq: Any) -> None:
        """Send a form once more: the browser waits for it and has heard nothing."""
        if name in self._known:
            self.spec = self._spec(name) | {"seq": seq}  # a spec as before would not be sent
            self.capability = name
        else:
            self.capability = ""

    def _grant(self, wish: dict[str, Any]) -> None:
        what = wish.get("do")
        if what == "open":
            self._open(str(wish.get("name")), wish.get("seq"))
        elif what == "run":
            self.feed.do(lambda: self._run(wish))
        elif what == "copy":
            params = dict(wish.get("params") or {})
            made = snippets(self._known[self.capability], params, str(wish.get("origin") or ""))
            self._answer(wish, text=made.get(str(wish.get("kind")), ""))
        else:
            super()._grant(wish)

    def _run(self, wish: dict[str, Any]) -> None:
        name, params = self.capability, dict(wish.get("params") or {})
        try:
            job = self.feed.workbench.jobs.submit(name, params)
        except InvalidInput as error:
            self._answer(wish, error=str(error), faults=faults(str(error), self.spec["schema"]))
        except FraktalError as error:
            self._answer(wish, error=str(error))
        else:
            self._answer(wish, job=job.id)
            self.feed.watch(job)

    def _answer(self, wish: dict[str, Any], **news: Any) -> None:
        empty = {"error": "", "faults": {}, "text": "", "job": None}
        self.reply = empty | {"seq": wish.get("seq"), "visit": wish.get("visit")} | news


def catalog(known: Mapping[str, Capability]) -> list[dict[str, str]]:
    """List capabilities in short, as the list and the palette show them."""
    return [
        {
            "name": name,
            "title": known[name].title,
            "description": known[name].description,
            "domain": name.split(".")[0],
        }
        for name in known
    ]


def safe(value: Any) -> Any:
    """Turn whole numbers that JavaScript would round into text, wherever they stand.

    Examples
    --------
    >>> safe({"default": 2**53 + 1, "sizes": [1, 2]})
    {'default': '9007199254740993', 'sizes': [1, 2]}
    """
    if isinstance(value, dict):
        return {name: safe(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [safe(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


def faults(sentence: str, schema: dict[str, Any]) -> dict[str, str]:
    """Take a refusal apart: which field each part is about, "" for what is about none.

    Examples
    --------
    >>> schema = {"properties": {"width": {}, "view": {}}}
    >>> faults("width: given 0, expected at least 1; view.re: missing, and needed.", schema)
    {'width': 'given 0, expected at least 1', 'view.re': 'missing, and needed'}
    >>> faults("value: the picture would be too large; make it smaller.", schema)
    {'': 'the picture would be too large; make it smaller'}
    """
    known = schema.get("properties", {})
    found: dict[str, str] = {}
    place = ""
    for part in sentence.rstrip(".").split("; "):
        match = re.match(r"([A-Za-z_]\w*)((?:\.[^:\s]+)?): (.+)", part, re.DOTALL)
        if match and match[1] in known:
            place = match[1] + match[2]
            found[place] = match[3]
        elif not found:  # about the whole, or about nothing that has a field
            found[""] = part.removeprefix("value: ")
        else:  # a semicolon within a sentence
            found[place] = f"{found[place]}; {part}"
    return found


def snippets(known: Capability, params: Mapping[str, Any], origin: str = "") -> dict[str, str]:
    """Write a call of a capability as a command, as Python and as a REST request.

    Parameters that are equal to their defaults are left out.

    Examples
    --------
    >>> from fraktal_kernel.core.capability import capabilities
    >>> snippets(capabilities["fractal.render"], {"scene": "elephant", "width": 1920})["command"]
    'fraktal submit fractal.render --scene elephant --width 1920'
    """
    fields = known.params_type.model_fields
    given = {
        name: value
        for name, value in params.items()
        if name not in fields or fields[name].is_required() or fields[name].default != value
    }
    words = ["fraktal", "submit", known.name]
    for name, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += [f"--{name.replace('_', '-')}", text]
    arguments = "".join(f", {name}={value!r}" for name, value in given.items())
    body = json.dumps({"capability": known.name, "params": given})
    return {
        "command": shlex.join(words),
        "python": (
            "from fraktal_kernel import Workbench\n\n"
            "wb = Workbench.open()\n"
            f"job = wb.submit({known.name!r}{arguments})\n"
            "job.wait()"
        ),
        "rest": (
            f"curl {origin or 'http://127.0.0.1:8081'}/api/jobs \\\n"
            '  -H "Authorization: Bearer $FRAKTAL_TOKEN" \\\n'
            "  -H 'Content-Type: application/json' \\\n"
            f"  -d {shlex.quote(body)}"
        ),
    }


def listed_files(schema: dict[str, Any], root: Path) -> list[str]:
    """List files of the workspace, where a form has a field for one."""
    text = json.dumps(schema)
    return workspace_files(root) if '-path"' in text or '"path"' in text else []


def workspace_files(root: Path) -> list[str]:
    """List the workspace's own files, nearest first, without what the workbench keeps there."""
    found: list[str] = []
    folders = [root]
    while folders and len(found) < FILES_LISTED:
        folder = folders.pop(0)
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in FOLDERS_SKIPPED:
                continue
            if entry.is_dir() and not entry.is_symlink():
                folders.append(entry)
            elif entry.is_file() and not entry.name.startswith("fraktal.db"):
                found.append(str(entry.relative_to(root)))
    return found[:FILES_LISTED]
