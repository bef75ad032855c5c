"""``fraktal ask``: plain words, understood and done; what is missing is asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.exits import FAILED
from fraktal_kernel.cli.jobs import follow
from fraktal_kernel.cli.screen import print_json, say, size, visible
from fraktal_kernel.errors import InvalidInput

if TYPE_CHECKING:
    from fraktal_kernel.agents.offline import Understanding
    from fraktal_kernel.core.jobs.model import JobView
    from fraktal_kernel.core.settings import Settings
    from fraktal_kernel.core.workbench import Workbench

#: How often something missing is asked for before it is given up.
_QUESTIONS = 8


def ask(
    words: Annotated[list[str], typer.Argument(help="What to do, in plain English or Polish.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was understood, and do nothing.")
    ] = False,
) -> None:
    """Say in plain words what to do; it is understood, done and shown."""
    from fraktal_kernel.agents.models.shelf import Shelf
    from fraktal_kernel.core.settings import load_settings

    settings = load_settings()
    if [choice.model for choice in Shelf(settings).read().now] != ["offline"]:
        _ask_models(" ".join(words), settings, as_json)
        return
    understood = _understood(" ".join(words))
    if as_json:
        print_json(understood.to_dict())
        return
    understood = _complete(understood)
    if understood.kind == "help":
        print(understood.reply)
    elif understood.kind == "question":
        _answer(understood)
    else:
        _carry_out(understood)


def _ask_models(text: str, settings: Settings, as_json: bool) -> None:
    """Take one turn of the chat, or only tell what it would do."""
    from fraktal_kernel.core.workbench import Workbench

    if as_json:
        from fraktal_kernel.agents.chat.choice import choose
        from fraktal_kernel.core.capability import capabilities

        capabilities.use_modules(settings.capability_modules)
        print_json(choose(text, settings))
        return
    with Workbench.open(settings) as workbench:
        turn = workbench.chat.send(text)
        try:
            _watch(workbench, turn.job_id)
        except KeyboardInterrupt:
            workbench.chat.stop(turn.answer_id)
            raise
        answer = workbench.chat.message(turn.answer_id)
        if answer.text:
            print(visible(answer.text))
        if answer.state != "done":
            say(answer.error or f"the answer was {answer.state}.")
            raise typer.Exit(FAILED)
        kept = ", with an answer that it gave before" if answer.details.cached else ""
        say(f"conversation {turn.conversation_id}, answered by {answer.details.model}{kept}.")


def _watch(workbench: Workbench, job_id: int) -> None:
    """Tell what a turn calls and who did not answer, until it has ended."""
    for event in workbench.events("jobs.*", after=0, subject=str(job_id)):
        told = event.payload
        if told.get("say") == "note":
            say(told["text"])
        elif told.get("say") == "call":
            say(f"{told['capability']}: {told['state']}{_about(told)}")
        elif event.topic == "jobs.state" and workbench.jobs.get(job_id).ended:
            return


def _about(call: dict[str, Any]) -> str:
    """Say what a person may do about a call, or what went wrong with it."""
    if call["state"] == "waits for approval":
        return f", job {call['job']}; fraktal approvals list shows it."
    return f", {call['error']}" if call["error"] else "."


def _understood(text: str, context: Understanding | None = None) -> Understanding:
    """Understand one sentence; the one place that says by which model."""
    from fraktal_kernel.agents.chat.tools import NOT_OFFERED
    from fraktal_kernel.agents.offline import understand
    from fraktal_kernel.core.capability import capabilities
    from fraktal_kernel.core.settings import load_settings

    capabilities.use_modules(load_settings().capability_modules)
    language = context.language if context else None
    found = {name: capabilities[name] for name in capabilities if not name.startswith(NOT_OFFERED)}
    return understand(text, found, context=context, language=language)


def _complete(understood: Understanding) -> Understanding:
    """Ask for what is missing, where somebody is there to answer."""
    for _ in range(_QUESTIONS):
        if understood.kind != "missing" or not sys.stdin.isatty():
            break
        say(understood.reply)
        understood = _understood(input("> "), understood)
    if understood.kind in ("missing", "cannot"):
        raise InvalidInput(understood.reply)
    return understood


def _answer(understood: Understanding) -> None:
    from fraktal_kernel.agents.offline import answer
    from fraktal_kernel.core.workbench import Workbench

    assert understood.capability is not None
    with Workbench.open(start_workers=False) as workbench:
        told = answer(
            understood.capability, dict(understood.arguments), workbench, understood.language
        )
    print(visible(told.reply))


def _carry_out(understood: Understanding) -> None:
    """Submit the job, watch it, and name what it made."""
    from fraktal_kernel.core.capability import capabilities
    from fraktal_kernel.core.workbench import Workbench

    assert understood.capability is not None
    wanted = capabilities[understood.capability]
    # As JSON, files that parameters named have become what was in them.
    params = wanted.validate(understood.arguments, roots=None).model_dump(mode="json")
    _confirm(getattr(wanted, "effect", ""), wanted.name)
    say(understood.reply)
    with Workbench.open() as workbench:
        view = workbench.jobs.submit(wanted.name, params)
        try:
            view = follow(workbench, view)
        except KeyboardInterrupt:
            if not workbench.remote:  # nobody is left who would go on with it
                workbench.jobs.cancel(view.id)
            raise
        _tell(workbench, view)


def _confirm(effect: str, name: str) -> None:
    """Have a person say yes to what cannot be taken back."""
    if not effect:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"{name} {effect}, and nobody is at the terminal to say yes; submit it with "
            f"fraktal submit {name}."
        )
    say(f"{name} {effect}. Go on? [yes/no]")
    if input("> ").strip().lower() not in ("yes", "y", "tak", "t"):
        raise InvalidInput("not done.")


def _tell(workbench: Workbench, view: JobView) -> None:
    if view.state != "succeeded":
        say(f"job {view.id} {view.state}" + (f": {view.error}" if view.error else "."))
        raise typer.Exit(FAILED)
    made = workbench.jobs.artifacts(view.id)
    if not made:
        print_json(view.result)
        return
    for artifact in made:
        print(f"{artifact.name} ({size(artifact.size_bytes)})")
    say(f"fraktal jobs artifacts {view.id} --save FOLDER copies what job {view.id} made.")
