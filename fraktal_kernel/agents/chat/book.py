"""One person's conversations in the database: a tree of messages each, of which nothing is lost.

A question and its answer belong to one turn, which is a job. To change an earlier question is to
ask another one behind the same parent: a branch. What a turn that was stopped or killed had said
is put together from its events when somebody looks.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from fraktal_kernel.agents.chat.model import (
    TEXT_MAX_CHARS,
    AnswerDetails,
    ConversationView,
    MessageView,
    Turn,
)
from fraktal_kernel.agents.chat.transcript import replay, text_of
from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.values import checked_limit
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound

MAX_ID = 2**63 - 1
TITLE_MAX_CHARS = 200
#: How far back a language model is reminded of a conversation, in characters.
HISTORY_MAX_CHARS = 400_000
#: The parent of a first message, where another one than the newest branch is meant.
BEGINNING = 0

_MESSAGE = (
    "id, conversation_id, parent_id, job_id, role, state, text, error, details, created_at, memory"
)
_UNDER_WAY = (
    "SELECT id FROM job WHERE id = :id AND state NOT IN ('succeeded', 'failed', 'cancelled')"
)


class Book:
    """The conversations of one person."""

    def __init__(self, database: Database, events: Events, owner_id: int) -> None:
        self._database = database
        self._events = events
        self._owner_id = owner_id

    # ------------------------------------------------------------------ conversations

    def conversations(
        self, search: str = "", limit: int = 50, before: int | None = None, deleted: bool = False
    ) -> list[ConversationView]:
        """List conversations, the newest first; ``search`` looks for words in title and messages.

        Parameters
        ----------
        before : only those older than the conversation of this number
        deleted : those that were deleted instead of those that are there
        """
        values: dict[str, Any] = {"owner_id": self._owner_id, "limit": checked_limit(limit)}
        sql = (
            "SELECT id, title, tip_id, created_at, changed_at, deleted_at FROM conversation"
            " WHERE owner_id = :owner_id AND deleted_at IS"
        ) + (" NOT NULL" if deleted else " NULL")
        for number, word in enumerate(search.split()[:8]):
            values[f"word{number}"] = f"%{_literally(word.lower())}%"
            like = f"LOWER({{0}}) LIKE :word{number} ESCAPE '!'"
            sql += (
                f" AND ({like.format('title')} OR EXISTS (SELECT 1 FROM chat_message WHERE"
                f" conversation_id = conversation.id AND {like.format('text')}))"
            )
        if before is not None:
            values["before"] = max(0, min(before, MAX_ID))
            sql += " AND id < :before"
        with self._database.read() as tx:
            rows = tx.rows(sql + " ORDER BY id DESC LIMIT :limit", values)
        return [
            ConversationView(
                id=row[0],
                title=row[1],
                tip_id=row[2],
                created_at=_time(row[3]),
                changed_at=_time(row[4]),
                deleted=row[5] is not None,
            )
            for row in rows
        ]

    def conversation(self, conversation_id: int) -> ConversationView:
        """Return one conversation; somebody else's does not exist."""
        with self._database.read() as tx:
            row = self._row(tx, conversation_id)
        return ConversationView(
            id=row[0],
            title=row[1],
            tip_id=row[2],
            created_at=_time(row[3]),
            changed_at=_time(row[4]),
            deleted=row[5] is not None,
        )

    def _row(self, tx: Transaction, conversation_id: int) -> tuple[Any, ...]:
        row = None
        if 0 < conversation_id <= MAX_ID:
            row = tx.row(
                "SELECT id, title, tip_id, created_at, changed_at, deleted_at FROM conversation"
                " WHERE id = :id AND owner_id = :owner_id",
                {"id": conversation_id, "owner_id": self._owner_id},
            )
        if row is None:
            raise NotFound(f"there is no conversation {conversation_id}.")
        return row

    def rename(self, conversation_id: int, title: str) -> ConversationView:
        """Give a conversation another title."""
        title = " ".join(title.split())
        if not 1 <= len(title) <= TITLE_MAX_CHARS:
            raise InvalidInput(
                f"title: given {len(title)} characters, expected 1 to {TITLE_MAX_CHARS}."
            )
        self._change(conversation_id, "title = :title", {"title": title})
        return self.conversation(conversation_id)

    def delete(self, conversation_id: int) -> ConversationView:
        """Put a conversation away; :meth:`restore` brings it back."""
        self._change(conversation_id, "deleted_at = :now", {"now": time.time()})
        return self.conversation(conversation_id)

    def restore(self, conversation_id: int) -> ConversationView:
        """Bring a deleted conversation back."""
        self._change(conversation_id, "deleted_at = NULL", {})
        return self.conversation(conversation_id)

    def show(self, conversation_id: int, message_id: int) -> ConversationView:
        """Show the branch that a message belongs to, down to its newest message."""
        with self._database.write() as tx:
            self._row(tx, conversation_id)
            tip = self._message(tx, message_id, conversation_id)[0]
            while newer := tx.row(
                "SELECT MAX(id) FROM chat_message WHERE parent_id = :id AND owner_id = :owner_id",
                {"id": tip, "owner_id": self._owner_id},
            ):
                if newer[0] is None:
                    break
                tip = newer[0]
            self._set_tip(tx, conversation_id, tip)
        return self.conversation(conversation_id)

    def _change(self, conversation_id: int, what: str, values: dict[str, Any]) -> None:
        with self._database.write() as tx:
            self._row(tx, conversation_id)
            tx.execute(
                f"UPDATE conversation SET {what} WHERE id = :id", {**values, "id": conversation_id}
            )
            self._tell(tx, conversation_id, {"changed": what.partition(" ")[0]})

    def _set_tip(self, tx: Transaction, conversation_id: int, tip: int) -> None:
        tx.execute(
            "UPDATE conversation SET tip_id = :tip, changed_at = :now WHERE id = :id",
            {"tip": tip, "now": time.time(), "id": conversation_id},
        )

    def _tell(self, tx: Transaction, conversation_id: int, payload: dict[str, Any]) -> None:
        topic = "chat.message" if "message" in payload else "chat.conversation"
        self._events.append(tx, topic, str(conversation_id), self._owner_id, payload)

    # ------------------------------------------------------------------ messages

    def messages(self, conversation_id: int, tip: int | None = None) -> list[MessageView]:
        """Return one branch of a conversation, the first message first.

        Parameters
        ----------
        tip : its last message; by default that of the branch that is shown
        """
        self._settle(conversation_id)
        with self._database.read() as tx:
            row = self._row(tx, conversation_id)
            if tip is None:
                tip = row[2]
            if tip is None:
                return []
            self._message(tx, tip, conversation_id)
            path = [self._so_far(tx, each) for each in self._path(tx, tip)]
            siblings = tx.rows(
                "SELECT parent_id, id FROM chat_message WHERE conversation_id = :id ORDER BY id",
                {"id": conversation_id},
            )
        branches: dict[int | None, list[int]] = {}
        for parent_id, message_id in siblings:
            branches.setdefault(parent_id, []).append(message_id)
        return [_view(each, branches[each[2]]) for each in path]

    def message(self, message_id: int) -> MessageView:
        """Return one message."""
        with self._database.read() as tx:
            row = self._message(tx, message_id)
        self._settle(row[1])
        with self._database.read() as tx:
            row = self._so_far(tx, self._message(tx, message_id))
            rows = tx.rows(
                "SELECT id FROM chat_message WHERE conversation_id = :conversation AND"
                " COALESCE(parent_id, 0) = :parent ORDER BY id",
                {"conversation": row[1], "parent": row[2] or 0},
            )
        return _view(row, [int(each[0]) for each in rows])

    def _message(
        self, tx: Transaction, message_id: int, conversation_id: int | None = None
    ) -> tuple[Any, ...]:
        row = None
        if 0 < message_id <= MAX_ID:
            row = tx.row(
                f"SELECT {_MESSAGE} FROM chat_message WHERE id = :id AND owner_id = :owner_id",
                {"id": message_id, "owner_id": self._owner_id},
            )
        if row is None or conversation_id not in (None, row[1]):
            where = "" if conversation_id is None else f" in conversation {conversation_id}"
            raise NotFound(f"there is no message {message_id}{where}.")
        return row

    def _said(self, tx: Transaction, job_id: int) -> tuple[list[dict[str, Any]], int]:
        """Put together what a turn has said, and name the last event of it."""
        said = tx.rows(
            "SELECT payload, seq FROM event WHERE subject = :subject AND topic = 'jobs.said'"
            " ORDER BY seq",
            {"subject": str(job_id)},
        )
        return replay(json.loads(each[0]) for each in said), said[-1][1] if said else 0

    def _so_far(self, tx: Transaction, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give an open answer what has come of it, for whoever comes in the middle."""
        if row[5] != "open":
            return row
        parts, seq = self._said(tx, row[3])
        details = json.dumps({"parts": parts, "seq": seq})
        return (*row[:6], text_of(parts), row[7], details, *row[9:])

    def _path(self, tx: Transaction, tip: int) -> list[tuple[Any, ...]]:
        rows = tx.rows(
            "WITH RECURSIVE up(id, parent_id) AS (SELECT id, parent_id FROM chat_message"
            " WHERE id = :tip UNION ALL SELECT m.id, m.parent_id FROM chat_message m"
            f" JOIN up ON m.id = up.parent_id) SELECT {_MESSAGE} FROM chat_message"
            " WHERE id IN (SELECT id FROM up) ORDER BY id",
            {"tip": tip},
        )
        return rows  # a child is younger than its parent, so numbers are in order

    # ------------------------------------------------------------------ turns

    def check(self, text: str, conversation_id: int | None, parent: int | None) -> None:
        """Refuse what cannot be said, and a place that is missing, deleted, or no answer yet."""
        _stripped(text)
        with self._database.read() as tx:
            self._follows(tx, conversation_id, parent)

    def _follows(
        self, tx: Transaction, conversation_id: int | None, parent: int | None
    ) -> int | None:
        """Return the message that a question follows, None for none."""
        if conversation_id is None:
            if parent:
                raise InvalidInput("parent: a new conversation has no message yet to follow.")
            return None
        row = self._row(tx, conversation_id)
        if row[5] is not None:
            raise Conflict(
                f"conversation {conversation_id} was deleted; restore it to go on with it."
            )
        parent = row[2] if parent is None else parent
        if not parent:
            return None
        before = self._message(tx, parent, conversation_id)
        if before[4] != "assistant":
            raise InvalidInput(
                f"parent: message {parent} is a question; name the answer that comes before."
            )
        if before[5] == "open" and tx.rows(_UNDER_WAY, {"id": before[3]}):
            raise Conflict(
                f"answer {parent} is still being given; wait for its end, or stop it, and then go "
                "on behind it."
            )
        return parent

    def open_turn(
        self, job_id: int, text: str, conversation_id: int | None, parent: int | None
    ) -> Turn:
        """Write a question and the place of its answer; once more for one job does no harm.

        Parameters
        ----------
        conversation_id : where, None for a new conversation
        parent : the message that the question follows, :data:`BEGINNING` for none; by default
            the newest of the branch that is shown
        """
        text = _stripped(text)
        with self._database.write() as tx:
            there = tx.rows(
                "SELECT role, id, conversation_id FROM chat_message WHERE job_id = :job_id"
                " AND owner_id = :owner_id ORDER BY id",
                {"job_id": job_id, "owner_id": self._owner_id},
            )
            if not there:
                there = self._insert_turn(tx, job_id, text, conversation_id, parent)
            else:  # a turn that was stopped or failed is tried again
                tx.execute(
                    "UPDATE chat_message SET state = 'open', error = '' WHERE id = :id"
                    " AND state IN ('stopped', 'failed')",
                    {"id": there[1][1]},
                )
        question, answer = there
        return Turn(
            conversation_id=answer[2], question_id=question[1], answer_id=answer[1], job_id=job_id
        )

    def _insert_turn(
        self,
        tx: Transaction,
        job_id: int,
        text: str,
        conversation_id: int | None,
        parent: int | None,
    ) -> list[tuple[Any, ...]]:
        now = time.time()
        above = self._follows(tx, conversation_id, parent)
        if conversation_id is None:
            made = tx.row(
                "INSERT INTO conversation(owner_id, title, created_at, changed_at)"
                " VALUES(:owner_id, :title, :now, :now) RETURNING id",
                {"owner_id": self._owner_id, "title": title_of(text), "now": now},
            )
            assert made is not None
            conversation_id = int(made[0])
            self._tell(tx, conversation_id, {"changed": "created"})
        rows = []
        for role, state, words in (("user", "done", text), ("assistant", "open", "")):
            row = tx.row(
                "INSERT INTO chat_message(owner_id, conversation_id, parent_id, job_id, role,"
                " state, text, error, details, memory, created_at) VALUES(:owner_id,"
                " :conversation_id, :parent_id, :job_id, :role, :state, :text, '', '{}', '[]',"
                " :now) RETURNING id",
                {
                    "owner_id": self._owner_id,
                    "conversation_id": conversation_id,
                    "parent_id": above,
                    "job_id": job_id,
                    "role": role,
                    "state": state,
                    "text": words,
                    "now": now,
                },
            )
            assert row is not None
            above = int(row[0])
            rows.append((role, above, conversation_id))
            self._tell(tx, conversation_id, {"message": above, "state": state, "job": job_id})
        assert above is not None
        self._set_tip(tx, conversation_id, above)
        return rows

    def history(self, answer_id: int) -> list[dict[str, Any]]:
        """Return what comes before an answer, its own question last, for a language model.

        Whole turns are left out from the beginning on where it is too much.
        """
        with self._database.read() as tx:
            conversation_id = self._message(tx, answer_id)[1]
        self._settle(conversation_id)
        with self._database.read() as tx:
            path = self._path(tx, answer_id)[:-1]
        told: list[dict[str, Any]] = []
        room = HISTORY_MAX_CHARS
        for row in reversed(path):
            room -= len(row[6]) + len(row[10])
            if room < 0 and told and told[0]["role"] == "user":
                break
            memory = json.loads(row[10])
            told.insert(0, {"role": row[4], "state": row[5], "text": row[6], "memory": memory})
        return told

    def finish(
        self, answer_id: int, details: dict[str, Any], memory: list[Any], cost: float | None
    ) -> None:
        """Write an answer that is complete; once more does no harm."""
        parts = details["parts"]
        with self._database.write() as tx:
            row = self._message(tx, answer_id)
            tx.execute(
                "UPDATE chat_message SET state = 'done', error = '', text = :text,"
                " details = :details, memory = :memory WHERE id = :id",
                {
                    "text": text_of(parts),
                    "details": json.dumps({**details, "cost": cost}),
                    "memory": json.dumps(memory),
                    "id": answer_id,
                },
            )
            self._tell(tx, row[1], {"message": answer_id, "state": "done", "job": row[3]})

    def _settle(self, conversation_id: int) -> None:
        """Write down what turns had said that were stopped, or failed, in the middle."""
        open_answers = (
            "SELECT m.id, m.job_id, j.state, j.error FROM chat_message m JOIN job j"
            " ON j.id = m.job_id WHERE m.conversation_id = :id AND m.owner_id = :owner_id"
            " AND m.state = 'open' AND j.state IN ('failed', 'cancelled')"
        )
        values = {"id": conversation_id, "owner_id": self._owner_id}
        with self._database.read() as tx:
            if not tx.rows(open_answers, values):
                return
        with self._database.write() as tx:
            for message_id, job_id, job_state, error in tx.rows(open_answers, values):
                parts, _ = self._said(tx, job_id)
                state = "stopped" if job_state == "cancelled" else "failed"
                tx.execute(
                    "UPDATE chat_message SET state = :state, text = :text, error = :error,"
                    " details = :details WHERE id = :id",
                    {
                        "state": state,
                        "text": text_of(parts),
                        "error": error or "",
                        "details": json.dumps({"parts": parts}),
                        "id": message_id,
                    },
                )
                told = {"message": message_id, "state": state, "job": job_id}
                self._tell(tx, conversation_id, told)


def _stripped(text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= TEXT_MAX_CHARS:
        raise InvalidInput(
            f"text: given {len(text):,} characters, expected 1 to {TEXT_MAX_CHARS:,}."
        )
    return text


def title_of(text: str) -> str:
    """Make the first words of a question a title.

    Examples
    --------
    >>> title_of("Render the  seahorse valley")
    'Render the seahorse valley'
    """
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:59].rsplit(" ", 1)[0] + "…"


def _literally(word: str) -> str:
    """Write a word so that LIKE takes each of its characters as it stands."""
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _view(row: tuple[Any, ...], branches: list[int]) -> MessageView:
    return MessageView(
        id=row[0],
        conversation_id=row[1],
        parent_id=row[2],
        job_id=row[3],
        role=row[4],
        state=row[5],
        text=row[6],
        error=row[7],
        details=AnswerDetails(**json.loads(row[8])),
        created_at=_time(row[9]),
        branches=branches,
    )
