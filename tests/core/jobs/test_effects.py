"""However yes, no, loss, stop and retry follow one another: no effect without its own yes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from fraktal_kernel.core.jobs.effects import AGAIN, GIVE_UP, HAPPENED
from fraktal_kernel.core.jobs.journal import Claimed, Fenced, Outcome
from fraktal_kernel.core.jobs.model import ENDED
from fraktal_kernel.errors import Conflict
from tests.core.jobs.test_approvals import Desk


class Game(RuleBasedStateMachine):
    """Programs ask, people answer, workers begin and vanish, in any order."""

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    @initialize()
    def open(self) -> None:
        """Begin with an empty journal."""
        self.folder = Path(tempfile.mkdtemp(prefix="fraktal-effects-"))
        self.desk = Desk(f"sqlite:///{self.folder / 'fraktal.db'}")
        self.begun: dict[int, int] = {}
        self.agreed: dict[int, int] = {}
        self.doubtful: set[int] = set()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.desk.database.close()
        shutil.rmtree(self.folder)

    @rule(target=jobs, person=st.booleans())
    def submit(self, person: bool) -> int:
        """Submit a deed; a person's own comes with its yes."""
        job_id = self.desk.submit(asked_by="" if person else "a plan")
        self.begun[job_id], self.agreed[job_id] = 0, int(person)
        return job_id

    @rule(yes=st.sampled_from([True, True, True, False]))
    def answer(self, yes: bool) -> None:
        """Answer the question for a yes that waits longest."""
        asked = [each for each in self.desk.approvals.list() if each.kind == "approval"]
        for each in asked[:1]:
            if yes:
                self.desk.approvals.approve(each.id or 0, digest=each.digest)
                self.agreed[each.job_id] += 1
            else:
                self.desk.approvals.deny(each.id or 0)

    @rule(target=claims, begin=st.sampled_from([True, True, False]))
    def claim(self, begin: bool) -> object:
        """Take what may be taken, and mostly begin it: once each time, if at all."""
        claimed = self.desk.journal.claim("w", -1, 2)
        for job in claimed:
            assert job.id not in self.doubtful
            if begin:
                self.start(job)
        return multiple(*claimed)

    @rule(job=claims)
    def begin_late(self, job: Claimed) -> None:
        """Begin what was taken a while ago, and may have been taken back since."""
        self.start(job)

    def start(self, job: Claimed) -> None:
        """Begin a job, where the journal lets it."""
        before = self.desk.view(job.id)
        with self.desk.database.read() as tx:
            row = tx.row("SELECT effect_started_at FROM job WHERE id = :id", {"id": job.id})
        try:
            self.desk.journal.start(job)
        except Fenced:
            return
        assert before.state == "running"
        if row is not None and row[0] is None:
            self.begun[job.id] += 1

    @rule(job=consumes(claims), how=st.sampled_from(["worker", "server", "stop"]))
    def lose(self, job: Claimed, how: str) -> None:
        """Lose the worker, or the server, or stop it."""
        with self.desk.database.read() as tx:
            started = {
                int(row[0])
                for row in tx.rows(
                    "SELECT id FROM job WHERE state = 'running' AND NOT cancel_requested"
                    " AND effect_started_at IS NOT NULL"
                )
            }
        if how == "worker":
            started &= {job.id}
            held = self.desk.view(job.id).state == "running"
            self.desk.journal.lost(job.id, job.fence, "the worker process died")
            if not held or self.desk.view(job.id).state == "running":  # somebody else has it
                started = set()
        elif how == "server":
            self.desk.journal.forsaken()
        else:
            self.desk.journal.release()
        self.doubtful |= started

    @rule(job=claims, well=st.booleans())
    def end(self, job: Claimed, well: bool) -> None:
        """End it, well or not."""
        try:
            if well:
                self.desk.journal.end([Outcome(job.id, job.fence, "succeeded", "1")])
            else:
                self.desk.journal.fail(job.id, job.fence, "the ink has run out")
        except Fenced:
            pass

    @rule(job_id=jobs, choice=st.sampled_from([HAPPENED, AGAIN, GIVE_UP]))
    def settle(self, job_id: int, choice: str) -> None:
        """Say what happened, where that is asked."""
        if job_id not in self.doubtful:
            return
        self.desk.journal.answer(job_id, choice, self.desk.owner_id)
        self.doubtful.discard(job_id)
        self.agreed[job_id] += choice == AGAIN

    @rule(job_id=jobs)
    def cancel(self, job_id: int) -> None:
        """Cancel it."""
        try:
            if self.desk.journal.cancel(job_id) == "cancelled":
                self.doubtful.discard(job_id)
        except Conflict:
            assert self.desk.view(job_id).ended

    @rule(job_id=jobs)
    def retry(self, job_id: int) -> None:
        """Retry it; of a person's own job that is a yes."""
        try:
            self.desk.journal.retry(job_id)
        except Conflict:
            return
        self.agreed[job_id] += not self.desk.view(job_id).asked_by

    @invariant()
    def each_beginning_has_its_yes(self) -> None:
        """No more beginnings than agreements, and each doubt is shown."""
        if not hasattr(self, "desk"):
            return
        for job_id, times in self.begun.items():
            assert times <= self.agreed[job_id]
        shown = {
            each.job_id
            for each in self.desk.approvals.list(limit=1000)
            if each.question is not None and each.question.effect
        }
        assert shown == self.doubtful
        for job_id in self.doubtful:
            assert self.desk.view(job_id).state not in ENDED


TestGame = Game.TestCase
TestGame.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
