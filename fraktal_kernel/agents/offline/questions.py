"""What the workbench itself answers at once: its jobs, their results, what there is to choose.

Each question is written as a capability, so that it is understood like all others, but it is no
job: a worker has no view of the journal. Its function takes the workbench in place of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fraktal_kernel.agents.offline.answers import (
    jobs_word,
    say_answer,
    shape_of,
    state_word,
)
from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.core.capability import Capability
from fraktal_kernel.core.jobs.model import JobView, State
from fraktal_kernel.core.values import LISTED_MAX
from fraktal_kernel.errors import NotFound

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

#: How far back a question about jobs looks, and how many it names.
_MOST, _NAMED = 10_000, 10


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JobsParams(_Params):
    """Which jobs."""

    state: State | None = Field(None, description="Only those in this state.")
    capability: str | None = Field(None, description="Only those of this capability.")
    day: date | None = Field(None, description="Only those of this day.")
    since: date | None = Field(None, description="Only those from this day on.")


class OneJob(_Params):
    """Which job."""

    job: Annotated[int, Field(ge=1)] | Literal["last"] = Field(
        title="Job", description="The job's number, or the last."
    )

    def view(self, workbench: Workbench) -> JobView:
        """Find the job."""
        if self.job != "last":
            return workbench.jobs.get(self.job)
        newest = workbench.jobs.list(limit=1)
        if not newest:
            raise NotFound("there are no jobs yet.")
        return newest[0]


class AnswerParams(OneJob):
    """Which job, and what it is told."""

    choice: Literal["yes", "no", "tak", "nie"] = Field(description="One of its choices.")


class ResultParams(_Params):
    """Whose result."""

    job: int | None = Field(None, ge=1, title="Job", description="A job's number, else the last.")
    kind: Literal["picture", "film", "poster", "notebook", "sound"] | None = Field(
        None, description="What kind of thing."
    )


class ChoicesParams(_Params):
    """Choices of what."""

    parameter: str = Field(description="Of which parameter.")
    capability: str | None = Field(None, description="Of which capability.")


class CapabilityParams(_Params):
    """Which capability."""

    capability: str = Field(description="Its name.")


class Nothing(_Params):
    """There is nothing to say."""


@dataclass(frozen=True)
class Answer:
    """What the workbench answers.

    Attributes
    ----------
    reply : plain sentences
    data : the same as JSON values
    artifacts : files to show
    """

    reply: str
    data: Any = None
    artifacts: tuple[Artifact, ...] = ()


questions: dict[str, Capability] = {}
_Function = Callable[[Any, "Workbench", str], Answer]


def _question(
    name: str, title: str, params: type[BaseModel], examples: tuple[dict[str, Any], ...] = ()
) -> Callable[[_Function], _Function]:
    def keep(function: _Function) -> _Function:
        full = f"workbench.{name}"
        questions[full] = Capability(full, title, function, params, examples=examples)
        return function

    return keep


def answer(
    capability: str, arguments: dict[str, Any], workbench: Workbench, language: str = "en"
) -> Answer:
    """Answer a question, or do to a job what was asked.

    Parameters
    ----------
    capability : a name of `questions`
    arguments : as `understand` found them

    Raises
    ------
    NotFound
        there is no such question, or no such job
    Conflict
        the job's state does not allow it
    """
    if capability not in questions:
        raise NotFound(f"{capability!r:.100} is no question that the workbench answers itself.")
    asked = questions[capability]
    params = asked.validate(arguments)
    reply = asked.function(params, workbench, language)
    assert isinstance(reply, Answer)
    return reply


def _all(workbench: Workbench, state: State | None = None) -> Iterator[JobView]:
    """Go through the jobs, newest first."""
    before: int | None = None
    for _ in range(_MOST // LISTED_MAX):
        page = workbench.jobs.list(state=state, limit=LISTED_MAX, before=before)
        yield from page
        if len(page) < LISTED_MAX:
            return
        before = page[-1].id


def _local_day(moment: datetime) -> date:
    return moment.astimezone().date()


@_question(
    "jobs",
    "List jobs",
    JobsParams,
    ({"state": "failed"}, {"state": "running"}),
)
def list_jobs(params: JobsParams, workbench: Workbench, language: str) -> Answer:
    """Tell how many jobs there are, what runs, which wait for an answer, failed or are done."""
    found = []
    for view in _all(workbench, params.state):
        # A job counts for the day on which it last changed: that is when it failed or was done.
        day = _local_day(view.ended_at or view.started_at or view.created_at)
        if params.capability not in (None, view.capability):
            continue
        if (params.day is None or day == params.day) and (
            params.since is None or day >= params.since
        ):
            found.append(view)
    told = "; ".join(_line(view, language) for view in found[:_NAMED])
    reply = say_answer(
        language,
        "jobs" if found else "no_jobs",
        count=len(found),
        state=jobs_word(language, params.state, len(found)),
        told=told + ("; ..." if len(found) > _NAMED else ""),
    )
    return Answer(reply, {"count": len(found), "jobs": [view.id for view in found]})


def _line(view: JobView, language: str) -> str:
    text = f"{view.id} {view.capability} {state_word(language, view.state)}"
    if view.state == "running":
        text += f" {view.progress:.0%}"
    if view.error:
        text += f" ({view.error:.120})"
    return text


@_question("job", "Show the state of a job", OneJob, ({"job": 12},))
def show_job(params: OneJob, workbench: Workbench, language: str) -> Answer:
    """Tell what a job is doing: its status, how far it is, if done, what happens, why it failed."""
    view = params.view(workbench)
    parts = [_line(view, language)]
    if view.message and not view.ended:
        parts.append(view.message)
    if view.question is not None:
        choices = "/".join(view.question.choices)
        parts.append(f"{view.question.text} [{choices}]")
    reply = say_answer(language, "job", told=". ".join(parts))
    return Answer(reply, view.model_dump(mode="json"))


@_question("log", "Show the log of a job", OneJob, ({"job": 12},))
def show_log(params: OneJob, workbench: Workbench, language: str) -> Answer:
    """Show the log that a job wrote."""
    job = params.view(workbench).id
    lines = workbench.jobs.log(job)
    told = "\n".join(f"{line.time:%H:%M:%S} {line.text}" for line in lines)
    return Answer(
        told or say_answer(language, "no_log", job=job),
        [line.model_dump(mode="json") for line in lines],
    )


@_question("result", "Show the result of a job", ResultParams, ({"kind": "picture"}, {"job": 12}))
def show_result(params: ResultParams, workbench: Workbench, language: str) -> Answer:
    """Show the last picture, film or artifact, where it is, what a job did and produced."""
    views = (
        iter([workbench.jobs.get(params.job)])
        if params.job is not None
        else _all(workbench, "succeeded")
    )
    for view in views:
        artifacts = workbench.jobs.artifacts(view.id)
        shown = [one for one in artifacts if params.kind in (None, *shape_of(one))]
        if not shown and (params.kind is not None or params.job is None):
            continue
        files = ", ".join(one.name for one in shown) or say_answer(language, "no_files")
        job = {"job": view.id, "state": view.state, "result": view.result}
        reply = say_answer(language, "result", told=_line(view, language), files=files)
        return Answer(
            reply, {**job, "artifacts": [one.model_dump() for one in shown]}, tuple(shown)
        )
    return Answer(say_answer(language, "no_result"))


@_question("cancel_job", "Cancel a job", OneJob, ({"job": 12},))
def cancel_job(params: OneJob, workbench: Workbench, language: str) -> Answer:
    """Stop a job that waits or runs."""
    view = workbench.jobs.cancel(params.view(workbench).id)
    return Answer(say_answer(language, "cancelled", job=view.id), view.model_dump(mode="json"))


@_question("retry_job", "Retry a job", OneJob, ({"job": 12},))
def retry_job(params: OneJob, workbench: Workbench, language: str) -> Answer:
    """Try or run a failed job again."""
    view = workbench.jobs.retry(params.view(workbench).id)
    return Answer(say_answer(language, "retried", job=view.id), view.model_dump(mode="json"))


@_question("answer_job", "Answer a job", AnswerParams, ({"job": 12, "choice": "yes"},))
def answer_job(params: AnswerParams, workbench: Workbench, language: str) -> Answer:
    """Answer the question of a job."""
    view = workbench.jobs.answer(params.view(workbench).id, params.choice)
    return Answer(
        say_answer(language, "answered", job=view.id, choice=params.choice),
        view.model_dump(mode="json"),
    )


@_question("capabilities", "List capabilities", Nothing)
def list_capabilities(params: Nothing, workbench: Workbench, language: str) -> Answer:
    """Help: tell what you can do, which abilities and commands there are."""
    known = {name: found.title for name, found in workbench.capabilities.items()}
    told = "; ".join(f"{title} ({name})" for name, title in known.items())
    return Answer(say_answer(language, "capabilities", told=told), known)


@_question("choices", "List choices", ChoicesParams, ({"parameter": "palette"},))
def list_choices(params: ChoicesParams, workbench: Workbench, language: str) -> Answer:
    """Tell what values there are, and which are available or known."""
    # Here, because the index of capabilities is built of these questions.
    from fraktal_kernel.agents.offline.profiles import choices_in

    found: dict[str, list[str]] = {}
    for name, one in workbench.capabilities.items():
        if params.capability not in (None, name):
            continue
        values = choices_in(one).get(params.parameter)
        if values and list(values) not in found.values():
            found[name] = list(values)
    told = "; ".join(
        ", ".join(values) if len(found) == 1 else f"{name}: {', '.join(values)}"
        for name, values in found.items()
    )
    reply = say_answer(
        language, "choices" if found else "no_choices", name=params.parameter, told=told
    )
    return Answer(reply, found)


@_question("capability", "Explain a capability", CapabilityParams)
def explain(params: CapabilityParams, workbench: Workbench, language: str) -> Answer:
    """Tell how to do something, and all about it: what it can do, which parameters it takes."""
    known = workbench.capabilities
    if params.capability not in known:
        raise NotFound(f"there is no capability {params.capability!r:.100}.")
    found = known[params.capability]
    names = [
        f"{name} ({entry.get('description') or entry.get('title') or name})".replace(".)", ")")
        for name, entry in found.schema().get("properties", {}).items()
    ]
    reply = say_answer(
        language,
        "capability",
        title=found.title,
        text=found.description,
        name=found.name,
        told=", ".join(names) or "-",
    )
    return Answer(reply, found.describe())


@_question("health", "Check the health", Nothing)
def check_health(params: Nothing, workbench: Workbench, language: str) -> Answer:
    """Tell whether everything is all right, and everything works: database, store, server."""
    report = workbench.health()
    bad = "; ".join(f"{part}: {text}" for part, text in report.items() if text not in ("ok", True))
    bad = "; ".join(part for part in bad.split("; ") if part != "ok: False")
    return Answer(say_answer(language, "ill" if bad else "healthy", told=bad), report)
