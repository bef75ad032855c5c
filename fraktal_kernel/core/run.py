"""What a capability gets to talk to the world while it works.

:class:`Run` is the one interface; :meth:`Run.detached` serves direct calls and tests
(``core/detached.py``), and ``core/jobs/worker.py`` has the one that a job gets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fraktal_kernel.core.artifact import Artifact, Data
from fraktal_kernel.errors import FraktalError

if TYPE_CHECKING:
    from fraktal_kernel.core.detached import DetachedRun

T = TypeVar("T")


class Cancelled(FraktalError):
    """Somebody cancelled this run; let it pass, or clean up and raise it again."""


@dataclass(frozen=True, slots=True)
class Child:
    """A job that another one has begun, as that one saw it last."""

    id: int
    state: str
    result: Any = None
    error: str | None = None
    cost: float = 0.0
    #: which agent did it, empty for a worker of the server
    ran_on: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ("succeeded", "failed", "cancelled")


class Run(ABC):
    """The world as a working capability sees it."""

    #: number of the job, None in a direct call
    job_id: int | None = None
    #: which try this is, from 1
    attempt: int = 1
    #: when its first try began, in seconds since 1970
    began: float = 0.0

    @staticmethod
    def detached(
        *,
        on_progress: Callable[[float, str], None] | None = None,
        on_log: Callable[[str, str], None] | None = None,
        ask: Callable[[str, Sequence[str]], str] | None = None,
        cancelled: Callable[[], bool] | None = None,
        cluster: str = "",
        folder: Path | None = None,
        name: str = "",
        serve: Callable[[str, Mapping[str, Any]], Any] | None = None,
    ) -> DetachedRun:
        """Make the run of a direct call: nothing is journaled, and files go with it.

        Parameters
        ----------
        cluster : address of a Dask scheduler that may share the work
        folder : in which files lie while they are needed; by default one for temporary files
        name : of this very work: what a killed run of it left in the folder is gone on with
        serve : answers what the run requests of a server, by name and arguments
        """
        from fraktal_kernel.core.detached import DetachedRun

        return DetachedRun(on_progress, on_log, ask, cancelled, cluster, folder, name, serve)

    @abstractmethod
    def progress(self, fraction: float, text: str = "") -> None:
        """Tell how far the work is: a fraction from 0 to 1, and of what in words."""

    @abstractmethod
    def log(self, text: str, level: str = "info") -> None:
        """Write one line into the log."""

    @abstractmethod
    def save(self, name: str, data: Data, media_type: str | None = None) -> Artifact:
        """Keep a file under a name; a second file of that name takes the first one's place."""

    @abstractmethod
    def step(self, name: str, function: Callable[[], T]) -> T:
        """Do one part of the work and remember its JSON value: not done twice after a crash."""

    @abstractmethod
    def ask(self, question: str, choices: Sequence[str]) -> str:
        """Ask a person; a job waits for the answer without holding a worker."""

    @abstractmethod
    def call(self, capability: str, /, **params: Any) -> Any:
        """Run another capability, as a child job where this is a job; returns its JSON result."""

    @abstractmethod
    def begin(
        self,
        capability: str,
        params: Mapping[str, Any],
        *,
        name: str,
        agent: str = "",
        avoid: Sequence[str] = (),
        asked_by: str = "",
    ) -> Child:
        """Begin another capability as a child job and go on; the same name gives the same child.

        A direct call does it at once, and what goes wrong in it becomes the child's error.

        Parameters
        ----------
        name : of this child among those of the job
        agent : the agent that has to do it, empty for whoever is free
        avoid : agents that are not to do it while others can, empty for the server's own workers
        asked_by : what a person reads who is asked for a yes; by default this job
        """

    @abstractmethod
    def known(self, name: str) -> Child | None:
        """Return the child that was begun under a name, None where there is none."""

    @abstractmethod
    def stop(self, children: Sequence[Child]) -> None:
        """Cancel children of this job; those that have ended stay as they are."""

    @abstractmethod
    def pause(self, until: float | None = None) -> None:
        """Let go of the worker until a child has ended, or until a time in seconds since 1970.

        The job is taken up again from its start, and finds its steps and children as they stand.
        """

    @abstractmethod
    def say(self, payload: Mapping[str, Any]) -> None:
        """Tell those who watch this job something as it happens: an event ``jobs.said``."""

    @abstractmethod
    def spend(self, cost: float) -> None:
        """Add to what this job has cost, in the currency of the settings."""

    @abstractmethod
    def request(self, service: str, /, **arguments: Any) -> Any:
        """Ask the server something by name; see :mod:`fraktal_kernel.core.services`."""

    @abstractmethod
    def scratch(self) -> Path:
        """Give a folder for what the work needs on the way.

        That of a job is there again, with all that is in it, when the job is taken up after its
        worker died; it goes when the job has succeeded.
        """

    @abstractmethod
    def cluster(self) -> str:
        """Give the address of the Dask scheduler that may share the work; empty where none is.

        A job that asks is about to wait for others, so that its own thread of the cluster is
        given free.
        """

    @property
    @abstractmethod
    def cancelled(self) -> bool:
        """Whether somebody cancelled this run."""

    def check_cancelled(self) -> None:
        """Raise :class:`Cancelled` if somebody cancelled this run."""
        if self.cancelled:
            raise Cancelled("cancelled.")
