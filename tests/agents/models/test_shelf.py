"""The list of language models: changed by people, kept in a file, and right in every process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.agents.models.keeper import LocalModels, choices_of
from fraktal_kernel.agents.models.shelf import (
    Choice,
    Shelf,
    added,
    changed,
    moved,
    read_specs,
    removed,
)
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.errors import Conflict, FraktalError, InvalidInput, NotAllowed
from tests.agents.scripted import says, scripted

OFFLINE = Choice(model="offline")
QWEN = Choice(model="ollama:qwen3", timeout_s=20)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give the settings of an empty workspace, where nothing says which models there are."""
    return load_settings(data=tmp_path)


def names(settings: Settings) -> list[str]:
    """Name the models as whoever asks them reads the list."""
    return [spec.spec for spec in read_specs(settings)]


def test_a_change_holds_at_once_and_undo_is_its_own_opposite(settings: Settings) -> None:
    """Whoever reads next reads the new list; undo brings the old one back, and again the new."""
    shelf = Shelf(settings)
    assert names(settings) == ["offline"]
    with pytest.raises(Conflict, match="no change"):
        shelf.undo()
    shelf.put(added(shelf.read().now, QWEN))
    assert [(spec.spec, spec.timeout_s) for spec in read_specs(settings)] == [
        ("ollama:qwen3", 20),
        ("offline", None),
    ]
    assert shelf.undo().now == (OFFLINE,) and names(settings) == ["offline"]
    assert shelf.undo().now == (QWEN, OFFLINE) and names(settings) == ["ollama:qwen3", "offline"]


def test_environment_and_file_win_and_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the list is set elsewhere it is read from there, and a change says where."""
    Shelf(settings).put([QWEN])
    (settings.data / "fraktal.toml").write_text('models = ["openai:a"]')
    by_file = load_settings(data=settings.data)
    assert names(by_file) == ["openai:a"]
    with pytest.raises(InvalidInput, match=r"set by the file .*fraktal\.toml"):
        Shelf(by_file).put([OFFLINE])
    monkeypatch.setenv("FRAKTAL_MODELS", '["openai:b"]')
    by_variable = load_settings(data=settings.data)
    assert names(by_variable) == ["openai:b"]
    with pytest.raises(InvalidInput, match="environment FRAKTAL_MODELS"):
        Shelf(by_variable).undo()
    given = load_settings(data=settings.data, models=["openai:c"])
    assert names(given) == ["openai:c"] and "an argument" in Shelf(given).fixed


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ([], "given 0"),
        ([OFFLINE, OFFLINE], "on the list already"),
        ([Choice(model="anthropic:x")], "expected offline, ollama:NAME"),
        ([Choice(model="openai:x@http://h:99999/v1")], "http://h:99999/v1"),
        ([Choice(model="openai:x@http://h/v1?key=abc")], "expected such as"),
        ([Choice(model="openai:x", timeout_s=0)], "more than 0"),
        ([Choice(model="openai:x", timeout_s=float("nan"))], "more than 0"),
        ([Choice(model="openai:x", timeout_s=1e9)], "86400"),
        ([Choice(model="offline", key_variable="LAB_API_KEY")], "needs no key"),
        ([Choice(model="openai:x@http://h/v1", key_variable="OPENAI_API_KEY")], "own server only"),
        ([Choice(model="openai:x", key_variable="FRAKTAL_X_API_KEY")], "ends with _API_KEY"),
        ([Choice(model="openai:x", key_variable="PATH")], "ends with _API_KEY"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_changes(
    settings: Settings, choices: list[Choice], said: str
) -> None:
    """One sentence each, before anything is written."""
    with pytest.raises(InvalidInput, match=said):
        Shelf(settings).put(choices)
    assert list(settings.data.iterdir()) == []


def test_a_key_that_is_given_for_its_name_is_not_repeated(settings: Settings) -> None:
    """People paste the key itself; it stands in no sentence and no file."""
    with pytest.raises(InvalidInput) as refused:
        Shelf(settings).put([Choice(model="openai:x", key_variable="sk-secret")])
    assert "sk-secret" not in str(refused.value)


def test_a_key_comes_from_its_variable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file holds the name, the question is asked with what stands behind it."""
    monkeypatch.setenv("LAB_API_KEY", "sk-lab")
    choice = Choice(model="openai:x@http://10.0.0.5/v1", key_variable="LAB_API_KEY")
    Shelf(settings).put([choice])
    assert read_specs(settings)[0].key == "sk-lab"
    assert "sk-lab" not in (settings.data / "models.json").read_text()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"now": [], "version": 1}', '{"now": 3}'])
def test_a_broken_file_is_named(settings: Settings, text: str) -> None:
    """What is no list of models is told with its place, and is not written over."""
    file = settings.data / "models.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r"models\.json.*mend it"):
        read_specs(settings)
    with pytest.raises(InvalidInput, match=r"models\.json"):
        Shelf(settings).put([OFFLINE])
    assert file.read_text() == text


