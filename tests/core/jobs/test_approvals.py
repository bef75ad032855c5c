"""What programs want that cannot be taken back: with a yes, once, and never in doubt unseen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fraktal_kernel import JobHandle, Workbench
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.approvals import LocalApprovals
from fraktal_kernel.core.jobs.effects import AGAIN, GIVE_UP, HAPPENED, digest_of
from fraktal_kernel.core.jobs.journal import Claimed, Fenced, Journal, Outcome, Submission
from fraktal_kernel.core.jobs.model import ApprovalView, JobView
from fraktal_kernel.core.jobs.reading import Reader
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.run import Run
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests import capabilities as _capabilities  # noqa: F401  what the approvals are about
from tests.capabilities import Errand, errand

HOUR_S = 3600.0


class Desk:
    """A journal, and a person who answers what it asks."""

    def __init__(self, url: str, approval_s: float = HOUR_S) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.events = Events(self.database)
        self.journal = Journal(self.database, self.events, 0, approval_s)
        self.security = Security(self.database)
        self.owner_id = self.security.local_user().user_id
        self.reader = Reader(self.database)
        self.approvals = self.answers_of(self.owner_id)

    def answers_of(self, user_id: int) -> LocalApprovals:
        """Give the approvals as one user has them."""
        return LocalApprovals(self.journal, self.database, user_id, None, lambda: None)

    def submit(self, asked_by: str = "a plan", text: str = "done", **more: Any) -> int:
        """Submit a deed that a program asks for, or with no name a person."""
        params = json.dumps({"file": "/tmp/x", "text": text, "before": None, "after": None})
        order = Submission(
            self.owner_id, "test.deed", params, asked_by=asked_by, effect=True, **more
        )
        ((job_id, _),) = self.journal.submit([order])
        return job_id

    def asked(self) -> ApprovalView:
        """Return the one thing that waits for a person."""
        (found,) = self.approvals.list()
        return found

    def agree(self) -> None:
        """Say yes to what has waited longest, as it was seen."""
        asked = self.approvals.list()[0]
        self.approvals.approve(asked.id or 0, digest=asked.digest)

    def claim(self) -> Claimed:
        """Take the one job that there must be, with a lease that is over."""
        (job,) = self.journal.claim("w", -1, 1)
        return job

    def begun(self, **more: Any) -> Claimed:
        """Submit, approve, claim and start a deed."""
        self.submit(**more)
        if self.approvals.list():
            self.agree()
        job = self.claim()
        self.journal.start(job)
        return job

    def view(self, job_id: int) -> JobView:
        """Return a job as it is."""
        return self.reader.get(job_id)

    def topics(self) -> list[str]:
        """Return what events told of approvals, in order."""
        return [event.topic for event in self.events.page(0, "approvals.*")]


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give a desk over each kind of database."""
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres_url")
    desk = Desk(url)
    yield desk
    desk.database.close()


