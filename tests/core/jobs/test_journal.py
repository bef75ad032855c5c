"""What the journal promises, whatever happens in whatever order: a machine plays with it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.events import Events
from fraktal_kernel.core.jobs.journal import (
    MAX_LOSSES,
    Claimed,
    Fenced,
    Journal,
    Outcome,
    Submission,
)
from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.core.jobs.reading import Reader
from fraktal_kernel.core.monitoring import metrics
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import Conflict, InvalidInput, NotFound

LEASE_S = 1000.0


class Desk:
    """A journal on an empty database, with a user to own its jobs."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.migrate()
        self.owner = Security(self.database, 1).local_user().user_id
        self.events = Events(self.database)
        self.journal = Journal(self.database, self.events, retry_delay_s=0)
        self.reader = Reader(self.database)

    def submit(self, **more: Any) -> int:
        """Queue one job."""
        order = Submission(**{"owner_id": self.owner, "capability": "t.x", "params": "{}"} | more)
        ((job_id, _),) = self.journal.submit([order])
        return job_id

    def claim(self) -> Claimed:
        """Take the one job that there must be."""
        (job,) = self.journal.claim("w", LEASE_S, 1)
        return job

    def told(self, job_id: int) -> list[str]:
        """Read the states that events told of a job."""
        found = self.events.page(0, "jobs.state", subject=str(job_id))
        return [event.payload["state"] for event in found]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a journal on SQLite."""
    desk = Desk(f"sqlite:///{tmp_path / 'fraktal.db'}")
    yield desk
    desk.database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def any_desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give a journal on each kind of database."""
    if request.param == "sqlite":
        desk = Desk(f"sqlite:///{tmp_path / 'fraktal.db'}")
    else:
        desk = Desk(request.getfixturevalue("new_postgres_url"))
    yield desk
    desk.database.close()


# --- anything in any order ----------------------------------------------------------------


