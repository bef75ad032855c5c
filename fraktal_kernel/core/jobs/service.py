"""One user's jobs where the database is at hand: checks at the door, then the journal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import PydanticSerializationError

from fraktal_kernel.core.capability import Capability, capabilities
from fraktal_kernel.core.jobs.journal import Journal, Submission
from fraktal_kernel.core.jobs.model import (
    AGENT_NAME,
    CHILD_KEY,
    Artifacts,
    JobOptions,
    JobView,
    JobViews,
    LogLines,
    State,
)
from fraktal_kernel.core.jobs.reading import Reader
from fraktal_kernel.core.store import Store
from fraktal_kernel.core.tracing.context import here, read_traceparent
from fraktal_kernel.core.tracing.model import Timeline
from fraktal_kernel.errors import Conflict, InvalidInput

MAX_PRIORITY = 1000
MAX_ATTEMPTS = 100
MAX_SECONDS = 366 * 86400.0


class LocalJobs:
    """One user's jobs in this process's database; see :class:`~.model.Jobs`.

    Parameters
    ----------
    user_id : who submits and owns
    roots : folders inside which parameters may name files, None for any
    ready : asked before a job is queued; it starts workers, or says who holds the workspace
    wake : told whenever there may be something to do
    """

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        store: Store,
        user_id: int,
        roots: list[Path] | None,
        ready: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._store = store
        self._user_id = user_id
        self._roots = roots
        self._ready = ready
        self._wake = wake

    def submit(
        self, capability: str, params: Mapping[str, Any], options: JobOptions | None = None
    ) -> JobView:
        """Queue a job; the same key again gives the job that is there."""
        return self.submit_new(capability, params, options)[0]

    def submit_new(
        self, capability: str, params: Mapping[str, Any], options: JobOptions | None = None
    ) -> tuple[JobView, bool]:
        """Queue a job, and tell whether it is new or was known by its key."""
        options = options or JobOptions()
        wanted = capabilities[capability]
        if not capabilities.importable(capability):
            raise InvalidInput(
                f"capability {capability!r} was typed into this session, where worker processes "
                "cannot find it; put it into a module and name that in capability_modules, or "
                "run it directly."
            )
        ordered = checked_json(wanted, params, self._roots)
        _check_options(options)
        self._ready()
        ((job_id, new),) = self._journal.submit(
            [
                Submission(
                    owner_id=self._user_id,
                    capability=capability,
                    params=ordered,
                    key=options.key,
                    priority=options.priority,
                    delay_s=options.delay_s,
                    timeout_s=wanted.timeout_s if options.timeout_s is None else options.timeout_s,
                    max_attempts=options.max_attempts or wanted.max_attempts,
                    agent=options.agent,
                    traceparent=_trace_of(options),
                    effect=bool(wanted.effect),
                )
            ]
        )
        self._wake()
        job = self._reader.get(job_id)
        if job.capability != capability:
            raise Conflict(
                f"key: job {job_id} of {job.capability} has the key {options.key!r} already; "
                "choose another."
            )
        return job, new

    def get(self, job_id: int) -> JobView:
        """Return one job."""
        return self._reader.get(job_id)

    def list(
        self, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> JobViews:
        """List jobs, newest first."""
        return self._reader.list(state, limit, before)

    def cancel(self, job_id: int) -> JobView:
        """Stop a job."""
        self._reader.get(job_id)
        self._journal.cancel(job_id)
        self._wake()
        return self._reader.get(job_id)

    def retry(self, job_id: int) -> JobView:
        """Queue an ended job again."""
        self._reader.get(job_id)
        self._journal.retry(job_id)
        self._wake()
        return self._reader.get(job_id)

    def discard(self, job_id: int) -> JobView:
        """Put a failed job away."""
        self._reader.get(job_id)
        self._journal.discard(job_id)
        return self._reader.get(job_id)

    def restore(self, job_id: int) -> JobView:
        """Take a discard back."""
        self._reader.get(job_id)
        self._journal.discard(job_id, away=False)
        return self._reader.get(job_id)

    def answer(self, job_id: int, choice: str) -> JobView:
        """Answer what a waiting job asked."""
        self._reader.get(job_id)
        self._journal.answer(job_id, choice, self._user_id)
        self._wake()
        return self._reader.get(job_id)

    def children(self, job_id: int) -> dict[str, JobView]:
        """Return the jobs that a job has begun, by the names that it gave them."""
        return self._reader.children(job_id)

    def log(self, job_id: int) -> LogLines:
        """Return the log, oldest line first."""
        return self._reader.log(job_id)

    def spans(self, job_id: int) -> Timeline:
        """Return what took the time of a job, and of the jobs below it."""
        return self._reader.spans(job_id)

    def artifacts(self, job_id: int) -> Artifacts:
        """List the files that a job made."""
        found = self._reader.artifacts(job_id)
        return [
            artifact.opened_by(partial(self.open_artifact, job_id, artifact.name))
            for artifact in found
        ]

    def open_artifact(self, job_id: int, name: str) -> BinaryIO:
        """Open one file that a job made."""
        return self._store.open(self._reader.artifact_path(job_id, name))


def checked_json(
    wanted: Capability, params: Mapping[str, Any], roots: Sequence[Path] | None
) -> str:
    """Check parameters and write them as the JSON that a job keeps."""
    checked = wanted.validate(params, roots)
    try:
        ordered = checked.model_dump_json()
        # A number that JSON does not know would come to the worker as null.
        json.dumps(checked.model_dump(mode="json"), allow_nan=False)
    except (ValueError, PydanticSerializationError) as error:
        raise InvalidInput(
            f"the parameters of {wanted.name} cannot be kept as JSON ({error}); "
            "give finite numbers and plain text."
        ) from None
    return ordered


def _trace_of(options: JobOptions) -> str:
    """Say of which trace a job is a part; what cannot be read begins one of its own."""
    found = read_traceparent(options.traceparent or here())
    return "" if found is None else str(found)


def _check_options(options: JobOptions) -> None:
    def check(name: str, value: float | None, low: float, high: float) -> None:
        if value is not None and not low <= value <= high:
            raise InvalidInput(f"{name}: given {value}, expected {low:g} to {high:g}.")

    check("priority", options.priority, -MAX_PRIORITY, MAX_PRIORITY)
    check("delay_s", options.delay_s, 0, MAX_SECONDS)
    check("timeout_s", options.timeout_s, 0.001, MAX_SECONDS)
    check("max_attempts", options.max_attempts, 1, MAX_ATTEMPTS)
    if options.agent and not re.fullmatch(AGENT_NAME, options.agent):
        raise InvalidInput(
            f"agent: given {options.agent[:80]!r}, expected a name such as 'gpu-box': letters, "
            "digits, dots, dashes and underscores, at most 60."
        )
    key = options.key
    if key is None:
        return
    if not 0 < len(key) <= 200:
        raise InvalidInput(f"key: given {len(key)} characters, expected 1 to 200.")
    if key.startswith(CHILD_KEY) or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", key):
        raise InvalidInput(
            f"key: given {key!r}, expected printable text that does not begin with {CHILD_KEY!r}."
        )
