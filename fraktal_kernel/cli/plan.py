"""``fraktal plan``: run a plan from a file, look at it, go on with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.exits import FAILED
from fraktal_kernel.cli.jobs import Id, Json, open_workbench
from fraktal_kernel.cli.screen import print_json, say, seconds, table
from fraktal_kernel.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.agents.plans.picture import Graph
    from fraktal_kernel.core.workbench import Workbench

app = typer.Typer(add_completion=False, no_args_is_help=True)
LOOK_S = 0.25


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="A YAML file with the plan.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", help="An input, as NAME=VALUE; may be given several times."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The same key again gives the job that is there already.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,
    as_json: Json = False,
) -> None:
    """Check a plan as a whole and submit it as a job."""
    from fraktal_kernel.agents.plans.file import read_plan
    from fraktal_kernel.core.jobs.model import JobOptions

    plan = read_plan(file)
    given = _inputs(inputs or [])
    with open_workbench() as workbench:
        if wait and not workbench.remote:
            raise Unavailable("no server runs that could do it; start one with: fraktal serve")
        order = {"plan": plan.model_dump(mode="json"), "inputs": given}
        view = workbench.jobs.submit("plan.run", order, JobOptions(key=key))
        if wait:
            _wait(workbench, view.id)
            _show(workbench, view.id, as_json)
            return
        served = workbench.remote
    if as_json:
        print_json(view)
        return
    hint = "" if served else "; it starts when a server runs: fraktal serve"
    print(f"plan {plan.name!r} is job {view.id}{hint}.")
    say(f"fraktal plan show {view.id}")


def _inputs(words: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE, each value as YAML has it: numbers, lists, texts."""
    from fraktal_kernel.agents.plans.file import read_values

    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise InvalidInput(f"-p: given {word!r}, expected NAME=VALUE.")
        if name in found:
            raise InvalidInput(f"-p: {name} is given twice; leave one out.")
        found[name] = read_values(text, f"-p {name}")
    return found


def _wait(workbench: Workbench, job: int) -> None:
    """Wait for a plan's end, and say what it waits for meanwhile."""
    told: set[str] = set()
    while not workbench.jobs.get(job).ended:
        for node in _graph(workbench, job).nodes:
            line = f"{node.id} waits for {node.waits_for}: fraktal approvals list"
            if node.waits_for in ("approval", "question") and line not in told:
                told.add(line)
                say(line)
        time.sleep(LOOK_S)


def _graph(workbench: Workbench, job: int) -> Graph:
    from fraktal_kernel.agents.plans.picture import graph

    return graph(workbench.jobs.get(job), workbench.jobs.children(job))


@app.command()
def show(job: Id, as_json: Json = False) -> None:
    """Show a plan's steps from its first to its last, and how each goes."""
    with open_workbench() as workbench:
        _show(workbench, job, as_json)


def _show(workbench: Workbench, job: int, as_json: bool) -> None:
    from fraktal_kernel.agents.plans.picture import as_rows

    drawn = _graph(workbench, job)
    if as_json:
        print_json(drawn)
    else:
        cost = f", cost {drawn.cost:g}" if drawn.cost else ""
        print(f"plan {drawn.name!r}, job {job}: {drawn.state}{cost}")
        rows = []
        for step, what, state, duration_s, jobs, before in as_rows(drawn):
            took = "" if duration_s is None else seconds(duration_s)
            rows.append((step, what, state, took, jobs, ", ".join(before)))
        table(("step", "what", "state", "took", "jobs", "after"), rows)
        if drawn.error:
            say(drawn.error)
    if drawn.state in ("failed", "cancelled"):
        raise typer.Exit(FAILED)


@app.command()
def resume(job: Id, as_json: Json = False) -> None:
    """Go on with a plan that failed or was cancelled; finished steps are not done again."""
    with open_workbench() as workbench:
        _graph(workbench, job)
        view = workbench.jobs.retry(job)
        served = workbench.remote
    if as_json:
        print_json(view)
        return
    hint = "" if served else "; it starts when a server runs: fraktal serve"
    print(f"job {job} goes on{hint}.")
