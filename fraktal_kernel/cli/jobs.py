"""``fraktal jobs``: what was submitted, and what may be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.exits import FAILED
from fraktal_kernel.cli.screen import ago, bar, print_json, say, seconds, size, table, visible
from fraktal_kernel.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.model import JobView
    from fraktal_kernel.core.workbench import Workbench

app = typer.Typer(add_completion=False)

Id = Annotated[int, typer.Argument(help="The job's number.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def open_workbench() -> Iterator[Workbench]:
    """Open the workbench without starting workers: a command only looks, or gives word."""
    from fraktal_kernel.core.workbench import Workbench

    with Workbench.open(start_workers=False) as workbench:
        yield workbench


@app.callback(invoke_without_command=True)
def list_jobs(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, newest first; a command behind it does something with one."""
    if context.invoked_subcommand:
        return
    from fraktal_kernel.core.jobs.model import STATES

    if state is not None and state not in STATES:
        raise InvalidInput(f"--state: given {state!r}, expected one of {', '.join(STATES)}.")
    with open_workbench() as workbench:
        found = workbench.jobs.list(state=state, limit=limit)
    if as_json:
        print_json(found)
    elif not found:
        print("No jobs yet; fraktal submit fractal.render makes one." if not state else "None.")
    else:
        rows = [_row(view) for view in found]
        table(("job", "capability", "state", "done", "created", "took", "message"), rows)


def _row(view: JobView) -> tuple[object, ...]:
    took = ""
    if view.started_at and view.ended_at:
        took = seconds((view.ended_at - view.started_at).total_seconds())
    told = view.error or (view.question.text if view.question else view.message)
    done = f"{view.progress:.0%}"
    return view.id, view.capability, view.state, done, ago(view.created_at), took, told or ""


@app.command()
def show(job: Id, as_json: Json = False) -> None:
    """Tell all about one job."""
    with open_workbench() as workbench:
        view = workbench.jobs.get(job)
    if as_json:
        print_json(view)
        return
    for name, value in _facts(view):
        print(f"{name:<12}{visible(value)}")


def _facts(view: JobView) -> Iterator[tuple[str, object]]:
    import json

    from fraktal_kernel.cli.parameters import words_of

    yield "job", view.id
    yield "state", view.state + (f": {view.error}" if view.error else "")
    yield "capability", f"{view.capability} {words_of(view.params)}"
    yield "progress", f"{view.progress:.0%} {view.message}"
    yield "attempt", f"{view.attempt} of {view.max_attempts}"
    for name, time in (
        ("created", view.created_at),
        ("started", view.started_at),
        ("ended", view.ended_at),
    ):
        if time:
            yield name, f"{ago(time)} ({time:%Y-%m-%d %H:%M:%S} UTC)"
    if view.key:
        yield "key", view.key
    if view.parent_id:
        yield "parent", view.parent_id
    if view.question:
        yield "asks", f"{view.question.text} [{'/'.join(view.question.choices)}]"
    elif view.state == "waiting" and view.effect and view.asked_by:
        yield "asks", f"for a yes, for {view.asked_by}: fraktal approvals list"
    if view.result is not None:
        yield "result", json.dumps(view.result)


@app.command()
def watch(job: Id) -> None:
    """Follow a job's progress and log until it ends; Ctrl-C only stops watching."""
    with open_workbench() as workbench:
        view = workbench.jobs.get(job)
        if view.ended:
            for line in workbench.jobs.log(job):
                say(line.text)
        else:
            # A job that runs without a server belongs to an open notebook or program.
            if not workbench.remote and view.state != "running":
                raise Unavailable(
                    f"job {view.id} is {view.state} and no server runs that could go on with it; "
                    "start one with: fraktal serve"
                )
            view = follow(workbench, view)
        _tell_end(view)


