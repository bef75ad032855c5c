"""What a job looks like from outside, and what one may say when submitting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol

from pydantic import BaseModel

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.core.tracing.model import Timeline

State = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "waiting", "succeeded", "failed", "cancelled")
ENDED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})
#: What the keys of children begin with, and no key that a user gives: one that a user took
#: first would let a parent wait for a job that is not its child.
CHILD_KEY = "/"
#: What the names of agents look like.
AGENT_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is run, beside what it does.

    Parameters
    ----------
    key : submitting the same key again gives the job that is there already
    priority : the highest first; within one priority the oldest first
    delay_s : seconds to wait before the first try
    timeout_s : seconds a try may take, None for what the capability says
    max_attempts : tries before it counts as failed, None for what the capability says
    agent : name of the agent that has to do it, empty for whoever is free
    traceparent : W3C trace context that it is a part of; empty for that of this thread, if any
    """

    key: str | None = None
    priority: int = 0
    delay_s: float = 0
    timeout_s: float | None = None
    max_attempts: int | None = None
    agent: str = ""
    traceparent: str = ""


class OpenQuestion(BaseModel):
    """What a waiting job wants to know from a person."""

    text: str
    choices: list[str]
    #: whether it asks if something happened that cannot be taken back
    effect: bool = False


class JobView(BaseModel):
    """A job as everybody sees it."""

    id: int
    owner_id: int
    capability: str
    params: dict[str, Any]
    state: State
    priority: int
    key: str | None
    parent_id: int | None
    attempt: int
    max_attempts: int
    timeout_s: float | None
    agent: str
    ran_on: str
    asked_by: str
    effect: bool
    cost: float
    progress: float
    message: str
    question: OpenQuestion | None
    result: Any
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    #: when a person put the failed job away
    discarded_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ENDED


class LogLine(BaseModel):
    """One line of a job's log."""

    time: datetime
    level: str
    text: str


class ApprovalView(BaseModel):
    """What waits for a person, or waited: a yes for one job's effect, or an answer to its question.

    ``params`` are the arguments that the yes is bound to by ``digest``. A question has no number
    of its own; it is answered through its job.
    """

    kind: Literal["approval", "question"]
    id: int | None
    job_id: int
    capability: str
    effect: str
    params: dict[str, Any]
    digest: str
    asked_by: str
    reason: str
    state: Literal["open", "approved", "denied", "expired", "withdrawn", "used"]
    asked_at: datetime
    expires_at: datetime | None
    answered_at: datetime | None
    answered_by: str | None
    used_at: datetime | None
    note: str
    question: OpenQuestion | None


#: Names for lists, because a class with a method ``list`` cannot spell the type inside.
JobViews = list[JobView]
LogLines = list[LogLine]
Artifacts = list[Artifact]
ApprovalViews = list[ApprovalView]


class Jobs(Protocol):
    """One user's jobs, here or on a server.

    All methods raise :class:`~fraktal_kernel.errors.NotFound` for a number that is no job
    of this user's.
    """

    def submit(
        self, capability: str, params: Mapping[str, Any], options: JobOptions = ...
    ) -> JobView:
        """Queue a job; raises InvalidInput where the parameters do not fit."""

    def get(self, job_id: int) -> JobView:
        """Return one job."""

    def list(
        self, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> JobViews:
        """List jobs, newest first; ``before`` a job's number gives the next page."""

    def cancel(self, job_id: int) -> JobView:
        """Stop a job; one that has ended raises Conflict."""

    def retry(self, job_id: int) -> JobView:
        """Queue a failed or cancelled job again; its finished steps are not done twice."""

    def discard(self, job_id: int) -> JobView:
        """Put a failed job away: it stays as it is, and is no longer among the dead letters."""

    def restore(self, job_id: int) -> JobView:
        """Take a discard back."""

    def answer(self, job_id: int, choice: str) -> JobView:
        """Answer what a waiting job asked."""

    def children(self, job_id: int) -> dict[str, JobView]:
        """Return the jobs that a job has begun, by the names that it gave them."""

    def log(self, job_id: int) -> LogLines:
        """Return the log, oldest line first."""

    def spans(self, job_id: int) -> Timeline:
        """Return what took the time of a job, and of the jobs below it."""

    def artifacts(self, job_id: int) -> Artifacts:
        """List the files that a job made; each can be read."""

    def open_artifact(self, job_id: int, name: str) -> BinaryIO:
        """Open one file that a job made."""


class Approvals(Protocol):
    """What waits for one user's yes, here or on a server.

    All methods raise :class:`~fraktal_kernel.errors.NotFound` for a number that is no approval
    of this user's, and :class:`~fraktal_kernel.errors.Conflict` for one that takes no answer:
    it was answered already, has expired, or its job was cancelled.
    """

    def list(self, every: bool = False, limit: int = 100) -> ApprovalViews:
        """List what is open, oldest first; with ``every`` all approvals, newest first."""

    def get(self, approval_id: int) -> ApprovalView:
        """Return one approval."""

    def approve(
        self,
        approval_id: int,
        params: Mapping[str, Any] | None = None,
        note: str = "",
        *,
        digest: str,
    ) -> ApprovalView:
        """Say yes, with other arguments where they are given.

        Parameters
        ----------
        params : all arguments of the job, checked as those of a new one
        digest : of the arguments that the person saw, as it stands in the view; others raise
            Conflict
        """

    def deny(self, approval_id: int, note: str = "") -> ApprovalView:
        """Say no; the job is cancelled."""
