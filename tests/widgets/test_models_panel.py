"""The panel of language models says what one may not change, and why a wish was refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel.agents.models.answers import after_asking
from fraktal_kernel.agents.models.keeper import models_of
from fraktal_kernel.agents.models.shelf import Choice
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.services import Asked
from fraktal_kernel.core.settings import load_settings
from fraktal_widgets import ChatPanel, ModelsPanel

Until = Callable[..., None]


def wish(panel: ModelsPanel, until: Until, **what: Any) -> dict[str, Any]:
    """Do what a click does, and wait for what came of it."""
    panel.wish = {**what, "visit": "v", "seq": time.monotonic_ns()}
    seq = panel.wish["seq"]
    until(lambda: panel.board["outcome"].get("seq") == seq)
    return dict(panel.board["outcome"])


@pytest.mark.parametrize("why", ["set elsewhere", "no administrator"])
def test_who_may_not_change_the_list_sees_it_all_the_same(
    tmp_path: Path, until: Until, why: str
) -> None:
    """The list stands there without the means to change it, and a wish is refused in a sentence."""
    given = {"models": ["ollama:qwen3", "offline"]} if why == "set elsewhere" else {}
    with LocalWorkbench(load_settings(data=tmp_path, **given), may_run=False) as workbench:
        view = workbench
        if why == "no administrator":
            friend = workbench.security.add_user("friend", "a long enough password")
            view = workbench.as_user(friend.user_id)
        panel = ModelsPanel(view)
        try:
            panel.wish = {"do": "ready", "visit": "v", "seq": 0}
            until(lambda: panel.board["models"])
            assert not panel.board["may_change"] and not panel.board["can_undo"]
            assert ("an argument" in panel.board["fixed"]) == (why == "set elsewhere")
            before = panel.board["models"]
            refused = wish(panel, until, do="add", model="openai:x", timeout_s="", key_variable="")
            assert ("set by an argument" if given else "administrator") in refused["problem"]
            assert [one["model"] for one in panel.board["models"]] == [
                one["model"] for one in before
            ]
        finally:
            panel.close()
            assert panel.feed.wait_closed(60)


@pytest.mark.parametrize("kind", [ModelsPanel, ChatPanel])
def test_a_list_that_cannot_be_read_says_so_until_it_can_be(
    tmp_path: Path, until: Until, kind: type[ModelsPanel] | type[ChatPanel]
) -> None:
    """What goes well meanwhile does not take the sentence away; a mended file does."""
    file = tmp_path / "models.json"
    file.write_text("mine!")
    with LocalWorkbench(load_settings(data=tmp_path), may_run=False) as workbench:
        panel = kind(workbench)
        try:
            panel.wish = {"do": "ready", "visit": "v", "seq": 0}
            until(lambda: "mend it" in panel.board["trouble"])
            done: list[bool] = []
            panel.feed.do(lambda: done.append(True))
            panel.feed.do(lambda: done.append("mend it" in panel.feed.board()["trouble"]))
            until(lambda: len(done) == 2)
            assert done[1]
            file.unlink()
            until(lambda: panel.board["models"] and not panel.board["trouble"])
        finally:
            panel.close()
            assert panel.feed.wait_closed(60)


def test_what_others_change_is_seen_and_numbers_outlive_the_server(
    tmp_path: Path, until: Until
) -> None:
    """A friend's open panel follows the list and each question; a new server knows them still."""
    given = {"data": tmp_path, "model_prices": {"openai:x": [2.0, 4.0]}}
    with LocalWorkbench(load_settings(**given), may_run=False) as workbench:
        friend = workbench.security.add_user("friend", "a long enough password")
        panel = ModelsPanel(workbench.as_user(friend.user_id))
        try:
            panel.wish = {"do": "ready", "visit": "v", "seq": 0}
            until(lambda: panel.board["models"])
            models_of(workbench).put([Choice(model="openai:x"), Choice(model="offline")])
            until(lambda: panel.board["models"][0]["model"] == "openai:x")
            assert panel.board["models"][0]["since"] is None
            asked = Asked(workbench.engine, workbench.user.user_id, None)
            for seconds, reason in ((3.0, ""), (1.0, ""), (0.1, "connection refused")):
                attempt = {"model": "openai:x", "seconds": seconds, "reason": reason}
                after_asking(asked, "", [attempt], None, 1_000_000, 500_000)
            after_asking(asked, "", [{"model": "gone", "seconds": 1, "reason": ""}], None, 1, 1)
            until(lambda: panel.board["models"][0]["failures"] == 1)
        finally:
            panel.close()
            assert panel.feed.wait_closed(60)
    with LocalWorkbench(load_settings(**given), may_run=False) as workbench:
        first, offline = models_of(workbench).list().models
        assert (first.answers, first.failures, first.median_s) == (2, 1, 2.0)
        assert (first.tokens_in, first.tokens_out, first.cost) == (2_000_000, 1_000_000, 8.0)
        assert first.error == "connection refused" and first.since is not None
        assert (offline.answers, offline.since) == (0, None)


def test_a_number_that_is_none_is_refused_and_a_comma_is_one(tmp_path: Path, until: Until) -> None:
    """What was typed into the time limit is read as people write numbers."""
    with LocalWorkbench(load_settings(data=tmp_path), may_run=False) as workbench:
        panel = ModelsPanel(workbench)
        try:
            refused = wish(panel, until, do="add", model="openai:x", timeout_s="soon")
            assert "given 'soon', expected a number" in refused["problem"]
            assert not wish(panel, until, do="add", model="openai:x", timeout_s="2,5")["problem"]
            assert panel.board["models"][0]["timeout_s"] == 2.5
            assert not wish(panel, until, do="undo")["problem"]
            assert [one["model"] for one in panel.board["models"]] == ["offline"]
        finally:
            panel.close()
            assert panel.feed.wait_closed(60)
