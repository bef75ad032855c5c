"""``fraktal batch``: a notebook with parameters, once or for every combination of a sweep."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.exits import FAILED
from fraktal_kernel.cli.screen import bar, print_json, say, seconds, table
from fraktal_kernel.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from fraktal_kernel.batch import Notebook, Outcome, Plan


def batch(
    context: typer.Context,
    notebook: Annotated[str, typer.Argument(help="Path or fsspec URL of a notebook.")],
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="Values to run one after the other: --sweep NAME=V1,V2,..."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(help="Folder or fsspec URL for results; batch/ in the workspace else."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Notebooks at the same time.")] = 1,
    again: Annotated[bool, typer.Option("--again", help="Run also what has a result.")] = False,
    ask: Annotated[
        bool, typer.Option("--list", help="Only list the notebook's parameters.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run a notebook in a process of its own; what has a result already is skipped.

    Parameters are given as -p NAME VALUE, as often as needed.
    """
    from fraktal_kernel.batch import Notebook, plan_sweep
    from fraktal_kernel.core.settings import load_settings

    read = Notebook.read(notebook)
    if ask:
        _list(read, as_json)
        return
    place = out or str(load_settings().data / "batch" / read.name)
    plans = plan_sweep(read, _pairs(context.args), _swept(read, sweep or []), place, typed=True)
    _check_out(place)
    outcomes = _run(plans, jobs, again)
    if as_json:
        print_json([_facts(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            print(_line(outcome))
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(FAILED)


#: Typer knows no option with two values that may be repeated: -p stays for us to read.
batch.command_options = {  # type: ignore[attr-defined]
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True}
}


def _pairs(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word not in ("-p", "--parameter"):
            raise InvalidInput(f"given {word!r}, expected -p NAME VALUE; fraktal batch --help.")
        if len(rest) < 2:
            raise InvalidInput("-p: expected a name and a value, such as -p width 4096.")
        name, value = rest.pop(0), rest.pop(0)
        if name in found:
            raise InvalidInput(f"{name}: given twice; use --sweep {name}={found[name]},{value}.")
        found[name] = value
    return found


def _swept(notebook: Notebook, sweeps: Sequence[str]) -> dict[str, list[Any]]:
    swept: dict[str, list[Any]] = {}
    for text in sweeps:
        name, equals, values = text.partition("=")
        if not equals or not name:
            raise InvalidInput(f"--sweep: given {text!r}, expected NAME=V1,V2,...")
        if name in swept:
            raise InvalidInput(f"--sweep {name}: given twice; put all values into one.")
        swept[name] = _values(values)
    return swept


def _values(text: str) -> list[Any]:
    """Split at commas; values with commas of their own are given as one JSON list."""
    if text.startswith("["):
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, list):
            raise InvalidInput(
                f"--sweep: given {text!r}, expected a JSON list such as [[1,2],[3]]."
            )
        return values
    return [part.strip() for part in text.split(",")] if text else []


def _check_out(place: str) -> None:
    """Refuse a place that cannot be written, before any kernel starts."""
    from fraktal_kernel.batch.places import scheme, store_at, whole

    if scheme(place) == "file" and Path(whole(place)).is_file():
        raise InvalidInput(f"--out {place} is a file; name a folder.")
    try:
        store_at(whole(place)).check()
    except Unavailable as error:
        if scheme(place) != "file":
            raise
        raise InvalidInput(f"--out {place}: {error}") from None


def _run(plans: list[Plan], jobs: int, again: bool) -> list[Outcome]:
    """Run them beside one bar each, a few at a time."""
    from fraktal_kernel.batch import run_sweep
    from fraktal_kernel.cli.interrupt import interruptible

    stop = threading.Event()
    progress = bar()
    tasks: dict[int, Any] = {}
    names = [plan.folder.rstrip("/").rpartition("/")[2] for plan in plans]

    def on_run(index: int, done: int, of: int, text: str) -> None:
        if index not in tasks:
            tasks[index] = progress.add_task(names[index], total=of)
        progress.update(tasks[index], completed=done, description=f"{names[index]}: {text}")

    if len(plans) > 1:
        say(f"{len(plans)} runs of {plans[0].notebook.file}, {jobs} at a time")
    with progress:
        return interruptible(
            lambda: run_sweep(plans, jobs=jobs, again=again, on_run=on_run, cancelled=stop.is_set),
            stop,
            grace_s=3,
        )


def _line(outcome: Outcome) -> str:
    if outcome.finished is None:
        return f"failed: {outcome.error}"
    told = "there already" if outcome.skipped else f"in {seconds(outcome.finished.duration_s)}"
    return f"{outcome.finished.output} ({told})"


def _facts(outcome: Outcome) -> dict[str, Any]:
    from dataclasses import asdict

    state = "failed" if outcome.error else "skipped" if outcome.skipped else "succeeded"
    facts: dict[str, Any] = {"state": state, "parameters": outcome.plan.parameters}
    if outcome.finished:
        return facts | asdict(outcome.finished)
    return facts | {"folder": outcome.plan.folder, "error": str(outcome.error)}


def _list(notebook: Notebook, as_json: bool) -> None:
    known = notebook.parameters.values()
    if as_json:
        print_json(
            [
                {"name": p.name, "default": p.source, "takes": p.expected, "help": p.help}
                for p in known
            ]
        )
    else:
        rows = [(p.name, p.expected, p.source, p.help) for p in known]
        table(("parameter", "takes", "default", "what it means"), rows)
