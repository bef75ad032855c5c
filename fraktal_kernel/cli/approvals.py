"""``fraktal approvals``: what waits for a person's yes, and the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.jobs import Json, open_workbench
from fraktal_kernel.cli.screen import ago, print_json, say, table
from fraktal_kernel.errors import InvalidInput

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.model import ApprovalView

app = typer.Typer(add_completion=False)

Id = Annotated[int, typer.Argument(help="The approval's number.")]
Note = Annotated[str, typer.Option(help="Words to go with the answer.")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Show what waits for a person's yes; a command behind it answers."""
    if not context.invoked_subcommand:
        list_approvals()


@app.command("list")
def list_approvals(
    every: Annotated[bool, typer.Option("--all", help="Also what was answered.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for a person: what would be done, with which arguments, for whom."""
    with open_workbench() as workbench:
        found = workbench.approvals.list(every)
    if as_json:
        print_json(found)
    elif not found:
        print("There is nothing yet." if every else "Nothing waits for you.")
    else:
        columns = ("id", "job", "what", "asked by", "asked", "state", "answer with")
        table(columns, [_row(view) for view in found])


def _row(view: ApprovalView) -> tuple[object, ...]:
    who = f" by {view.answered_by}" if view.answered_by else ""
    state = f"{view.state}{who}"
    answer = ""
    call = f"{view.capability} {json.dumps(view.params, ensure_ascii=False)}"
    if view.effect:
        call = f"{view.effect}: {call}"
    if view.question is not None:
        # Whoever is asked whether it happened has to know what.
        what = f"{view.question.text} {call}" if view.question.effect else view.question.text
        answer = f"fraktal jobs answer {view.job_id} {'|'.join(map(repr, view.question.choices))}"
    else:
        what = call
        if view.state == "open":
            answer = f"fraktal approvals approve|deny {view.id}"
    asked_by = view.asked_by + (f" ({view.reason})" if view.reason else "")
    return view.id or "", view.job_id, what, asked_by, ago(view.asked_at), state, answer


@app.command()
def approve(
    approval: Id,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another argument, as NAME=VALUE; may be given several times."),
    ] = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Say yes to exactly these arguments, or to those that you change; good for one start."""
    with open_workbench() as workbench:
        asked = workbench.approvals.get(approval)
        params = _changed(asked, changes) if changes else None
        view = workbench.approvals.approve(approval, params, note, digest=asked.digest)
        served = workbench.remote
    hint = "" if served else "; it starts when a server runs: fraktal serve"
    _report(view, as_json, f"is approved and queued{hint}")


def _changed(asked: ApprovalView, changes: Iterable[str]) -> dict[str, Any]:
    """Put what was typed into the arguments that were asked for."""
    from fraktal_kernel.cli.parameters import parse
    from fraktal_kernel.core.capability import capabilities

    schema = capabilities[asked.capability].schema()
    words = []
    for change in changes:
        name, equals, value = change.partition("=")
        if not name or not equals:
            raise InvalidInput(f"--set: given {change!r}, expected NAME=VALUE.")
        words.append(f"--{name}={value}")
    given = parse(words, schema, f"parameter of {asked.capability}")
    return _merged(asked.params, given)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    found = dict(old)
    for name, value in new.items():
        inner = found.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        found[name] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return found


@app.command()
def deny(approval: Id, note: Note = "", as_json: Json = False) -> None:
    """Say no: the job is cancelled, and whoever asked for it learns why."""
    with open_workbench() as workbench:
        view = workbench.approvals.deny(approval, note)
    _report(view, as_json, "is denied and cancelled")


def _report(view: ApprovalView, as_json: bool, text: str) -> None:
    if as_json:
        print_json(view)
        return
    print(f"job {view.job_id} {text}.")
    say(f"{view.capability} {json.dumps(view.params, ensure_ascii=False)}")