def follow(workbench: Workbench, view: JobView) -> JobView:
    """Show a job until it has ended."""
    with bar() as progress:
        task = progress.add_task(view.capability, total=1.0)
        progress.update(task, completed=view.progress)
        try:
            # From the first event on: what happened before we came is part of the story.
            for event in workbench.events("jobs.*", after=0, subject=str(view.id)):
                facts = event.payload
                if event.topic == "jobs.progress":
                    text = visible(facts.get("message") or view.capability)
                    progress.update(task, completed=facts["progress"], description=text)
                elif event.topic == "jobs.log":
                    progress.console.print(visible(facts["text"]), markup=False)
                elif event.topic == "jobs.question":
                    answers = "|".join(facts["choices"])
                    progress.console.print(
                        visible(f"{facts['text']} fraktal jobs answer {view.id} {answers}"),
                        markup=False,
                    )
                elif event.topic == "jobs.state":
                    progress.update(task, description=f"{view.capability}: {facts['state']}")
                    now = workbench.jobs.get(view.id)
                    if now.ended:
                        progress.update(task, completed=now.progress)
                        return now
        except KeyboardInterrupt:
            say(f"job {view.id} goes on; fraktal jobs cancel {view.id} stops it.")
            raise
    return workbench.jobs.get(view.id)


def _tell_end(view: JobView) -> None:
    if view.state == "succeeded":
        print_json(view.result)
        return
    say(f"job {view.id} {view.state}" + (f": {view.error}" if view.error else "."))
    raise typer.Exit(FAILED)


@app.command()
def cancel(job: Id, as_json: Json = False) -> None:
    """Stop a job."""
    with open_workbench() as workbench:
        view = workbench.jobs.cancel(job)
    _report(view, as_json, "is cancelled" if view.ended else "is being cancelled")


@app.command()
def retry(job: Id, as_json: Json = False) -> None:
    """Queue a failed or cancelled job again; its finished steps are not done twice."""
    with open_workbench() as workbench:
        view, served = workbench.jobs.retry(job), workbench.remote
    hint = "" if served else "; it starts when a server runs: fraktal serve"
    _report(view, as_json, f"is queued again{hint}")


@app.command()
def discard(
    job: Id,
    undo: Annotated[bool, typer.Option("--undo", help="Take that back.")] = False,
    as_json: Json = False,
) -> None:
    """Put a failed job away: it stays as it is, and is no longer among the dead letters."""
    with open_workbench() as workbench:
        view = workbench.jobs.restore(job) if undo else workbench.jobs.discard(job)
    _report(view, as_json, "is among the dead letters again" if undo else "was discarded")


@app.command()
def answer(
    job: Id,
    choice: Annotated[str, typer.Argument(help="One of its choices.")],
    as_json: Json = False,
) -> None:
    """Answer what a waiting job asked."""
    with open_workbench() as workbench:
        view = workbench.jobs.answer(job, choice)
    _report(view, as_json, f"was answered {choice!r}")


def _report(view: JobView, as_json: bool, text: str) -> None:
    if as_json:
        print_json(view)
    else:
        print(f"job {view.id} {text}.")


@app.command()
def log(job: Id, as_json: Json = False) -> None:
    """Print a job's log, oldest line first."""
    with open_workbench() as workbench:
        lines = workbench.jobs.log(job)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        level = "" if line.level == "info" else f"{line.level}: "
        print(f"{line.time:%H:%M:%S} {level}{visible(line.text)}")


@app.command()
def timeline(job: Id, as_json: Json = False) -> None:
    """Draw what took the time of a job, and of the jobs below it, as bars."""
    from fraktal_kernel.cli.timeline import draw

    with open_workbench() as workbench:
        found = workbench.jobs.spans(job)
    if as_json:
        print_json(found)
    else:
        draw(found)


@app.command()
def artifacts(
    job: Id,
    save: Annotated[Path | None, typer.Option(help="Copy them into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """List the files that a job made, or copy them into a folder."""
    if save is not None and not save.parent.is_dir():
        raise InvalidInput(f"--save {save}: there is no folder {save.parent}; make it first.")
    if save is not None and save.exists() and not save.is_dir():
        raise InvalidInput(f"--save {save} is a file; name a folder.")
    with open_workbench() as workbench:
        found = workbench.jobs.artifacts(job)
        saved: list[Any] = []
        for artifact in found if save is not None else []:
            place = Path(str(save), *artifact.name.split("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            saved.append(artifact.save(place))
    if as_json:
        print_json(found)
    elif save is not None:
        for place in saved:
            print(place)
    elif not found:
        print(f"job {job} has made no files.")
    else:
        rows = [(a.name, size(a.size_bytes), a.media_type) for a in found]
        table(("file", "size", "kind"), rows)
