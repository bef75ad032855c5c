"""A process that does jobs, where it is, and the job it does now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fraktal_kernel.core.jobs.channel import Channel, Message
from fraktal_kernel.core.jobs.ledger import Claimed


@dataclass
class Running:
    """A job that this server holds the lease of."""

    job: Claimed
    started: float = field(default_factory=time.monotonic)
    beat: float = field(default_factory=time.monotonic)
    #: when to kill its process if it has not stopped by itself, None while it may go on
    kill_at: float | None = None
    #: what to say of it if we had to stop it, None for a cancellation
    verdict: str | None = None
    #: how this try ended, what went wrong, and when that was; None while it goes on
    outcome: str | None = None
    error: str | None = None
    ended_at: float | None = None
    #: how many spans it has recorded
    spans: int = 0

    @property
    def seconds(self) -> float:
        """How long this try has taken."""
        return time.monotonic() - self.started

    def end(self, outcome: str, error: str | None = None) -> None:
        """Note how this try ended."""
        self.error, self.ended_at = self.verdict or error, time.time()
        self.outcome = outcome  # last: who sees it finds the rest


@dataclass(frozen=True)
class Place:
    """What is different for a process that is not one of this server's own.

    Parameters
    ----------
    name : what one reads when it is lost
    data, modules : the workspace root and the modules with capabilities there
    check : looks at each message before it is believed; raises InvalidInput
    check_child : looks at the capability of each job that it wants begun; raises InvalidInput
    """

    name: str
    data: str
    modules: list[str]
    check: Callable[[Claimed | None, Message], None]
    check_child: Callable[[str], None]


@dataclass
class WorkerLine:
    """One process that can do jobs, and the one it does."""

    id: str
    pid: int
    channel: Channel
    running: Running | None = None
    place: Place | None = None