@pytest.fixture
def simple(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk over SQLite, for what the database has no part in."""
    desk = Desk(f"sqlite:///{tmp_path / 'fraktal.db'}")
    yield desk
    desk.database.close()


def test_what_a_program_wants_waits_for_a_yes_and_uses_it_up(desk: Desk) -> None:
    """Asked, approved, used: each once, each told; and the job does not begin before."""
    job_id = desk.submit()
    assert desk.view(job_id).state == "waiting" and desk.journal.claim("w", 10) == []
    asked = desk.asked()
    assert (asked.kind, asked.job_id, asked.state) == ("approval", job_id, "open")
    assert (asked.asked_by, asked.effect) == ("a plan", "writes a line for ever")
    assert asked.digest == digest_of("test.deed", asked.params)
    assert (
        desk.approvals.approve(asked.id or 0, note="go on", digest=asked.digest).state == "approved"
    )
    job = desk.claim()
    desk.journal.start(job)
    used = desk.approvals.get(asked.id or 0)
    assert (used.state, used.note) == ("used", "go on")
    assert used.answered_by == desk.security.local_user().name and used.used_at is not None
    desk.journal.end([Outcome(job.id, job.fence, "succeeded", "1")])
    assert desk.view(job_id).state == "succeeded" and desk.approvals.list() == []
    assert desk.topics() == ["approvals.asked", "approvals.answered", "approvals.used"]


def test_what_a_person_submits_needs_no_yes(desk: Desk) -> None:
    """Who asks for it has said yes by that; even so it is tried once only."""
    job = desk.begun(asked_by="", max_attempts=5)
    assert desk.topics() == []
    desk.journal.fail(job.id, job.fence, "it went wrong")
    assert (desk.view(job.id).state, desk.view(job.id).max_attempts) == ("failed", 1)


def test_denied_is_cancelled_and_says_by_whom(desk: Desk) -> None:
    """The job's own error has the name and the words, for whoever asked for it."""
    job_id = desk.submit()
    denied = desk.approvals.deny(desk.asked().id or 0, "not on a Friday")
    name = desk.security.local_user().name
    view = desk.view(job_id)
    assert (view.state, view.error) == ("cancelled", f"denied by {name}: not on a Friday")
    assert (denied.state, denied.answered_by) == ("denied", name)


def test_changed_arguments_are_what_is_done_and_what_was_approved(desk: Desk) -> None:
    """Job, approval and digest change together, or none of them does."""
    job_id = desk.submit()
    asked = desk.asked()
    before = desk.view(job_id).params
    with pytest.raises(InvalidInput, match="text"):
        desk.approvals.approve(asked.id or 0, {**before, "text": "x" * 101}, digest=asked.digest)
    with pytest.raises(InvalidInput, match=r"no parameter of test\.deed named 'tex'"):
        desk.approvals.approve(asked.id or 0, {"file": "/tmp/x", "tex": "x"}, digest=asked.digest)
    assert desk.view(job_id).params == before and desk.asked() == asked
    changed = desk.approvals.approve(asked.id or 0, {**before, "text": "less"}, digest=asked.digest)
    assert desk.view(job_id).params == changed.params == {**before, "text": "less"}
    assert changed.digest == digest_of("test.deed", changed.params) != asked.digest
    desk.journal.start(desk.claim())


def test_each_answer_that_comes_too_late_is_one_sentence(simple: Desk) -> None:
    """Answered, expired, withdrawn, somebody else's, or seen otherwise: refused, and said why."""
    simple.submit()
    asked = simple.asked()
    first, seen = asked.id or 0, asked.digest
    with pytest.raises(Conflict, match="other arguments than those that you saw"):
        simple.approvals.approve(first, digest="0" * 64)
    approve = partial(simple.approvals.approve, digest=seen)
    approve(first)
    for answer in (approve, simple.approvals.deny):
        with pytest.raises(Conflict, match=f"approval {first} was approved already by "):
            answer(first)
    job = simple.claim()
    simple.journal.start(job)
    with pytest.raises(Conflict, match="its job has begun"):
        simple.approvals.deny(first)

    second = simple.submit()
    simple.journal.cancel(second)
    with pytest.raises(Conflict, match="was withdrawn: its job was cancelled"):
        approve(first + 1)

    simple.submit()
    other = simple.answers_of(simple.security.add_user("ada", "correct horse battery").user_id)
    assert other.list() == []
    for number in (simple.asked().id or 0, 10**30, -1):
        with pytest.raises(NotFound, match="there is no approval"):
            other.approve(number, digest=seen)
    with pytest.raises(InvalidInput, match="note"):
        simple.approvals.deny(simple.asked().id or 0, "x" * 1001)


def test_what_nobody_answers_expires_and_fails(desk: Desk) -> None:
    """A question is good for some hours; a retry asks it anew."""
    desk.journal.approval_s = -1
    job_id = desk.submit()
    with pytest.raises(Conflict, match="has expired"):
        desk.agree()
    (number,) = desk.journal.expire()
    assert desk.journal.expire() == []
    view = desk.view(job_id)
    assert view.state == "failed" and "nobody said yes" in (view.error or "")
    desk.journal.approval_s = HOUR_S
    desk.journal.retry(job_id)
    assert desk.view(job_id).state == "waiting" and desk.asked().id == number + 1


def test_a_yes_that_does_not_fit_starts_nothing(desk: Desk) -> None:
    """Expired meanwhile, or of other arguments: the job goes back and asks anew."""
    job_id = desk.submit()
    desk.journal.approval_s = -1
    desk.agree()
    desk.journal.approval_s = HOUR_S
    with pytest.raises(Fenced, match="the yes has expired"):
        desk.journal.start(desk.claim())
    assert desk.view(job_id).state == "waiting" and desk.asked().reason == "the yes has expired"
    desk.agree()
    with desk.database.write() as tx:
        tx.execute('UPDATE job SET params = \'{"text": "evil"}\'')
    job = desk.claim()
    with pytest.raises(Fenced, match="not those of the yes"):
        desk.journal.start(job)
    with pytest.raises(Fenced):
        desk.journal.start(job)
    assert desk.asked().params == {"text": "evil"}
    assert [each.state for each in desk.approvals.list(every=True)] == [
        "open",
        "expired",
        "expired",
    ]


def test_one_that_was_woken_too_early_waits_on(desk: Desk) -> None:
    """Whatever queues a job that waits for its yes, it does not begin and asks no second time."""
    job_id = desk.submit()
    with desk.database.write() as tx:
        desk.journal._resume(tx, job_id)
    with pytest.raises(Fenced, match="waits for a yes"):
        desk.journal.start(desk.claim())
    assert desk.view(job_id).state == "waiting" and len(desk.approvals.list(every=True)) == 1


Loss = Callable[[Desk, Claimed], object]
LOSSES: dict[str, Loss] = {
    "worker": lambda desk, job: desk.journal.lost(job.id, job.fence, "the worker process died"),
    "server": lambda desk, job: desk.journal.forsaken(),
    "lease": lambda desk, job: desk.journal.forsaken(job.id, job.fence),
    "stop": lambda desk, job: desk.journal.release("w"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_before_the_start_is_begun_again_with_the_same_yes(desk: Desk, loss: str) -> None:
    """Claimed and not started: nothing can have happened."""
    job_id = desk.submit()
    desk.agree()
    LOSSES[loss](desk, desk.claim())
    assert desk.view(job_id).state == "queued"
    desk.journal.start(desk.claim())
    assert desk.topics().count("approvals.used") == 1


@pytest.mark.parametrize("asked_by", ["a plan", ""])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_after_the_start_asks_a_person(simple: Desk, loss: str, asked_by: str) -> None:
    """Nobody knows whether it happened: it is shown, and not done again by itself."""
    job = simple.begun(asked_by=asked_by)
    LOSSES[loss](simple, job)
    assert simple.view(job.id).state == "waiting" and simple.journal.claim("w", 10) == []
    found = simple.asked()
    assert found.kind == "question" and found.question is not None
    assert found.question.effect and found.question.choices == [HAPPENED, AGAIN, GIVE_UP]
    assert "Did it happen?" in found.question.text
    with pytest.raises(Fenced):
        simple.journal.end([Outcome(job.id, job.fence, "succeeded", "1")])
    with simple.database.write() as tx:  # a child that ends wakes it: it asks on
        simple.journal._resume(tx, job.id)
    with pytest.raises(Fenced, match="not known whether"):
        simple.journal.start(simple.claim())
    assert simple.asked().question == found.question

    simple.journal.answer(job.id, AGAIN, simple.owner_id)
    again = simple.claim()
    simple.journal.start(again)
    assert simple.topics().count("approvals.used") == (2 if asked_by else 0)
    LOSSES[loss](simple, again)
    simple.journal.answer(job.id, HAPPENED, simple.owner_id)
    view = simple.view(job.id)
    assert (view.state, view.result, view.error) == ("succeeded", None, None)


def test_giving_up_fails_and_wakes_whoever_waits(simple: Desk) -> None:
    """The parent hears of it as of every end."""
    parent = simple.journal.submit([Submission(simple.owner_id, "test.errand", "{}")])[0][0]
    claimed = simple.claim()
    order = Submission(
        simple.owner_id,
        "test.deed",
        "{}",
        key="/a",
        parent_id=parent,
        asked_by="a butler",
        effect=True,
    )
    child_id = simple.journal.begin(claimed.id, claimed.fence, order)
    simple.journal.pause(claimed.id, claimed.fence, [child_id])
    simple.agree()
    child = simple.claim()
    simple.journal.start(child)
    simple.journal.spend(child.id, child.fence, 0.25)
    simple.journal.forsaken()
    simple.journal.answer(child.id, GIVE_UP, simple.owner_id)
    assert simple.view(child.id).state == "failed"
    assert "given up by" in (simple.view(child.id).error or "")
    again = simple.claim()
    assert again.id == parent and simple.view(parent).cost == 0.25
    assert simple.journal.start(again)["children"]["/a"]["cost"] == 0.25


def test_cancelled_after_its_start_says_that_nobody_knows(simple: Desk) -> None:
    """Cancelling stops the process, not what it may have done."""
    job = simple.begun()
    simple.journal.cancel(job.id)
    simple.journal.lost(job.id, job.fence, "the worker process died")
    view = simple.view(job.id)
    assert view.state == "cancelled" and "whether it happened is unknown" in (view.error or "")
    never = simple.submit()
    simple.journal.cancel(never)
    assert simple.view(never).error is None


def test_a_failed_one_is_retried_with_a_new_yes_only(simple: Desk) -> None:
    """The used yes is used; a person's own job is retried as it was."""
    job = simple.begun()
    simple.journal.fail(job.id, job.fence, "the ink has run out")
    simple.journal.retry(job.id)
    assert simple.view(job.id).state == "waiting" and simple.journal.claim("w", 10) == []
    assert simple.asked().job_id == job.id
    simple.journal.cancel(job.id)
    own = simple.begun(asked_by="")
    simple.journal.fail(own.id, own.fence, "the ink has run out")
    simple.journal.retry(own.id)
    simple.journal.start(simple.claim())


def test_one_that_asked_in_between_goes_on(simple: Desk) -> None:
    """What has begun and waited by itself is no loss, and needs no second yes."""
    job = simple.begun()
    simple.journal.ask(job.id, job.fence, "How many?", "How many?", ["one", "two"])
    found = simple.asked()
    assert found.question is not None and not found.question.effect and found.effect == ""
    simple.journal.answer(job.id, "two", simple.owner_id)
    again = simple.claim()
    assert simple.journal.start(again)["answers"] == {"How many?": "two"}
    with pytest.raises(InvalidInput, match="cannot begin with"):
        simple.journal.ask(again.id, again.fence, "/effect/1", "Yes?", ["yes"])


# --- with workers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkbench]:
    """Open a workbench with workers."""
    modules = ["tests.capabilities"]
    data = tmp_path_factory.mktemp("bench")
    with Workbench.open(data=data, capability_modules=modules, workers=2) as workbench:
        assert isinstance(workbench, LocalWorkbench)
        yield workbench


def waiting(bench: LocalWorkbench, count: int) -> list[ApprovalView]:
    """Wait until so many things wait for a person."""
    end = time.monotonic() + 180
    while len(found := bench.approvals.list()) != count:
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


def ended(job: JobHandle) -> JobView:
    """Wait for the end of a job, whatever it is."""
    end = time.monotonic() + 180
    while not job.refresh().ended:
        assert time.monotonic() < end, job
        time.sleep(0.02)
    return job.refresh()


def test_an_errand_waits_for_each_yes(bench: LocalWorkbench, tmp_path: Path) -> None:
    """What was approved is done, what was changed is done as changed, what was denied is not."""
    file = tmp_path / "lines"
    deeds = [{"file": str(file), "text": text} for text in ("yes", "no", "more", "fail")]
    job = bench.submit("test.errand", deeds=deeds)
    asked = {each.params["text"]: each for each in waiting(bench, 4)}
    assert not file.exists() and job.state == "waiting"
    for text in ("yes", "fail"):
        bench.approvals.approve(asked[text].id or 0, digest=asked[text].digest)
    bench.approvals.deny(asked["no"].id or 0, "no")
    more = asked["more"]
    changed = {**more.params, "text": "less"}
    bench.approvals.approve(more.id or 0, changed, digest=more.digest)
    name = bench.user.name
    assert ended(job).result == [
        "succeeded yes",
        f"cancelled denied by {name}: no",
        "succeeded less",
        "failed RuntimeError: the ink has run out",
    ]
    done = [line.split()[1] for line in file.read_text().splitlines()]
    assert sorted(done) == ["fail", "less", "yes"]
    assert job.refresh().cost == 1.0
    children = bench.jobs.children(job.id)
    assert [children[str(n)].state for n in range(4)] == [
        "succeeded",
        "cancelled",
        "succeeded",
        "failed",
    ]


def test_a_direct_call_asks_the_person_who_is_there(tmp_path: Path) -> None:
    """Without somebody to ask nothing is done; a no is a failure, a yes does it."""
    order = Errand.model_validate({"deeds": [{"file": tmp_path / "lines"}]})
    assert "nobody is here" in errand(order, Run.detached())[0]
    asked: list[str] = []

    def answer(text: str, choices: object) -> str:
        asked.append(text)
        return "no" if len(asked) == 1 else "yes"

    assert errand(order, Run.detached(ask=answer)) == ["failed test.deed was denied."]
    assert not (tmp_path / "lines").exists()
    assert errand(order, Run.detached(ask=answer)) == ["succeeded done"]
    assert asked == ["test.deed writes a line for ever. Do it?"] * 2
    with pytest.raises(NotAllowed):
        Run.detached(ask=lambda *_: "no").call("test.deed", file=str(tmp_path / "lines"))
