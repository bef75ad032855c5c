"""The tables of the bus: whatever happens in whatever order, each group gets each message."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fraktal_kernel.agents.bus.ledger import LOST, MOST_ATTEMPTS, Failed, Ledger
from fraktal_kernel.agents.bus.message import Draft, matches, write
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.security import Security

LEASE_S = 10.0
GROUPS = {"all": "*", "jobs": "jobs.*", "late": "jobs.log"}
TOPICS = ["jobs.log", "jobs.state", "agents.state"]


class Clock:
    """A time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Give an empty ledger in each database."""
    url = f"sqlite:///{tmp_path / 'fraktal.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("new_postgres_url")
    database = Database(url)
    database.migrate()
    yield Ledger(database, Security(database).local_user().user_id, LEASE_S, 1.0, Clock())
    database.close()


def clock(ledger: Ledger) -> Clock:
    """Find the clock of a ledger."""
    assert isinstance(ledger._clock, Clock)
    return ledger._clock


def publish(ledger: Ledger, *names: str, topic: str = "jobs.log", relay: bool = False) -> None:
    """Write messages whose body is their id."""
    with ledger.database.write() as tx:
        ledger.add(tx, [write(Draft(topic, name, name)) for name in names], relay)


def names(ledger: Ledger, group: str, count: int = 100) -> list[str]:
    """Claim, and say what."""
    return [one.message.id for one in ledger.claim(group, count)[0]]


def test_a_lost_consumer_costs_the_others_one_try(ledger: Ledger) -> None:
    """A message that kills its consumers dies alone; those claimed with it are all delivered."""
    ledger.join("workers", "*")
    publish(ledger, *(f"m{number}" for number in range(20)))
    done, deaths = set(), 0
    while deaths <= MOST_ATTEMPTS:
        claimed, dead = ledger.claim("workers", 10)
        if dead:
            break
        for one in claimed:
            if one.message.id == "m7":
                deaths += 1
                break  # the process is gone: nothing is settled of what follows
            assert one.message.attempt <= 2
            ledger.settle("workers", [one.seq])
            done.add(one.message.id)
        clock(ledger).now += LEASE_S + 1
    while claimed := ledger.claim("workers", 10)[0]:
        ledger.settle("workers", [one.seq for one in claimed])
        done |= {one.message.id for one in claimed}
        clock(ledger).now += LEASE_S + 1
    assert deaths == MOST_ATTEMPTS
    assert done == {f"m{number}" for number in range(20)} - {"m7"}
    assert [(letter.message.id, letter.error) for letter in ledger.dead_letters()] == [("m7", LOST)]


def test_each_try_waits_longer(ledger: Ledger) -> None:
    """The delay doubles, but for a quarter of chance, and ends at a minute."""
    ledger.join("workers", "*")
    publish(ledger, "m")
    for expected_s in (1, 2, 4, 8):
        claimed = ledger.claim("workers")[0][0]
        ledger.settle("workers", [], [Failed(claimed.seq, claimed.message.attempt, "no")])
        wait_s = ledger.ready_in("workers")
        assert wait_s is not None and 0.75 * expected_s <= wait_s <= 1.25 * expected_s
        assert ledger.claim("workers") == ([], 0)
        clock(ledger).now += wait_s


def test_who_comes_back_late_changes_nothing(ledger: Ledger) -> None:
    """A consumer whose lease was over cannot fail the try of the next; a success counts."""
    ledger.join("workers", "*")
    publish(ledger, "m")
    first = ledger.claim("workers")[0][0]
    clock(ledger).now += LEASE_S + 1
    second = ledger.claim("workers")[0][0]
    assert ledger.settle("workers", [], [Failed(first.seq, 1, "late", False)]) == 0
    assert ledger.dead_letters() == []
    ledger.settle("workers", [first.seq])
    ledger.settle("workers", [], [Failed(second.seq, 2, "too late")])
    clock(ledger).now += 100 * LEASE_S
    assert ledger.claim("workers") == ([], 0)


def test_what_is_released_was_not_tried(ledger: Ledger) -> None:
    """Who stops before a message gives it back whole."""
    ledger.join("workers", "*")
    publish(ledger, "m")
    for _ in range(2 * MOST_ATTEMPTS):
        claimed = ledger.claim("workers")[0][0]
        assert claimed.message.attempt == 1
        ledger.release("workers", [claimed.seq])


def test_the_outbox_is_sent_once_and_again_after_a_loss(ledger: Ledger) -> None:
    """A message is under way under a lease; what did not arrive is sent again."""
    publish(ledger, "kept")
    assert ledger.outbox_age_s() == 0
    publish(ledger, "a", "b", "c", relay=True)
    first = ledger.unsent(2)
    assert [one.message.id for one in first] == ["a", "b"]
    clock(ledger).now += 3
    assert ledger.outbox_age_s() == 3
    ledger.sent([first[0].seq])
    ledger.sent([first[1].seq], arrived=False)
    assert [one.message.id for one in ledger.unsent(9)] == ["b", "c"]
    assert ledger.unsent(9) == []
    clock(ledger).now += LEASE_S + 1
    again = ledger.unsent(9)
    assert [one.message.id for one in again] == ["b", "c"]
    ledger.sent([one.seq for one in again])
    assert ledger.outbox_age_s() == 0


def test_only_what_all_have_handled_is_forgotten(ledger: Ledger) -> None:
    """Old messages go when nobody waits for them, is at work on them or has given up on them."""
    ledger.join("one", "*")
    ledger.join("two", "*")
    publish(ledger, "a", "b", "c", "unsent", relay=True)
    for one in ledger.unsent(3):
        ledger.sent([one.seq])
    clock(ledger).now += 100
    publish(ledger, "young")
    before = clock(ledger).now
    assert ledger.prune(before) == 0, "nobody has read them"
    assert names(ledger, "one") == ["a", "b", "c", "unsent", "young"]
    claimed = ledger.claim("two", 100)[0]
    assert ledger.prune(before) == 0, "all are at work on them"
    ledger.settle("one", [one.seq for one in claimed])
    ledger.settle("two", [claimed[0].seq, claimed[3].seq, claimed[4].seq])
    ledger.settle(
        "two", [], [Failed(claimed[1].seq, 1, "no", False), Failed(claimed[2].seq, 1, "")]
    )
    assert ledger.prune(before) == 1, "b is dead, c waits, one is unsent and one is young"
    assert {letter.message.id for letter in ledger.dead_letters()} == {"b"}
    assert ledger.discard("two", ["b"]) == 1 and ledger.restore("two") == 1
    assert ledger.prune(before) == 0
    assert ledger.discard() == 1 and ledger.dead_letters() == []
    assert ledger.prune(before) == 1, "nobody wants b any more"
    ledger.forget("two")
    assert ledger.prune(before) == 1
    publish(ledger, "a")
    assert names(ledger, "one") == ["a"], "an id is known as long as its message is kept"


def test_an_idle_group_does_not_read_everything_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group whose topics are silent follows the others, so that its looks stay short."""
    monkeypatch.setattr("fraktal_kernel.agents.bus.ledger.SLACK", 50)
    ledger.join("quiet", "agents.*")
    publish(ledger, *(f"m{number}" for number in range(40)))
    assert ledger.ready_in("quiet") is None
    publish(ledger, *(f"n{number}" for number in range(40)))
    assert ledger.ready_in("quiet") == 0
    assert ledger.claim("quiet") == ([], 0)
    assert ledger.ready_in("quiet") is None
    publish(ledger, "this", topic="agents.state")
    assert ledger.ready_in("quiet") == 0
    assert names(ledger, "quiet") == ["this"]


