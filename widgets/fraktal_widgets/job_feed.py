"""Follow a workbench's jobs and keep what a screen shows of them, as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fraktal_kernel.errors import FraktalError
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import (
    LOG_LINES,
    facts,
    log_lines,
    milliseconds,
    thumbnail,
    with_unit,
)

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.model import JobView
    from fraktal_kernel.core.workbench import Workbench

PAGE = 50
WAITING_MOST = 1000
GATHER_S = 0.1
#: pictures larger than this are listed, not drawn: making them small would take seconds
PICTURE_MAX_BYTES = 64 * 1024**2
PICTURES_KEPT = 60
#: of jobs that were given to watch one by one, this many stay; those that have not ended always
WATCHED_KEPT = 3
PICTURE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


class JobFeed(Feed):
    """Some jobs of a workbench, kept current.

    Parameters
    ----------
    workbench : whose jobs
    changed : called on a thread of the feed when something changed, at most ten times a second
    everything : follow all jobs; False follows only those given to :meth:`watch`
    """

    about = "jobs"
    topics = "jobs.*"
    rate_per_s = 10.0

    def __init__(
        self, workbench: Workbench, changed: Callable[[], None], *, everything: bool = True
    ) -> None:
        super().__init__(workbench, changed)
        self.jobs: dict[int, JobView] = {}
        self.artifacts: dict[int, list[Any]] = {}
        self.logs: dict[int, list[dict[str, Any]]] = {}
        self.problems: dict[int, str] = {}
        self.waiting: dict[int, str] = {}  # for a person's answer: approval or question, by job
        self.asked: dict[int, int] = {}  # which question, by its event: two may read alike
        self.pictures: dict[str, str] = {}
        self.more = False
        self._everything = everything
        self._open: set[int] = set()
        self._tried: set[str] = set()

    def watch(self, job: JobView) -> None:
        """Keep one more job current; of the older ones, forget some that have ended."""
        for old in [] if self._everything else sorted(self.jobs)[: 1 - WATCHED_KEPT]:
            if self.jobs[old].ended:
                self.forget(old)
        self.jobs[job.id] = job
        self.do(lambda: self._refresh(job.id))

    def forget(self, job_id: int) -> None:
        """Follow a job no longer."""
        for kept in (self.jobs, self.artifacts, self.logs, self.problems, self.asked):
            kept.pop(job_id, None)

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user wished of one job; a refusal stands on the job's card."""
        self.do(lambda: self._grant(wish))

    def older(self, state: str | None = None) -> None:
        """Fetch the next page of older jobs, of one state or of all."""

        def fetch() -> None:
            jobs = [job.id for job in self.jobs.values() if state in (None, job.state)]
            self._take(self._list(state, before=min(jobs, default=None)))

        self.do(fetch)

    def cards(self) -> list[dict[str, Any]]:
        """Give all jobs as JSON, the newest first."""
        return [self.card(job) for job in sorted(self.jobs.values(), key=lambda j: -j.id)]

    def card(self, job: JobView) -> dict[str, Any]:
        """Give one job as JSON, as ``job_card.js`` shows it."""
        card: dict[str, Any] = {
            "id": job.id,
            "capability": job.capability,
            "title": self.title(job.capability),
            "summary": self._summary(job),
            "params": facts(job.params),
            "state": job.state,
            "progress": job.progress,
            "message": job.message,
            "attempt": job.attempt,
            "max_attempts": job.max_attempts,
            "error": job.error,
            "problem": self.problems.get(job.id, ""),
            "question": job.question.model_dump() if job.question else None,
            "asked": self.asked.get(job.id, 0),
            "waits_for": self._waits_for(job),
            "result": facts(job.result)
            if isinstance(job.result, dict)
            else facts({"": job.result}),
            "created": milliseconds(job.created_at),
            "started": milliseconds(job.started_at),
            "ended": milliseconds(job.ended_at),
            "artifacts": [
                artifact.model_dump(mode="json") for artifact in self.artifacts.get(job.id, [])
            ],
        }
        if job.id in self._open and job.id in self.logs:
            card["log"] = self.logs[job.id]
        return card

    # on the thread of the feed ----------------------------------------------------------

    def _grant(self, wish: dict[str, Any]) -> None:
        what, job_id = str(wish.get("do")), int(wish.get("job", 0))
        jobs = self.workbench.jobs
        self.problems.pop(job_id, None)
        try:
            if what == "cancel":
                self.jobs[job_id] = jobs.cancel(job_id)
            elif what == "retry":
                self.jobs[job_id] = jobs.retry(job_id)
            elif what == "answer":
                self.jobs[job_id] = jobs.answer(job_id, str(wish.get("choice")))
            elif what == "open":
                self._open.add(job_id)
                self.logs[job_id] = log_lines(jobs.log(job_id))
                self._refresh(job_id)
            elif what == "close":
                self._open.discard(job_id)
                self.logs.pop(job_id, None)
        except FraktalError as error:
            self.problems[job_id] = str(error)

    def _list(self, state: str | None = None, before: int | None = None) -> list[JobView]:
        found = self.workbench.jobs.list(state=state, limit=PAGE, before=before)  # type: ignore[arg-type]
        if state is None:
            self.more = len(found) == PAGE
        return found

    def _load(self) -> None:
        if self._everything:
            active = [
                job for state in ("queued", "running", "waiting") for job in self._list(state)
            ]
            self._take([*active, *self._list()])
            self._count_waiting()
        for job_id, job in list(self.jobs.items()):
            if job.state in ("queued", "running", "waiting") or not self._everything:
                self._refresh(job_id)
        self.loading = False

    def _take(self, jobs: Iterable[JobView]) -> None:
        for job in jobs:
            self.jobs[job.id] = job
            self._look_at(job)

    def _refresh(self, job_id: int) -> None:
        self._take([self.workbench.jobs.get(job_id)])

    def _look_at(self, job: JobView) -> None:
        """Learn which files a job has, once it may have some."""
        if job.state == "queued" or (job.ended and job.id in self.artifacts):
            return
        self.do(lambda: self._find_artifacts(job.id))

    def _find_artifacts(self, job_id: int) -> None:
        found = self.workbench.jobs.artifacts(job_id)
        self.artifacts[job_id] = found
        for artifact in found[:4]:
            if artifact.sha256 in self._tried or artifact.media_type not in PICTURE_TYPES:
                continue
            if artifact.size_bytes <= PICTURE_MAX_BYTES and len(self._tried) < PICTURES_KEPT:
                self._tried.add(artifact.sha256)
                if (url := thumbnail(artifact.read())) is not None:
                    self.pictures = self.pictures | {artifact.sha256: url}

    def _apply(self, event: Any) -> None:
        job_id = int(event.subject)
        known = self.jobs.get(job_id)
        if known is None and not self._everything:
            return
        if event.topic == "jobs.progress" and known is not None:
            if known.state == "running":
                self.jobs[job_id] = known.model_copy(update=_of(event, "progress", "message"))
        elif event.topic == "jobs.log":
            if job_id in self.logs:
                line = {"time": milliseconds(event.time), **_of(event, "level", "text")}
                self.logs[job_id] = [*self.logs[job_id], line][-LOG_LINES:]
        elif event.topic == "jobs.step":
            return  # what stands on a card says nothing of steps
        elif event.topic == "jobs.artifact":
            self._find_artifacts(job_id)
        else:
            if event.topic == "jobs.question":
                self.asked[job_id] = event.seq
            if event.payload.get("state") == "queued":  # tried again: its files may change
                self.artifacts.pop(job_id, None)
            self._refresh(job_id)
            if self._everything and (
                event.payload.get("state") == "waiting" or job_id in self.waiting
            ):
                self._later("waiting", GATHER_S, self._count_waiting)

    def _waits_for(self, job: JobView) -> str:
        """Say for what answer of a person a job waits; empty where it does not."""
        if job.state != "waiting":
            return ""
        return "question" if job.question else self.waiting.get(job.id, "")

    def _count_waiting(self) -> None:
        """Learn which jobs wait for a person, and not for a time or for other jobs."""
        found = self.workbench.approvals.list(limit=WAITING_MOST)
        self.waiting = {one.job_id: one.kind for one in found}

    def _summary(self, job: JobView) -> str:
        """Say in one line what a job was asked for, beyond what is so by default."""
        usual: dict[str, Any] = {}
        if job.capability in self.workbench.capabilities:
            fields = self.workbench.capabilities[job.capability].params_type.model_fields
            usual = {name: field.default for name, field in fields.items()}
        parts = []
        for name, value in job.params.items():
            if isinstance(value, str | int | float) and usual.get(name) != value:
                words, text = with_unit(name, str(value)[:60])
                parts.append(f"{words} {text}")
        return " · ".join(parts[:6])


def _of(event: Any, *names: str) -> dict[str, Any]:
    return {name: event.payload[name] for name in names if name in event.payload}
