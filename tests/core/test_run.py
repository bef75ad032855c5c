"""What a run promises where no job is: files in memory, values that JSON knows, names that hold."""

from __future__ import annotations

import errno
import gc
import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from fraktal_kernel.core.artifact import Artifact, artifact_name
from fraktal_kernel.core.run import Cancelled, Run
from fraktal_kernel.core.values import share, to_json
from fraktal_kernel.errors import InvalidInput, NotFound, Unavailable


class Point(BaseModel):
    """Something that is no plain JSON value, but can become one."""

    x: int
    name: str = "p"


def test_progress_and_log_reach_who_asked() -> None:
    """A direct call tells its caller how far it is, and says what it has to say."""
    told: list[object] = []
    run = Run.detached(
        on_progress=lambda *what: told.append(what), on_log=lambda *what: told.append(what)
    )
    run.progress(0.5, "half")
    run.progress(9)
    run.log("done", "warning")
    assert told == [(0.5, "half"), (1.0, ""), ("done", "warning")]
    assert (run.job_id, run.attempt) == (None, 1)
    Run.detached().progress(0.1)


@given(st.floats())
def test_a_share_is_between_nothing_and_all(fraction: float) -> None:
    """Whatever comes out of a division can be shown as progress."""
    assert 0 <= share(fraction) <= 1
    assert share(fraction) == fraction or not 0 <= fraction <= 1


@pytest.mark.parametrize("kind", ["bytes", "file", "stream"])
def test_files_are_kept_in_memory(tmp_path: Path, kind: str) -> None:
    """Bytes, a file or a stream become an artifact that can be read and saved."""
    (tmp_path / "in.bin").write_bytes(b"data")
    data = {"bytes": b"data", "file": tmp_path / "in.bin", "stream": io.BytesIO(b"data")}[kind]
    run = Run.detached()
    artifact = run.save("out/picture.png", data)  # type: ignore[arg-type]
    assert (artifact.size_bytes, artifact.media_type) == (4, "image/png")
    assert artifact.sha256 == hashlib.sha256(b"data").hexdigest()
    assert run.artifacts["out/picture.png"].read() == b"data"
    assert artifact.save(tmp_path / "out.png").read_bytes() == b"data"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.bin", "out.png"]


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written leaves nothing behind, and the one of its name as it was."""
    artifact = Run.detached().save("a.txt", b"new")
    with pytest.raises(Unavailable, match="cannot be written"):
        artifact.save(tmp_path / "nowhere" / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(Unavailable, match=r"No space left on device\); make room"):
        artifact.save(tmp_path / "a.txt")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.txt", b"old")]


def test_a_second_file_of_a_name_takes_its_place() -> None:
    """One name is one file."""
    run = Run.detached()
    run.save("a", b"1")
    run.save("a", b"22", media_type="text/x")
    assert {name: each.read() for name, each in run.artifacts.items()} == {"a": b"22"}
    assert run.artifacts["a"].media_type == "text/x"


def test_a_description_alone_has_no_bytes(tmp_path: Path) -> None:
    """What travelled as JSON says where its bytes are to be had, and writes no empty file."""
    artifact = Artifact(name="a", size_bytes=1, sha256="0", media_type="x/y")
    with pytest.raises(NotFound, match="ask its job"):
        artifact.read()
    with pytest.raises(NotFound):
        artifact.save(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["", "/etc/x", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "c:x", "a\0", "a\nb"],
)
def test_names_that_climb_or_hide_are_refused(name: str) -> None:
    """A file's name is a plain relative path, in direct calls as in jobs."""
    with pytest.raises(InvalidInput, match="artifact name: given"):
        Run.detached().save(name, b"")
    for longer in ("x" * 201, "half \ud800 a character"):
        with pytest.raises(InvalidInput):
            artifact_name(longer)


@given(st.text(max_size=30))
def test_a_name_that_is_taken_stays_below(name: str) -> None:
    """Whatever passes as a name lies below the folder that it is joined to."""
    try:
        artifact_name(name)
    except InvalidInput:
        return
    path = Path("/folder", name)
    assert Path("/folder") in path.parents and ".." not in path.parts
    name.encode()