class JournalMachine(RuleBasedStateMachine):
    """Do anything to jobs in any order, beside a simple picture of what must come of it.

    A claim is a pair of job and fencing number. ``self.held`` has those that are still good;
    all others were, and every write under one of them must be refused.
    """

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="fraktal-journal-"))
        self.desk = Desk(f"sqlite:///{self.folder / 'fraktal.db'}")
        self.journal = self.desk.journal
        self.state: dict[int, str] = {}
        self.held: dict[int, int] = {}
        self.fences: set[tuple[int, int]] = set()
        self.steps: dict[int, dict[str, Any]] = {}
        self.parent: dict[int, int] = {}
        self.stopping: set[int] = set()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.desk.database.close()
        shutil.rmtree(self.folder)

    # -- what should come of it

    def move(self, job_id: int, state: str) -> None:
        """Note that a job goes into a state, and what that does to others."""
        self.state[job_id] = state
        if state != "running":
            self.held.pop(job_id, None)
        if state in ENDED and self.state.get(self.parent.get(job_id, 0)) == "waiting":
            self.move(self.parent[job_id], "queued")

    def stop(self, job_id: int) -> None:
        """Note a cancellation, which reaches the children too."""
        if self.state[job_id] in ENDED:
            return
        self.stopping.add(job_id)
        if self.state[job_id] != "running":
            self.move(job_id, "cancelled")
        for child in [child for child, parent in self.parent.items() if parent == job_id]:
            self.stop(child)

    def wait(self, job_id: int) -> None:
        """Note that a job waits, if nobody wants it stopped."""
        self.move(job_id, "waiting")
        if job_id in self.stopping:
            self.stop(job_id)

    def good(self, claim: Claimed) -> bool:
        """Tell whether a claim still holds."""
        return self.held.get(claim.id) == claim.fence

    def attempt(self, claim: Claimed, act: Any) -> bool:
        """Write under a claim: it is taken if the claim holds, and refused if not."""
        if self.good(claim):
            act()
            return True
        with pytest.raises(Fenced):
            act()
        return False

    # -- what may happen

    @rule(target=jobs, priority=st.integers(-2, 2), tries=st.integers(1, 3))
    def submit(self, priority: int, tries: int) -> int:
        """Queue a job."""
        job_id = self.desk.submit(priority=priority, max_attempts=tries)
        assert job_id not in self.state
        self.state[job_id] = "queued"
        self.steps[job_id] = {}
        return job_id

    @rule(target=claims, count=st.integers(1, 3))
    def claim(self, count: int) -> Any:
        """Take the next jobs: only queued ones, each once, with a number never seen before."""
        taken = self.journal.claim("w", LEASE_S, count)
        queued = [job_id for job_id, state in self.state.items() if state == "queued"]
        assert len(taken) == min(count, len(queued))
        for claim in taken:
            assert self.state[claim.id] == "queued"
            assert (claim.id, claim.fence) not in self.fences
            self.fences.add((claim.id, claim.fence))
            self.state[claim.id] = "running"
            self.held[claim.id] = claim.fence
            assert self.journal.start(claim)["steps"] == self.steps[claim.id]
        return multiple(*taken)

    @rule(claim=claims)
    def extend(self, claim: Claimed) -> None:
        """Prolong a lease; one that is gone stays gone."""
        self.journal.extend([(claim.id, claim.fence)], LEASE_S)

    @rule(claim=claims)
    def step(self, claim: Claimed) -> None:
        """Finish a step."""
        name = f"step {len(self.steps[claim.id])}"
        act = lambda: self.journal.finish_step(claim.id, claim.fence, name, '"done"')  # noqa: E731
        if self.attempt(claim, act):
            self.steps[claim.id][name] = "done"

    @rule(claim=claims, state=st.sampled_from(["succeeded", "failed", "cancelled"]))
    def end(self, claim: Claimed, state: str) -> None:
        """End a job."""
        outcome = Outcome(claim.id, claim.fence, state, result="1")
        if self.attempt(claim, lambda: self.journal.end([outcome])):
            self.move(claim.id, state)

    @rule(claim=claims, again=st.booleans())
    def fail(self, claim: Claimed, again: bool) -> None:
        """Fail a try: there is another one, or the job has failed."""
        view = self.desk.reader.get(claim.id)
        if self.attempt(claim, lambda: self.journal.fail(claim.id, claim.fence, "oh", again)):
            if claim.id in self.stopping:
                self.move(claim.id, "cancelled")
            elif again and view.attempt < view.max_attempts:
                self.move(claim.id, "queued")
            else:
                self.move(claim.id, "failed")

    @rule(claim=claims)
    def lose(self, claim: Claimed) -> None:
        """Lose a worker; after so many in a row the job has failed."""
        good = self.good(claim)
        self.journal.lost(claim.id, claim.fence, "gone")
        if good:
            state = self.desk.reader.get(claim.id).state
            wanted = {"cancelled"} if claim.id in self.stopping else {"queued", "failed"}
            assert state in wanted
            self.move(claim.id, state)

    @rule()
    def release(self) -> None:
        """Start anew after a server was killed."""
        self.journal.release()
        for job_id in list(self.held):
            self.move(job_id, "cancelled" if job_id in self.stopping else "queued")

    @rule(claim=claims)
    def ask(self, claim: Claimed) -> None:
        """Ask a person."""
        ask = self.journal.ask
        if self.attempt(claim, lambda: ask(claim.id, claim.fence, f"{claim.fence}", "?", ["y"])):
            self.wait(claim.id)

    @rule(job_id=jobs)
    def answer(self, job_id: int) -> None:
        """Answer; that is only taken where something is asked."""
        view = self.desk.reader.get(job_id)
        if view.question is None:
            with pytest.raises(Conflict):
                self.journal.answer(job_id, "y", self.desk.owner)
            return
        with pytest.raises(InvalidInput, match="expected one of 'y'"):
            self.journal.answer(job_id, "n", self.desk.owner)
        self.journal.answer(job_id, "y", self.desk.owner)
        self.move(job_id, "queued")

    @rule(target=jobs, claim=claims)
    def call(self, claim: Claimed) -> Any:
        """Call a child."""
        child = Submission(self.desk.owner, "t.x", "{}", f"/{claim.id}/{claim.fence}")
        child = Submission(**{**_fields(child), "parent_id": claim.id})
        made: list[int] = []
        act = lambda: made.append(self.journal.call(claim.id, claim.fence, child))  # noqa: E731
        if not self.attempt(claim, act):
            return multiple()
        self.state[made[0]], self.steps[made[0]] = "queued", {}
        self.parent[made[0]] = claim.id
        self.wait(claim.id)
        return made[0]

    @rule(job_id=jobs)
    def cancel(self, job_id: int) -> None:
        """Cancel a job; one that has ended cannot be."""
        if self.state[job_id] in ENDED:
            with pytest.raises(Conflict):
                self.journal.cancel(job_id)
        else:
            self.journal.cancel(job_id)
            self.stop(job_id)

    @rule(job_id=jobs)
    def retry(self, job_id: int) -> None:
        """Try a job again; only one that failed or was cancelled."""
        if self.state[job_id] in ("failed", "cancelled"):
            self.journal.retry(job_id)
            self.stopping.discard(job_id)
            self.state[job_id] = "queued"
        else:
            with pytest.raises(Conflict):
                self.journal.retry(job_id)

    @precondition(lambda self: self.held)
    @rule(claim=consumes(claims))
    def late_news(self, claim: Claimed) -> None:
        """Hear progress; from a try that is over, it changes nothing."""
        before = self.desk.reader.get(claim.id).message
        payload = {"progress": 0.5, "message": f"try {claim.fence}"}
        self.journal.note([(claim.id, claim.fence, self.desk.owner, "jobs.progress", payload)])
        after = self.desk.reader.get(claim.id).message
        assert after == (payload["message"] if self.good(claim) else before)

    # -- what must always be so

    @invariant()
    def the_journal_says_what_the_picture_says(self) -> None:
        """Every job is in the state that it must be in, and events tell that state."""
        found = {view.id: view for view in self.desk.reader.list(limit=1000)}
        assert {job_id: view.state for job_id, view in found.items()} == self.state
        told: dict[int, str] = {}
        for event in self.desk.events.page(0, "jobs.state", limit=100_000):
            told[int(event.subject)] = event.payload["state"]
        assert told == self.state
        for view in found.values():
            assert view.ended == (view.ended_at is not None), view
            assert view.state != "running" or view.id in self.held
            assert 1 <= view.attempt <= view.max_attempts
        with self.desk.database.read() as tx:
            rows = tx.rows("SELECT id, fence FROM job WHERE lease_until IS NOT NULL")
        assert dict(rows) == self.held, "one lease, one writer"