def test_changes_from_many_sides_are_all_kept_or_refused(settings: Settings) -> None:
    """Of those who change the same list one is first, and the others learn that it was changed."""
    version = Shelf(settings).read().version

    def change(number: int) -> bool:
        try:
            Shelf(settings).put([Choice(model=f"openai:{number}")], version)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(change, range(16)))
    assert won.count(True) == 1
    assert names(settings) == [f"openai:{won.index(True)}"]
    assert [file.name for file in settings.data.iterdir()] == ["models.json"]


@given(st.permutations([f"openai:{number}" for number in range(6)]), st.data())
def test_moving_and_removing_keep_all_others(order: list[str], data: st.DataObject) -> None:
    """A move puts one at its place and leaves the order of the others; a removal likewise."""
    choices = [Choice(model=each) for each in order]
    model, place = data.draw(st.sampled_from(order)), data.draw(st.integers(1, 6))
    others = [each for each in order if each != model]
    after = [each.model for each in moved(choices, model, place)]
    assert after.index(model) == place - 1 and [each for each in after if each != model] == others
    assert [each.model for each in removed(choices, model)] == others
    again = [each.model for each in added(removed(choices, model), Choice(model=model), place)]
    assert again == after
    limited = changed(choices, model, 5, "")
    assert [each.model for each in limited if each.timeout_s] == [model]


@pytest.mark.parametrize("place", [0, 4, -1])
def test_there_are_only_so_many_places(place: int) -> None:
    """A place beyond the list is refused, and so is a model that is not on it."""
    with pytest.raises(InvalidInput, match="expected 1 to 2"):
        moved([QWEN, OFFLINE], "offline", place)
    with pytest.raises(InvalidInput, match=r"did you mean 'ollama:qwen3'"):
        removed([QWEN, OFFLINE], "ollama:qwen")


def test_only_an_administrator_changes_it_and_the_audit_log_says_who(settings: Settings) -> None:
    """Others look; a change leaves one row with the models' names."""
    from fraktal_kernel.agents.audit import read

    with LocalWorkbench(settings, may_run=False) as workbench:
        friend = workbench.security.add_user("friend", "a long enough password")
        theirs = LocalModels(workbench.as_user(friend.user_id))
        assert not theirs.list().may_change and choices_of(theirs.list()) == [OFFLINE]
        for change in (lambda: theirs.put([QWEN]), theirs.undo):
            with pytest.raises(NotAllowed, match="administrator"):
                change()
        LocalModels(workbench).put([QWEN, OFFLINE])
        rows = read(workbench.engine.database, None)
    assert [(row.action, row.subject) for row in rows] == [("models.put", "ollama:qwen3, offline")]


def test_a_model_is_tried_alone_and_its_record_is_kept(settings: Settings) -> None:
    """The greeting goes to that model only; answer, time, tokens and failures stand in the list."""
    with (
        LocalWorkbench(settings, may_run=False) as workbench,
        scripted(says("Hello ", "there.")) as server,
    ):
        models = LocalModels(workbench)
        dead = "openai:gone@http://127.0.0.1:1/v1"
        models.put([Choice(model=dead), Choice(model=server.spec, timeout_s=50), OFFLINE])
        tried = workbench.run("chat.try_model", model=server.spec)
        assert (tried.answered, tried.text, tried.reason) == (True, "Hello there.", "")
        assert (tried.tokens_in, tried.tokens_out) == (11, 7)
        failed = workbench.run("chat.try_model", model=dead)
        assert (failed.answered, failed.text, failed.reason) == (False, "", "connection refused")
        with pytest.raises(FraktalError, match="no model on the list"):
            workbench.run("chat.try_model", model="openai:other@http://127.0.0.1:1/v1")
        assert len(server.asked) == 1
        first, second, third = models.list().models
    assert (first.failures, first.error, first.failures_in_a_row) == (1, "connection refused", 1)
    assert (second.answers, second.tokens_in, second.tokens_out) == (1, 11, 7)
    assert second.median_s == pytest.approx(tried.seconds) and third.answers == 0


def test_a_model_has_a_time_limit_of_its_own(settings: Settings) -> None:
    """It wins over the setting, and the reason names it."""
    import threading

    from tests.agents.scripted import Wait

    never = threading.Event()
    with (
        LocalWorkbench(settings, may_run=False) as workbench,
        scripted(says(Wait(never))) as server,
    ):
        LocalModels(workbench).put([Choice(model=server.spec, timeout_s=0.3)])
        tried = workbench.run("chat.try_model", model=server.spec)
        never.set()
    assert tried.reason in ("no word within 0.3 s", "no end within 0.3 s")


def test_the_file_is_small_and_readable(settings: Settings) -> None:
    """It holds the list, the one before, and a number."""
    Shelf(settings).put([QWEN])
    kept = json.loads((settings.data / "models.json").read_text())
    assert kept["now"][0]["model"] == "ollama:qwen3" and kept["before"][0]["model"] == "offline"
