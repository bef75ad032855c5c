"""``fraktal models``: which language models the chat asks, in what order, and how each fares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.exits import FAILED
from fraktal_kernel.cli.jobs import Json, open_workbench
from fraktal_kernel.cli.screen import print_json, say, seconds, table, visible

if TYPE_CHECKING:
    from fraktal_kernel.agents.models.keeper import ModelList, ModelView
    from fraktal_kernel.agents.models.shelf import Choice

app = typer.Typer(add_completion=False)

Model = Annotated[str, typer.Argument(help="offline, ollama:NAME, openai:NAME[@URL].")]
Place = Annotated[int | None, typer.Option(min=1, help="Its place, the first being 1.")]
Limit = Annotated[
    float | None, typer.Option("--timeout-s", help="Seconds in which it has to end its answer.")
]
Variable = Annotated[
    str, typer.Option("--key-variable", help="Environment variable with its key: LAB_API_KEY.")
]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Show the language models in their order; a command behind it changes the list."""
    if not context.invoked_subcommand:
        list_models()


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the models in the order in which they are asked, and how each fares."""
    from fraktal_kernel.agents.models.keeper import models_of

    with open_workbench() as workbench:
        found = models_of(workbench).list()
    if as_json:
        print_json(found)
        return
    columns = (
        "place",
        "model",
        "state",
        "limit",
        "key",
        "answers",
        "median",
        "tokens",
        "last error",
    )
    table(columns, [_row(place, view) for place, view in enumerate(found.models, 1)])
    if found.fixed:
        say(f"{found.fixed[0].upper()}{found.fixed[1:]}")


def _row(place: int, view: ModelView) -> tuple[object, ...]:
    tokens = view.tokens_in + view.tokens_out
    return (
        place,
        view.model,
        f"rests {seconds(view.rests_s)}" if view.rests_s else "ready",
        seconds(view.timeout_s) if view.timeout_s else "",
        view.key_variable or ("set" if view.has_key else ""),
        f"{view.answers} of {view.answers + view.failures}",
        "" if view.median_s is None else seconds(view.median_s),
        f"{tokens:,}" if tokens else "",
        view.error,
    )


@app.command()
def add(
    model: Model,
    place: Place = None,
    timeout_s: Limit = None,
    key_variable: Variable = "",
    as_json: Json = False,
) -> None:
    """Put a model on the list; without a place before offline at the end."""
    from fraktal_kernel.agents.models.shelf import Choice, added

    choice = Choice(model=model, timeout_s=timeout_s, key_variable=key_variable)
    _change(lambda old: added(old, choice, place), as_json)


@app.command()
def remove(model: Model, as_json: Json = False) -> None:
    """Take a model off the list."""
    from fraktal_kernel.agents.models.shelf import removed

    _change(lambda old: removed(old, model), as_json)


@app.command()
def move(
    model: Model,
    place: Annotated[int, typer.Argument(help="Its new place, the first being 1.")],
    as_json: Json = False,
) -> None:
    """Put a model of the list at another place."""
    from fraktal_kernel.agents.models.shelf import moved

    _change(lambda old: moved(old, model, place), as_json)


@app.command("set")
def set_model(
    model: Model, timeout_s: Limit = None, key_variable: Variable = "", as_json: Json = False
) -> None:
    """Give a model of the list another time limit and variable; what is left out is taken away."""
    from fraktal_kernel.agents.models.shelf import changed

    _change(lambda old: changed(old, model, timeout_s, key_variable), as_json)


@app.command()
def undo(as_json: Json = False) -> None:
    """Take the last change of the list back; once more brings it again."""
    from fraktal_kernel.agents.models.keeper import models_of

    with open_workbench() as workbench:
        _report(models_of(workbench).undo(), as_json)


@app.command("try")
def try_model(model: Model, as_json: Json = False) -> None:
    """Greet one model of the list; says what it answered and how fast, or why it did not."""
    tried = _tried(model)
    if as_json:
        print_json(tried)
    elif tried["answered"]:
        print(visible(tried["text"]))
        say(f"{model} answered in {seconds(tried['seconds'])}.")
    else:
        say(f"{model} did not answer: {tried['reason']} ({seconds(tried['seconds'])}).")
    if not tried["answered"]:
        raise typer.Exit(FAILED)


def _tried(model: str) -> dict[str, Any]:
    """Try it where the chat would ask it: on the server where one runs, else here."""
    from pydantic_core import to_jsonable_python

    with open_workbench() as workbench:
        if workbench.remote:
            found = workbench.submit("chat.try_model", model=model).wait()
        else:
            found = workbench.run("chat.try_model", model=model)
    return dict(to_jsonable_python(found))


def _change(change: Callable[[list[Choice]], list[Choice]], as_json: bool) -> None:
    from fraktal_kernel.agents.models.keeper import choices_of, models_of

    with open_workbench() as workbench:
        models = models_of(workbench)
        old = models.list()
        _report(models.put(change(choices_of(old)), old.version), as_json)


def _report(found: ModelList, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print(", then ".join(view.model for view in found.models))
    say("fraktal models undo takes it back.")