def _fields(order: Submission) -> dict[str, Any]:
    return {name: getattr(order, name) for name in Submission.__dataclass_fields__}


JournalMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestJournalMachine = JournalMachine.TestCase


# --- single truths ------------------------------------------------------------------------


def test_many_claim_at_once_and_each_job_is_claimed_once(any_desk: Desk) -> None:
    """However many ask at the same time, every queued job goes to exactly one of them."""
    order = Submission(any_desk.owner, "t.x", "{}")
    made = any_desk.journal.submit([order] * 100)

    def take(worker: int) -> list[int]:
        mine: list[int] = []
        while taken := any_desk.journal.claim(f"w{worker}", LEASE_S, 3):
            mine += [claim.id for claim in taken]
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for mine in pool.map(take, range(8)) for job_id in mine]
    assert sorted(taken) == [job_id for job_id, _ in made]


def test_many_submit_one_key_and_there_is_one_job(any_desk: Desk) -> None:
    """The same order, sent by many at once, is one job for all of them."""
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: any_desk.submit(key="once"), range(40)))
    assert len(ids) == 1
    assert any_desk.told(ids.pop()) == ["queued"]


def test_everything_at_once_ends_well(any_desk: Desk) -> None:
    """Submitting, working, noting, prolonging and cancelling side by side lock nobody out."""
    total = 60
    ids = [any_desk.submit() for _ in range(total)]
    stop = time.monotonic() + 240

    def work(worker: int) -> None:
        while time.monotonic() < stop:
            taken = any_desk.journal.claim(f"w{worker}", LEASE_S, 4)
            if not taken:
                return
            leases = [(claim.id, claim.fence) for claim in taken]
            any_desk.journal.extend(reversed(leases), LEASE_S)
            payload = {"progress": 0.5, "message": "half"}
            any_desk.journal.note(
                (claim.id, claim.fence, claim.owner_id, "jobs.progress", payload) for claim in taken
            )
            any_desk.journal.end(
                [Outcome(claim.id, claim.fence, "succeeded", "1") for claim in taken]
            )

    def cancel(job_id: int) -> None:
        try:
            any_desk.journal.cancel(job_id)
        except Conflict:
            pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: each[0](each[1]), [(work, n) for n in range(4)]
             + [(cancel, job_id) for job_id in ids[::3]]))  # fmt: skip
    count = any_desk.reader.count()
    assert set(count) <= {"succeeded", "cancelled"} and sum(count.values()) == total


