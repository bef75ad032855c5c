"""The chat panel shows an answer from its beginning, whenever one comes to look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fraktal_kernel.agents.chat.book import Book
from fraktal_kernel.core.jobs.journal import Submission
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.settings import load_settings
from fraktal_widgets import ChatPanel

Until = Callable[..., None]


def test_who_comes_in_the_middle_sees_what_was_said_before(tmp_path: Path, until: Until) -> None:
    """Words and calls of an open answer stand there, once, and what comes later follows them."""
    with LocalWorkbench(load_settings(data=tmp_path), may_run=False) as workbench:
        engine, owner_id = workbench.engine, workbench.user.user_id
        ((job, _),) = engine.journal.submit([Submission(owner_id, "chat.turn", "{}")])
        book = Book(engine.database, engine.events, owner_id)
        turn = book.open_turn(job, "Write to Ada", None, None)

        def say(**payload: object) -> None:
            with engine.database.write() as tx:
                said = {"request": 1, **payload}
                engine.events.append(tx, "jobs.said", str(job), owner_id, said)

        call = {"id": "1.0", "capability": "test.deed", "arguments": {}, "state": "runs"}
        say(say="request", model="offline")
        say(say="text", text="I write")
        panel = ChatPanel(workbench)
        try:
            where = turn.conversation_id
            panel.wish = {"do": "open", "conversation": where, "visit": "v", "seq": 0}
            until(lambda: panel.board["messages"] and panel.stream)
            say(say="text", text=" to her.")
            say(say="call", job=None, **call)
            until(lambda: len(panel.stream["parts"]) == 2)
            for parts in (panel.stream["parts"], book.message(turn.answer_id).details.parts):
                assert [part["say"] for part in parts] == ["text", "call"]
                assert parts[0]["text"] == "I write to her."
            assert book.messages(where)[-1].text == "I write to her."
        finally:
            panel.close()
            assert panel.feed.wait_closed(60)
