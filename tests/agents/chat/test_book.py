"""Conversations are a tree per person that can be searched, renamed, put away and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fraktal_kernel.agents.chat.book import BEGINNING, Book, title_of
from fraktal_kernel.agents.chat.model import TEXT_MAX_CHARS
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.journal import Journal, Submission
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound


class Shelf:
    """The books of two people in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.events = Events(database)
        self.journal = Journal(database, self.events)
        security = Security(database)
        self.mine = self._book(security.local_user().user_id)
        self.theirs = self._book(security.add_user("other", "a long enough password").user_id)

    def _book(self, owner_id: int) -> tuple[Book, int]:
        return Book(self.database, self.events, owner_id), owner_id

    def say(self, text: str, where: int | None = None, parent: int | None = None) -> int:
        """Say something and have it answered; returns the answer's number."""
        book, owner_id = self.mine
        ((job, _),) = self.journal.submit([Submission(owner_id, "chat.turn", "{}")])
        turn = book.open_turn(job, text, where, parent)
        parts = [{"say": "text", "request": 1, "text": f"You said: {text}"}]
        book.finish(turn.answer_id, {"parts": parts}, [{"said": text}], None)
        return turn.answer_id


@pytest.fixture(params=["sqlite", "postgres"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """Give empty books in a database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    else:
        url = request.getfixturevalue("new_postgres_url")
    database = Database(url)
    database.migrate()
    yield Shelf(database)
    database.close()


def test_a_conversation_is_found_by_its_words(shelf: Shelf) -> None:
    """Every word has to be there, in the title or in a message, in any case, and literally."""
    book = shelf.mine[0]
    shelf.say("Where is the Seahorse valley?")
    shelf.say("Zażółć GĘŚLĄ jaźń, 100% sure_thing")
    assert [one.title for one in book.conversations("seahorse WHERE")] == [
        "Where is the Seahorse valley?"
    ]
    assert len(book.conversations("you said")) == 2
    words = ("GĘŚLĄ", "100%", "0%0", "sure_", "sure%")
    assert [len(book.conversations(word)) for word in words] == [1, 1, 0, 1, 0]
    assert book.conversations("seahorse gęślą") == []
    first, second = book.conversations()
    assert first.id > second.id
    assert book.conversations(limit=1, before=first.id) == [second]


def test_a_deleted_conversation_can_be_brought_back(shelf: Shelf) -> None:
    """Put away, it takes no more messages; brought back, all of it is there."""
    book = shelf.mine[0]
    where = book.message(shelf.say("hello")).conversation_id
    assert book.delete(where).deleted and book.conversations() == []
    assert [one.id for one in book.conversations(deleted=True)] == [where]
    with pytest.raises(Conflict, match="restore it"):
        shelf.say("more", where)
    assert not book.restore(where).deleted
    assert [each.text for each in book.messages(where)] == ["hello", "You said: hello"]
    assert book.rename(where, "  Of\n greetings ").title == "Of greetings"
    with pytest.raises(InvalidInput, match="title: given 0 characters"):
        book.rename(where, " ")


def test_what_is_somebody_elses_does_not_exist(shelf: Shelf) -> None:
    """Another person finds, reads, changes and continues nothing of mine."""
    answer = shelf.say("my secret")
    where = shelf.mine[0].message(answer).conversation_id
    theirs = shelf.theirs[0]
    assert theirs.conversations("secret") == []
    for act in (
        lambda: theirs.messages(where),
        lambda: theirs.message(answer),
        lambda: theirs.rename(where, "mine"),
        lambda: theirs.delete(where),
        lambda: theirs.show(where, answer),
        lambda: theirs.history(answer),
        lambda: theirs.check("hello", where, None),
        lambda: theirs.finish(answer, {"parts": []}, [], None),
    ):
        with pytest.raises(NotFound):
            act()


def test_history_is_one_branch_and_no_longer_than_it_may_be(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is told what leads to its answer; of too much the oldest turns are left out."""
    book = shelf.mine[0]
    first = shelf.say("one")
    where = book.message(first).conversation_id
    second = shelf.say("two", where)
    shelf.say("three", where)
    other = shelf.say("instead of two", where, parent=first)
    told = [each["text"] for each in book.history(other)]
    assert told == ["one", "You said: one", "instead of two"]
    assert book.history(second)[1]["memory"] == [{"said": "one"}]
    fresh = shelf.say("from the beginning", where, parent=BEGINNING)
    assert [each["text"] for each in book.history(fresh)] == ["from the beginning"]
    monkeypatch.setattr("fraktal_kernel.agents.chat.book.HISTORY_MAX_CHARS", 30)
    assert [each["text"] for each in book.history(other)] == ["instead of two"]


def test_places_that_cannot_be_answered_are_refused(shelf: Shelf) -> None:
    """A question behind a question, a message of another conversation, and too long a text."""
    book = shelf.mine[0]
    answer = shelf.say("hello")
    where = book.message(answer).conversation_id
    elsewhere = shelf.say("elsewhere")
    question = book.messages(where)[0].id
    with pytest.raises(InvalidInput, match="is a question"):
        shelf.say("more", where, question)
    with pytest.raises(NotFound, match="in conversation"):
        shelf.say("more", where, elsewhere)
    with pytest.raises(InvalidInput, match="no message yet"):
        shelf.say("more", None, answer)
    with pytest.raises(InvalidInput, match="text: given 100,001 characters"):
        shelf.say("x" * (TEXT_MAX_CHARS + 1))
    with pytest.raises(InvalidInput, match="text: given 0 characters"):
        shelf.say("   ")
    assert len(book.conversations()) == 2


def test_what_is_still_being_answered_is_waited_for(shelf: Shelf) -> None:
    """Behind an open answer nothing is asked; beside it, or once it was stopped, it may be."""
    book, owner_id = shelf.mine
    ((job, _),) = shelf.journal.submit([Submission(owner_id, "chat.turn", "{}")])
    turn = book.open_turn(job, "draw it", None, None)
    where = turn.conversation_id
    for parent in (None, turn.answer_id):
        with pytest.raises(Conflict, match=f"answer {turn.answer_id} is still being given"):
            shelf.say("larger", where, parent)
    shelf.say("draw another", where, BEGINNING)
    shelf.journal.cancel(job)
    shelf.say("larger", where, turn.answer_id)


def test_a_turn_has_one_place_however_often_it_is_opened(shelf: Shelf) -> None:
    """A worker that takes a turn up again finds the same question and the same answer."""
    book, owner_id = shelf.mine
    ((job, _),) = shelf.journal.submit([Submission(owner_id, "chat.turn", "{}")])
    turns = [book.open_turn(job, "hello", None, None) for _ in range(3)]
    assert turns[0] == turns[1] == turns[2]
    assert len(book.messages(turns[0].conversation_id)) == 2


def test_a_title_is_the_first_words() -> None:
    """Long questions are cut between words."""
    assert title_of("word " * 40) == "word " * 10 + "word…"
