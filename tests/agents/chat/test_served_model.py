"""A chat with a real language model server, until that is killed in the middle of a word."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraktal_kernel.agents.chat.transcript import replay, text_of
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import JobFailed
from tests.agents.chat.conftest import Desk
from tests.agents.chat.test_turn import said_by, until
from tests.agents.scripted import says, scripted
from tests.agents.served_model import ModelServer, served_model

ENOUGH_S = 8.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """Serve a tiny model."""
    with served_model(tmp_path_factory.mktemp("model")) as server:
        yield server


@pytest.fixture(scope="module")
def desk(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Open a workbench whose chat has this model, and the offline one after it."""
    data: Path = tmp_path_factory.mktemp("chat")
    with scripted(says()) as unused:
        with Workbench.open(
            data=data,
            workers=1,
            models=[server.spec, "offline"],
            model_timeout_s=ENOUGH_S,
            model_cache_days=0,
        ) as workbench:
            assert isinstance(workbench, LocalWorkbench)
            yield Desk(workbench, workbench.chat, unused)


def words_of(desk: Desk, job: int, model: str) -> str:
    """Return what a model has said so far in a turn."""
    said = said_by(desk, job)
    begun = [each for each in said if each["say"] == "request"]
    return text_of(replay(said)) if begun and begun[-1]["model"] == model else ""


def test_a_stopped_answer_keeps_the_words_that_had_come(desk: Desk, server: ModelServer) -> None:
    """Tokens come one after the other; stopping ends them at once, and what came stays."""
    turn = desk.chat.send("Tell me a story")
    until(lambda: len(words_of(desk, turn.job_id, server.spec)) > 5)
    desk.chat.stop(turn.answer_id)
    with pytest.raises(JobFailed, match="cancelled"):
        desk.workbench.job(turn.job_id).wait(60)
    answer = desk.answer(turn)
    assert answer.state == "stopped" and len(answer.text) > 5
    pieces = [each for each in said_by(desk, turn.job_id) if each["say"] == "text"]
    assert "".join(each["text"] for each in pieces) == answer.text


def test_a_model_that_never_ends_is_given_up(desk: Desk, server: ModelServer) -> None:
    """Either its server lets it say so much and no more, or our time limit does."""
    turn = desk.chat.send("Tell me a long story")
    desk.workbench.job(turn.job_id).wait(120)
    answer = desk.answer(turn)
    assert answer.state == "done" and answer.text
    if answer.details.model == server.spec:
        assert answer.details.tokens_out > 0
    else:
        notes = [part["text"] for part in answer.details.parts if part["say"] == "note"]
        assert notes == [
            f"{server.spec} did not answer (no end within {ENOUGH_S:g} s), so offline answered."
        ]


def test_a_server_killed_in_the_middle_is_followed_by_the_next_model(
    desk: Desk, server: ModelServer
) -> None:
    """Half an answer is void and said to be; the offline model answers, and says why it does."""
    turn = desk.chat.send("hello")
    until(lambda: len(words_of(desk, turn.job_id, server.spec)) > 3)
    server.stop(signal.SIGKILL)
    desk.workbench.job(turn.job_id).wait(120)
    answer = desk.answer(turn)
    assert answer.state == "done" and answer.details.model == "offline"
    note, text = answer.details.parts
    assert note["text"].startswith(f"{server.spec} did not answer (")
    assert text["text"].startswith("Hello!") and answer.text == text["text"]
    assert text_of(replay(said_by(desk, turn.job_id))) == answer.text
    again = desk.say("hello again")
    assert "connection refused" in again.details.parts[0]["text"]