def test_outcomes_are_written_together_or_not_at_all(desk: Desk) -> None:
    """One refused outcome keeps the others of its transaction out."""
    first, second = desk.submit(), desk.submit()
    claims = desk.journal.claim("w", LEASE_S, 2)
    desk.journal.lost(second, claims[1].fence, "gone")
    with pytest.raises(Fenced):
        desk.journal.end([Outcome(each.id, each.fence, "succeeded") for each in claims])
    assert desk.reader.get(first).state == "running"


def test_leases_run_out_and_are_prolonged(desk: Desk) -> None:
    """Only a job whose lease is over is listed as left alone."""
    desk.submit()
    (claim,) = desk.journal.claim("w", -1, 1)
    assert desk.journal.expired() == [(claim.id, claim.fence)]
    desk.journal.extend([(claim.id, claim.fence)], LEASE_S)
    assert desk.journal.expired() == []
    desk.journal.extend([(claim.id, claim.fence - 1)], -1)
    assert desk.journal.expired() == []


def test_a_job_that_kills_workers_fails_unless_it_gets_on(desk: Desk) -> None:
    """Losses in a row end a job; a step that is finished in between starts the count anew."""
    job_id = desk.submit()
    for loss in range(MAX_LOSSES):
        claim = desk.claim()
        if loss == 2:
            desk.journal.finish_step(claim.id, claim.fence, "a", "1")
        desk.journal.lost(claim.id, claim.fence, "gone")
    assert desk.reader.get(job_id).state == "queued"
    for _ in range(2):
        claim = desk.claim()
        desk.journal.lost(claim.id, claim.fence, "gone")
    view = desk.reader.get(job_id)
    assert (view.state, view.error) == (
        "failed",
        f"gone, {MAX_LOSSES} times without finishing a step in between.",
    )


def test_a_retry_waits_longer_each_time(tmp_path: Path) -> None:
    """The first retry comes after the delay that is set, the next after twice that."""
    desk = Desk(f"sqlite:///{tmp_path / 'fraktal.db'}")
    desk.journal._retry_delay_s = 10
    desk.submit(max_attempts=3)
    for wait_s in (10, 20):
        claim = desk.claim()
        desk.journal.fail(claim.id, claim.fence, "oh")
        assert desk.journal.claim("w", LEASE_S) == []
        with desk.database.write() as tx:
            (until,) = tx.row("SELECT not_before - :now FROM job", {"now": time.time()}) or (0,)
            assert 0.7 * wait_s < until < 1.3 * wait_s
            tx.execute("UPDATE job SET not_before = 0")
    desk.database.close()


