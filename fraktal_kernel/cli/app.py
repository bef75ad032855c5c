"""All commands by name, imported when they are called, and what their errors mean to a shell."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from fraktal_kernel.cli.exits import BAD_INPUT, FAILED, INTERRUPTED
from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound
from fraktal_kernel.registry import unknown_name

#: name -> (module, function or typer app, one line of help)
COMMANDS = {
    "run": ("run", "run", "Run a capability here and now."),
    "ask": ("ask", "ask", "Say in plain words what to do."),
    "submit": ("submit", "submit", "Submit a capability as a job."),
    "jobs": ("jobs", "app", "List, watch, cancel, retry and answer jobs."),
    "plan": ("plan", "app", "Run a plan from a file, look at it, go on with it."),
    "approvals": ("approvals", "app", "List what waits for a yes; approve and deny it."),
    "models": ("models", "app", "List, change and try the chat's language models."),
    "capabilities": ("capabilities", "list_capabilities", "List what can be run."),
    "agent": ("agents", "app", "Start, list and drain agents."),
    "batch": ("batch", "batch", "Run a notebook with parameters, once or as a sweep."),
    "serve": ("serve", "serve", "Serve the workbench to browsers and programs."),
    "up": ("up", "up", "Serve the workbench and JupyterLab."),
    "link": ("up", "link", "Print a new one-time link to the running workbench."),
    "doctor": ("doctor", "doctor", "Say what is installed and reachable, and what to do."),
    "bus": ("bus", "app", "Publish and watch messages, and deliver dead letters again."),
    "user": ("users", "user", "Add and list users, set passwords."),
    "token": ("users", "token", "Create, list and revoke API tokens."),
}


class LazyGroup(TyperGroup):
    """A group that imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command."""
        if cmd_name not in COMMANDS:
            raise unknown_name("command", cmd_name, list(COMMANDS))
        module, attribute, _ = COMMANDS[cmd_name]
        found = getattr(import_module(f"fraktal_kernel.cli.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(name=cmd_name, **getattr(function, "command_options", {}))(function)
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the overview without importing any command."""
        width = max(map(len, COMMANDS)) + 2
        typer.echo("Usage: fraktal COMMAND ...\n\nThe Fraktal workbench at the command line.\n")
        for name, (_, _, text) in COMMANDS.items():
            typer.echo(f"  {name:<{width}}{text}")
        typer.echo("\nfraktal COMMAND --help tells more; fraktal --version the version.")


app = typer.Typer(cls=LazyGroup, add_completion=False)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fraktal {version('fraktal')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Run the Fraktal workbench from a terminal."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> NoReturn:
    """Run the command line; every error on purpose is one sentence on the standard error."""
    try:
        code = app(prog_name="fraktal", standalone_mode=False)
    except typer.Abort:
        code = INTERRUPTED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except FraktalError as error:
        _say(error)
        code = BAD_INPUT if isinstance(error, InvalidInput | NotFound) else FAILED
    except BrokenPipeError:
        # The reader of our output has gone, such as `head`; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises about usage has it
            raise
        _say(_usage(error))
        code = BAD_INPUT
    gc.freeze()  # else the interpreter takes up to a second to take everything apart at the end
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Any) -> str:
    """Say what typer found wrong; where pydantic looked at a value, with that value."""
    cause = error.__cause__
    if not hasattr(cause, "errors") or not getattr(error, "param", None):
        return str(error.format_message())
    fault = cause.errors()[0]
    name = (error.param.opts or [error.param.name])[0]
    return f"{name}: given {fault['input']!r}; {fault['msg'][0].lower()}{fault['msg'][1:]}."


def _say(sentence: object) -> None:
    from fraktal_kernel.cli.screen import visible

    text = visible(" ".join(str(sentence).split()))
    print(f"fraktal: {text}", file=sys.stderr)