class Bus(RuleBasedStateMachine):
    """Publish, claim, settle, fail, lose, move on and off a broker, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(f"sqlite:///{Path(self.folder.name) / 'fraktal.db'}")
        self.database.migrate()
        self.clock = Clock()
        owner_id = Security(self.database).local_user().user_id
        self.ledger = Ledger(self.database, owner_id, LEASE_S, 1.0, self.clock)
        self.fed = False
        self.topics: dict[str, str] = {}
        #: what each group is still to get
        self.owed: dict[str, set[str]] = {}
        #: what the broker has for each group, copies included
        self.broker: dict[str, list[str]] = {}

    @initialize()
    def begin(self) -> None:
        """Let two of the groups be there from the start."""
        self.join("all")
        self.join("jobs")

    @rule(group=st.sampled_from(list(GROUPS)))
    def join(self, group: str) -> None:
        """Let a consumer come, perhaps the first of its group."""
        self.ledger.join(group, GROUPS[group], self.fed)
        self.owed.setdefault(group, set())
        self.broker.setdefault(group, [])

    @rule(name=st.integers(0, 30), topic=st.sampled_from(TOPICS))
    def publish(self, name: int, topic: str) -> None:
        """Publish under an id that may be known."""
        key = f"m{name}"
        with self.database.write() as tx:
            new = self.ledger.add(tx, [write(Draft(topic, key, key))], relay=self.fed)
        assert new == (key not in self.topics)
        if new:
            self.topics[key] = topic
            for group in self.owed:
                if matches(GROUPS[group], topic):
                    self.owed[group].add(key)

    @rule(arrives=st.booleans(), count=st.integers(1, 5))
    def relay(self, arrives: bool, count: int) -> None:
        """Send; where the word of its arrival is lost, it will be sent again."""
        if self.fed:
            batch = self.ledger.unsent(count)
            for queue in self.broker.values():
                queue += [one.message.id for one in batch]
            self.ledger.sent([one.seq for one in batch], arrives)

    @rule(group=st.sampled_from(list(GROUPS)), count=st.integers(1, 5), twice=st.booleans())
    def bring(self, group: str, count: int, twice: bool) -> None:
        """Let the broker bring some, and keep them if it does not hear of their arrival."""
        if self.fed and group in self.owed:
            some = self.broker[group][:count]
            fitting = [name for name in some if matches(GROUPS[group], self.topics[name])]
            drafts = [write(Draft(self.topics[name], name, name)) for name in fitting]
            self.ledger.take(group, [(draft, self.clock()) for draft in drafts])
            if not twice:
                del self.broker[group][:count]

    @rule(group=st.sampled_from(list(GROUPS)), count=st.integers(1, 5), how=st.integers(0, 3))
    def work(self, group: str, count: int, how: int) -> None:
        """Claim some and handle all, none, fail all, or be lost in the middle."""
        if group not in self.owed:
            return
        claimed = self.ledger.claim(group, count)[0]
        for one in claimed:
            assert one.message.id in self.owed[group], "handled twice, or not for this group"
        if how == 0:
            self.ledger.release(group, [one.seq for one in claimed])
        if how == 1:
            failed = [Failed(one.seq, one.message.attempt, "no") for one in claimed]
            self.ledger.settle(group, [], failed)
        if how >= 2:
            done = claimed[: len(claimed) // 2] if how == 2 else claimed
            self.ledger.settle(group, [one.seq for one in done])
            self.owed[group] -= {one.message.id for one in done}

    @rule(seconds=st.floats(0.1, 3 * LEASE_S))
    def wait(self, seconds: float) -> None:
        """Let leases and delays run out."""
        self.clock.now += seconds

    @rule()
    def redrive(self) -> None:
        """Deliver dead letters again."""
        self.ledger.redrive()

    @rule()
    def switch(self) -> None:
        """Change the setting, and start again."""
        self.fed = not self.fed
        for group in list(self.owed):
            self.join(group)

    @invariant()
    def counts(self) -> None:
        """Count no more dead letters than are owed."""
        for state in self.ledger.groups():
            assert state.dead <= len(self.owed[state.group])

    def drain(self) -> None:
        """Let time pass, and everything be handled that can be had."""
        for group, owed in self.owed.items():
            while True:
                self.clock.now += 100 * LEASE_S
                self.ledger.redrive()
                claimed = self.ledger.claim(group, 10)[0]
                if not claimed:
                    break
                for one in claimed:
                    assert one.message.id in owed, "handled twice, or not for this group"
                    owed.discard(one.message.id)
                self.ledger.settle(group, [one.seq for one in claimed])

    def teardown(self) -> None:
        """In the end every group has had all that was for it, and nothing twice."""
        for turn in range(3):
            for _ in range(2 if self.fed else 0):
                self.clock.now += 2 * LEASE_S
                self.relay(turn > 0, 1000)
            for group in self.owed:
                self.bring(group, 10_000, turn == 0)
            self.drain()
            assert not any(self.owed.values())
            self.switch()
        self.database.close()
        self.folder.cleanup()


TestBus = Bus.TestCase
TestBus.settings = settings(max_examples=25, stateful_step_count=40)