def test_the_urgent_and_then_the_oldest(desk: Desk) -> None:
    """Jobs are claimed by priority, then by age; delayed ones when their time has come."""
    ids = [desk.submit(priority=priority) for priority in (0, 5, 0, 9)]
    desk.submit(delay_s=1000, priority=10)
    claimed = [claim.id for claim in desk.journal.claim("w", LEASE_S, 10)]
    assert claimed == [ids[3], ids[1], ids[0], ids[2]]


def test_a_cancelled_job_does_not_come_back(desk: Desk) -> None:
    """Failing, losing the worker, asking or a restart after a cancellation all end it."""
    endings = {
        "fail": lambda each: desk.journal.fail(each.id, each.fence, "oh"),
        "lost": lambda each: desk.journal.lost(each.id, each.fence, "gone"),
        "ask": lambda each: desk.journal.ask(each.id, each.fence, "a", "?", ["y"]),
        "release": lambda each: desk.journal.release(),
    }
    for ending, act in endings.items():
        job_id = desk.submit(max_attempts=9)
        claim = desk.claim()
        assert desk.journal.cancel(job_id) == "running"
        assert (job_id, claim.fence) in desk.journal.to_cancel()
        act(claim)
        assert desk.reader.get(job_id).state == "cancelled", ending
        assert desk.told(job_id)[-1] == "cancelled"


def test_children_wake_their_parent_and_go_with_it(desk: Desk) -> None:
    """A parent goes on when its child has ended, and takes its children along when cancelled."""
    parent = desk.submit()
    claim = desk.claim()
    order = Submission(desk.owner, "t.x", "{}", key="/a", parent_id=parent)
    child = desk.journal.call(claim.id, claim.fence, order)
    assert desk.reader.get(parent).state == "waiting"
    work = desk.claim()
    desk.journal.end([Outcome(child, work.fence, "succeeded", "7")])
    again = desk.claim()
    assert (again.id, desk.journal.start(again)["children"]["/a"]["result"]) == (parent, 7)
    order = Submission(desk.owner, "t.x", "{}", key="/b", parent_id=parent)
    second = desk.journal.call(again.id, again.fence, order)
    desk.journal.cancel(parent)
    assert desk.reader.get(second).state == "cancelled"
    desk.journal.retry(parent)
    assert set(desk.journal.start(desk.claim())["children"]) == {"/a"}, "/b is done anew"


def test_numbers_count_what_was_written(desk: Desk) -> None:
    """A try that is repeated is no failure; what was cancelled in the queue is counted too."""

    def count() -> dict[str, float]:
        found = {}
        for line in metrics.render()[0].decode().splitlines():
            if line.startswith('fraktal_jobs_total{capability="t.numbers"'):
                found[line.partition('state="')[2].partition('"')[0]] = float(line.split()[-1])
        return found

    desk.submit(capability="t.numbers", max_attempts=2)
    for _ in range(2):
        claim = desk.claim()
        desk.journal.fail(claim.id, claim.fence, "oh", seconds=0.1)
    desk.journal.cancel(desk.submit(capability="t.numbers"))
    with pytest.raises(Fenced):
        desk.journal.end([Outcome(claim.id, claim.fence, "succeeded")])
    assert count() == {"failed": 1, "cancelled": 1}


def test_what_does_not_exist_is_not_found(desk: Desk) -> None:
    """Numbers that no job has are refused by reading and writing alike."""
    for job_id in (0, -1, 99, 2**70):
        with pytest.raises(NotFound):
            desk.reader.get(job_id)
    with pytest.raises(NotFound):
        desk.journal.cancel(99)
    with pytest.raises(NotFound):
        desk.journal.retry(99)
    assert desk.reader.list(before=2**80) == [] == desk.reader.list(before=-(2**80))
