"""Several widgets of one notebook share its page, and so do their style sheets."""

from __future__ import annotations

import re
from pathlib import Path

import fraktal_widgets

WIDGETS = Path(fraktal_widgets.__file__).parent
RULE = re.compile(r"^\s*\.([\w-]+)\s*\{([^}]*)\}", re.MULTILINE)


def properties(block: str) -> set[str]:
    """Read which properties a rule sets; a shorthand stands for what begins like it."""
    return {line.split(":")[0].strip() for line in block.split(";") if ":" in line}


def test_what_differs_from_a_shared_control_says_so_in_two_classes() -> None:
    """The next widget brings the shared rules again, behind ours: one class alone would lose."""
    shared = {name: properties(block) for name, block in RULE.findall(
        (WIDGETS / "controls.css").read_text()
    )}  # fmt: skip
    assert "display" in shared["fk-button"]
    beside: dict[str, set[str]] = {}
    for script in WIDGETS.glob("*.js"):
        for words in re.findall(r'class:\s*"([^"]+)"', script.read_text()):
            names = set(words.split())
            for name in names - shared.keys():
                for control in names & shared.keys():
                    beside.setdefault(name, set()).update(shared[control])
    assert "display" in beside["fk-chat-unfold"]
    weak = [
        f"{sheet.name}: .{name} sets {', '.join(sorted(both))}; write .fk .{name}"
        for sheet in WIDGETS.glob("*.css")
        if sheet.name != "controls.css"
        for name, block in RULE.findall(sheet.read_text())
        if (both := properties(block) & beside.get(name, set()))
    ]
    assert not weak, "\n".join(weak)


#: JupyterLab's own rules for what stands in an output, of one class and one element: what they set.
HOSTS = {
    "dl": {"display", "width", "overflow", "padding", "margin"},
    "dt": {"display", "width", "float", "padding", "margin", "font-weight"},
    "dd": {"display", "width", "float", "padding", "margin"},
    "pre": {"border", "margin", "padding", "overflow-x", "overflow-y", "white-space"},
}


def test_what_jupyterlab_says_of_lists_is_answered_in_two_classes() -> None:
    """It lets definition lists float; a rule of one class alone would lose against that."""
    theirs: dict[str, set[str]] = {}
    for script in WIDGETS.glob("*.js"):
        for tag, words in re.findall(
            r'h\("(dl|dt|dd|pre)", \{ class: "([^"]+)"', script.read_text()
        ):
            for name in words.split():
                theirs.setdefault(name, set()).update(HOSTS[tag])
    assert {"fk-facts", "fk-agent-facts", "fk-time-facts"} <= theirs.keys()
    weak = [
        f"{sheet.name}: .{name} sets {', '.join(sorted(both))}; write .fk .{name}"
        for sheet in WIDGETS.glob("*.css")
        for name, block in RULE.findall(sheet.read_text())
        if (both := properties(block) & theirs.get(name, set()))
    ]
    assert not weak, "\n".join(weak)