def test_a_step_gives_what_the_journal_would() -> None:
    """A direct call sees the JSON value too, so that a job brings no surprise."""
    run = Run.detached()
    assert run.step("a", lambda: {"point": Point(x=1), "both": (1, 2)}) == {
        "point": {"x": 1, "name": "p"},
        "both": [1, 2],
    }
    with pytest.raises(InvalidInput, match="cannot be kept as JSON"):
        run.step("b", lambda: float("nan"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_is_kept_exactly_or_refused(value: object) -> None:
    """What is taken comes back from JSON as it was; what JSON does not know is refused."""
    try:
        plain = to_json(value)
    except InvalidInput:
        return
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain == value


@pytest.mark.parametrize("value", [object(), float("inf"), [float("nan")], "half \ud800", {1: {2}}])
def test_values_beyond_json(value: object) -> None:
    """The refusal says what may be returned instead; a set becomes a list."""
    if value == {1: {2}}:
        assert to_json(value) == {"1": [2]}
        return
    with pytest.raises(InvalidInput, match="save data as artifacts"):
        to_json(value)


def test_questions_and_cancellation() -> None:
    """A direct call asks whoever is there, and hears when it is cancelled."""
    with pytest.raises(InvalidInput, match="nobody is here to answer 'Sure"):
        Run.detached().ask("Sure?", ["yes"])
    assert Run.detached(ask=lambda text, choices: choices[-1]).ask("?", ["a", "b"]) == "b"
    assert not Run.detached().cancelled
    run = Run.detached(cancelled=lambda: True)
    assert run.cancelled
    for act in (run.check_cancelled, lambda: run.step("a", int), lambda: run.call("x.y")):
        with pytest.raises(Cancelled):
            act()


def test_another_capability_is_called_in_place() -> None:
    """In a direct call a child is an ordinary call, checked as one from outside."""
    import tests.capabilities  # noqa: F401

    run = Run.detached()
    assert run.call("test.echo", text="hi") == {"text": "hi"}
    assert run.artifacts["echo.txt"].read() == b"hi"
    with pytest.raises(InvalidInput, match="text: given 1"):
        run.call("test.echo", text=1)


def test_children_of_a_direct_call_are_done_at_once() -> None:
    """What goes wrong in a child is the child's; the same name gives the same child."""
    import tests.capabilities  # noqa: F401

    run = Run.detached(serve=lambda name, arguments: [name, arguments])
    good = run.begin("test.echo", {"text": "hi"}, name="a")
    bad = run.begin("test.echo", {"text": 1}, name="b")
    assert (good.state, good.result, bad.state) == ("succeeded", {"text": "hi"}, "failed")
    assert bad.error is not None and "text: given 1" in bad.error
    assert run.begin("test.echo", {"text": "again"}, name="a") is good
    with pytest.raises(InvalidInput, match="nothing is under way"):
        run.pause()
    run.say({"text": "half"})
    run.spend(0.5)
    assert (run.said, run.cost) == ([{"text": "half"}], 0.5)
    assert run.request("test.whose", text="x") == ["test.whose", {"text": "x"}]
    with pytest.raises(InvalidInput, match="nobody is here"):
        Run.detached().request("test.whose")
    for act in (lambda: run.spend(-1), lambda: run.spend(float("nan"))):
        with pytest.raises(InvalidInput, match="cost: given"):
            act()
    with pytest.raises(InvalidInput, match=r"said .* bytes at once"):
        run.say({"text": "x" * 100_000})


def test_a_large_file_is_kept_as_a_file(tmp_path: Path) -> None:
    """What lies in the scratch is not read into memory; it is there while an artifact is."""
    run = Run.detached(folder=tmp_path)
    large = run.scratch() / "large.bin"
    large.write_bytes(b"data" * 1000)
    artifact = run.save("large.bin", large)
    assert (artifact.size_bytes, artifact.sha256) == (
        4000,
        hashlib.sha256(b"data" * 1000).hexdigest(),
    )
    links = large.stat().st_nlink
    large.unlink()
    del run
    assert links == 2 and artifact.read() == b"data" * 1000
    del artifact
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_work_of_a_name_goes_on_with_what_a_kill_left(tmp_path: Path) -> None:
    """It finds its files again; at the same time another of that name has its own."""
    killed = (
        "import os, pathlib, sys; from fraktal_kernel.core.run import Run\n"
        "run = Run.detached(folder=pathlib.Path(sys.argv[1]), name='poster')\n"
        "(run.scratch() / 'tiles').write_text('half of them'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(tmp_path)]).returncode == 9
    run, other = (Run.detached(folder=tmp_path, name="poster") for _ in range(2))
    assert (run.scratch() / "tiles").read_text() == "half of them"
    assert not list(other.scratch().iterdir()) and len(list(tmp_path.iterdir())) == 2
    del run, other
    gc.collect()
    assert list(tmp_path.iterdir()) == []
