"""What one holds after submitting a job: its state, its log, its files, its result."""

from __future__ import annotations

import time
from typing import Any

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.core.jobs.model import Jobs, JobView, LogLine, State
from fraktal_kernel.core.tracing.model import Timeline
from fraktal_kernel.errors import JobFailed, NotFound


class JobHandle:
    """A submitted job, seen from a notebook or a program."""

    def __init__(self, jobs: Jobs, view: JobView) -> None:
        self._jobs = jobs
        self._view = view

    @property
    def id(self) -> int:
        """The job's number."""
        return self._view.id

    @property
    def state(self) -> State:
        """The job's state, asked for now."""
        return self.refresh().state

    def refresh(self) -> JobView:
        """Ask for the job as it is now."""
        if not self._view.ended:
            self._view = self._jobs.get(self.id)
        return self._view

    def wait(self, timeout_s: float | None = None) -> Any:
        """Wait for the end and return the JSON result.

        Raises
        ------
        JobFailed
            it failed or was cancelled
        TimeoutError
            it goes on, but our patience ended
        """
        began = time.monotonic()
        while not self.refresh().ended:
            waited_s = time.monotonic() - began
            if timeout_s is not None and waited_s >= timeout_s:
                raise TimeoutError(f"job {self.id} is {self._view.state} after {timeout_s:g} s.")
            # Short jobs are noticed at once, long ones asked after a few times a second.
            time.sleep(min(max(waited_s / 10, 0.002), 0.25))
        if self._view.state != "succeeded":
            why = self._view.error or f"it was {self._view.state}."
            raise JobFailed(f"job {self.id} ({self._view.capability}): {why}")
        return self._view.result

    def cancel(self) -> JobView:
        """Stop the job."""
        self._view = self._jobs.cancel(self.id)
        return self._view

    def retry(self) -> JobView:
        """Queue the job again after it failed or was cancelled."""
        self._view = self._jobs.retry(self.id)
        return self._view

    def answer(self, choice: str) -> JobView:
        """Answer what the job asked."""
        self._view = self._jobs.answer(self.id, choice)
        return self._view

    def log(self) -> list[LogLine]:
        """Return the log, oldest line first."""
        return self._jobs.log(self.id)

    def spans(self) -> Timeline:
        """Return what took the time of the job, and of the jobs below it."""
        return self._jobs.spans(self.id)

    def artifacts(self) -> list[Artifact]:
        """List the files that the job made."""
        return self._jobs.artifacts(self.id)

    def artifact(self, name: str) -> Artifact:
        """Return one file that the job made."""
        found = {artifact.name: artifact for artifact in self.artifacts()}
        if name not in found:
            there = ", ".join(found) or "none yet"
            raise NotFound(f"job {self.id} has no artifact {name!r}; there are: {there}.")
        return found[name]

    def __repr__(self) -> str:
        view = self.refresh()
        text = f"job {view.id}: {view.capability} is {view.state}"
        if view.state == "running":
            text += f", {view.progress:.0%} {view.message}".rstrip()
        return f"<{text}>"
