"""The open door to it all: settings, database, store, events, jobs, capabilities.

A workbench opens where it finds one: if a server runs this workspace, it talks to that
(:mod:`fraktal_kernel.core.remote`); else it opens the database itself and starts worker
processes when the first job is submitted. Notebooks, commands and programs see no difference.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from fraktal_kernel.core.capability import Capability, capabilities
from fraktal_kernel.core.detached import DetachedRun
from fraktal_kernel.core.jobs.handle import JobHandle
from fraktal_kernel.core.jobs.model import Approvals, JobOptions, Jobs
from fraktal_kernel.core.run import Run
from fraktal_kernel.core.settings import Settings, load_settings
from fraktal_kernel.core.topics import EventView
from fraktal_kernel.core.workspace import read_address
from fraktal_kernel.registry import Registry

#: What floors above add to every workbench: a function of the workbench makes each.
parts: Registry[Callable[[Workbench], Any]] = Registry("part of a workbench", "fraktal.workbench")


class Workbench(ABC):
    """One user's workbench; open one with :meth:`open`."""

    settings: Settings
    #: this user's jobs
    jobs: Jobs
    #: what waits for this user's yes
    approvals: Approvals
    #: whether a server does the work
    remote: bool

    @staticmethod
    def open(
        settings: Settings | None = None,
        *,
        serve: bool = False,
        start_workers: bool = True,
        **overrides: Any,
    ) -> Workbench:
        """Open the workbench of a workspace.

        Parameters
        ----------
        settings : all settings, else they are read
        serve : be the server of this workspace: take it over at once, with workers
        start_workers : False to queue jobs only, for whoever runs the workspace later
        overrides : single settings, such as ``data="/tmp/workspace"``

        Raises
        ------
        AlreadyRunning
            another process runs the workspace and cannot be reached
        """
        settings = settings or load_settings(**overrides)
        capabilities.use_modules(settings.capability_modules)
        # Each way is imported when it is taken: one takes the database, the other a web client.
        if not serve and read_address(settings) is not None:
            from fraktal_kernel.core.remote import find_server

            server = find_server(settings)
            if server is not None:
                return server
        from fraktal_kernel.core.local import LocalWorkbench

        workbench = LocalWorkbench(settings, start_workers or serve)
        if serve:
            workbench.start()
        return workbench

    @property
    def capabilities(self) -> Mapping[str, Capability]:
        """Everything that can be asked for by name."""
        return capabilities

    def run(self, name: str, /, **params: Any) -> Any:
        """Do a capability here and now, in this process, and return what it returns."""
        wanted = capabilities[name]
        return wanted(wanted.validate(params, roots=None), self.detached())

    def detached(self) -> DetachedRun:
        """Make the run of a direct call in this process."""
        return Run.detached(cluster=self.settings.dask_scheduler)

    def submit(
        self, name: str, /, *, options: JobOptions | None = None, **params: Any
    ) -> JobHandle:
        """Queue a capability as a durable job."""
        view = self.jobs.submit(name, params, options or JobOptions())
        return self.job(view.id)

    def job(self, job_id: int) -> JobHandle:
        """Return the handle of a job by its number."""
        return JobHandle(self.jobs, self.jobs.get(job_id))

    def __getattr__(self, name: str) -> Any:
        """Make what a room above gives to every workbench, such as ``chat``, by its name."""
        if not name.startswith("_") and name in parts:
            part = parts[name](self)
            setattr(self, name, part)
            return part
        raise AttributeError(f"a workbench has no {name!r}.", name=name, obj=self)

    @abstractmethod
    def events(
        self,
        topics: str = "*",
        after: int | None = None,
        stop: threading.Event | None = None,
        subject: str | None = None,
    ) -> Iterator[EventView]:
        """Yield this user's events as they happen, from sequence ``after`` on without a gap.

        Parameters
        ----------
        topics : a topic or a pattern such as ``jobs.*``
        after : sequence number to go on behind, None to begin with what comes now
        stop : ends the iteration within a second when set
        subject : only events about this, such as a job's number
        """

    @abstractmethod
    def health(self) -> dict[str, Any]:
        """Tell whether database, store and workers answer, and what is wrong with each."""

    @abstractmethod
    def close(self) -> None:
        """Close it; jobs that run here go back into the queue."""

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
