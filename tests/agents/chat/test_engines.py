"""A turn over the other engines: on a Dask cluster, and with PostgreSQL as the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fraktal_kernel.agents.chat.chat import LocalChat
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench
from tests.agents.chat.conftest import KEY, MODULES, PATIENCE_S, Desk
from tests.agents.chat.test_turn import ECHO, calls_of, said_by
from tests.agents.scripted import Call, says, scripted, turns


@contextmanager
def desk_over(data: Path, **engine: str) -> Iterator[Desk]:
    """Open a workbench over an engine, with a scripted model."""
    with (
        scripted(turns(("I call.", Call(ECHO, {"text": "abc"})), ("It said ", "abc."))) as server,
        Workbench.open(
            data=data,
            workers=1,
            models=[server.spec],
            model_keys={server.spec: KEY},
            model_first_token_s=60,
            capability_modules=MODULES,
            **engine,
        ) as workbench,
    ):
        assert isinstance(workbench, LocalWorkbench) and isinstance(workbench.chat, LocalChat)
        yield Desk(workbench, workbench.chat, server)


def test_a_turn_on_a_dask_cluster(dask_scheduler: str, tmp_path: Path) -> None:
    """It streams, begins its call on the cluster, and is taken up there behind it."""
    with desk_over(tmp_path, dask_scheduler=dask_scheduler) as desk:
        answer = desk.say("Say abc")
        assert (answer.state, answer.text) == ("done", "I call.\n\nIt said abc.")
        (call,) = calls_of(answer)
        assert (call["state"], call["result"]) == ("succeeded", {"text": "abc"})
        assert "text" in {said["say"] for said in said_by(desk, answer.job_id)}
        assert answer.details.model == desk.server.spec and len(desk.server.asked) == 2


def test_a_turn_with_postgresql(make_postgres_url: Callable[[], str], tmp_path: Path) -> None:
    """It calls, branches beside an earlier question, and is found by its words."""
    with desk_over(tmp_path, database_url=make_postgres_url()) as desk:
        answer = desk.say("Say abc")
        assert (answer.state, answer.text) == ("done", "I call.\n\nIt said abc.")
        assert answer.details.model == desk.server.spec and answer.parent_id
        desk.server.script = says("Otherwise.")
        turn = desk.chat.edit(answer.parent_id, "Ask OTHERWISE: ŻÓŁW")
        desk.workbench.job(turn.job_id).wait(PATIENCE_S)
        question, other = desk.chat.messages(turn.conversation_id)
        assert (other.text, len(question.branches)) == ("Otherwise.", 2)
        for words in ("SAID abc", "otherwise żółw"):
            assert [each.id for each in desk.chat.conversations(words)] == [turn.conversation_id]
        assert not desk.chat.conversations("nothing-of-that")
