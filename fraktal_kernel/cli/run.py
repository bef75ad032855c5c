"""``fraktal run``: a capability here and now, with a progress bar, its picture in a file."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.capabilities import find, show
from fraktal_kernel.cli.interrupt import interruptible
from fraktal_kernel.cli.parameters import parse
from fraktal_kernel.cli.screen import bar, print_json, say, seconds, size, visible
from fraktal_kernel.errors import FraktalError, InvalidInput

if TYPE_CHECKING:
    from pydantic import BaseModel

    from fraktal_kernel.core.artifact import Artifact
    from fraktal_kernel.core.capability import Capability
    from fraktal_kernel.core.detached import DetachedRun

#: Typer leaves alone what it does not know: those words are the capability's parameters.
OPEN = {
    "context_settings": {
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    }
}


class RunFailed(FraktalError):
    """A capability raised an error that it did not foresee."""


def checked_params(
    context: typer.Context, name: str, usage: str
) -> tuple[Capability, BaseModel] | None:
    """Find a capability and check the parameters typed behind it; None where help was wanted."""
    if not name or name in ("--help", "-h"):
        print(f"Usage: {usage}\n\n{(context.command.help or '').strip()}\n")
        for option in context.command.params:
            if option.param_type_name == "option":
                print(f"  {'/'.join(option.opts):<18}{getattr(option, 'help', '') or ''}")
        print(f"\n{context.command_path} NAME --help tells the parameters of one capability.")
        return None
    found = find(name)
    if "--help" in context.args:
        show(found)
        return None
    given = parse(context.args, found.schema(), f"parameter of {name}")
    return found, found.validate(given, roots=None)


def run(
    context: typer.Context,
    capability: Annotated[str, typer.Argument(help="Which one, such as fractal.render.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write what it makes to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a capability here and now, with its parameters as options."""
    usage = "fraktal run NAME [--PARAMETER VALUE ...] [--out FILE]"
    checked = checked_params(context, capability, usage)
    if checked is None:
        return
    found, params = checked
    if out is not None:
        made = getattr(params, "suffixes", ())
        if out.suffix and made and not out.name.lower().endswith(made):
            raise InvalidInput(
                f"--out {out}: {found.name} makes a file that ends in {' or '.join(made)} of what "
                "is given; name it so, or ask for another kind (--help tells of them)."
            )
        check_out(out, getattr(params, "largest_bytes", 0))
    start = time.monotonic()
    result, artifacts = _with_bar(found, params, out)
    if out is not None:
        _write(found, result, artifacts, out)
    if as_json:
        print_json(
            {
                "capability": found.name,
                "result": result,
                "artifacts": [artifact.model_dump() for artifact in artifacts],
                "out": str(out) if out else None,
                "seconds": round(time.monotonic() - start, 3),
            }
        )
    elif out is not None:
        print(f"{out}: {size(out.stat().st_size)} in {seconds(time.monotonic() - start)}")
    else:
        print_json(result)
        for artifact in artifacts:
            say(f"{artifact.name} ({size(artifact.size_bytes)}) is not kept; --out FILE keeps it.")


run.command_options = OPEN  # type: ignore[attr-defined]


def check_out(out: Path, largest_bytes: int = 0) -> None:
    """Refuse a file that could not be written, before any work is done.

    Parameters
    ----------
    largest_bytes : how large the file may become, where the parameters tell
    """
    folder = out.parent
    if out.is_dir():
        raise InvalidInput(f"--out {out} is a folder; name a file in it.")
    if not folder.is_dir():
        raise InvalidInput(f"--out {out}: there is no folder {folder}; make it first.")
    try:
        # Asking the system beforehand tells root and read-only mounts wrong; trying does not.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InvalidInput(
            f"--out {out}: nothing can be written in {folder} ({error.strerror})."
        ) from None
    free = shutil.disk_usage(folder).free
    if largest_bytes > free:
        raise InvalidInput(
            f"--out {out}: it may take {size(largest_bytes)}, and {folder} has only {size(free)} "
            "left; choose a smaller size or another disk."
        )


def _run(found: Capability, params: BaseModel, detached: DetachedRun) -> tuple[Any, list[Artifact]]:
    from fraktal_kernel.core.values import to_json

    try:
        return to_json(found(params, detached)), list(detached.artifacts.values())
    except FraktalError:
        raise
    except Exception as error:
        if os.environ.get("FRAKTAL_LOG_LEVEL", "").lower() == "debug":
            import traceback

            traceback.print_exc()
        raise RunFailed(
            f"{found.name} failed with {type(error).__name__}: {error} "
            "(FRAKTAL_LOG_LEVEL=debug shows where)."
        ) from error


def _with_bar(found: Capability, params: BaseModel, out: Path | None) -> tuple[Any, list[Artifact]]:
    """Do the work beside a progress bar; large files lie where the result is to be.

    After a kill the same command for the same file finds them there, and goes on.
    """
    from fraktal_kernel.core.run import Run
    from fraktal_kernel.core.settings import load_settings

    stop = threading.Event()
    progress = bar()
    task = progress.add_task(found.title, total=1.0)

    def on_progress(fraction: float, text: str) -> None:
        progress.update(task, completed=fraction, description=visible(text) or found.title)

    def on_log(text: str, level: str) -> None:
        said = text if level == "info" else f"{level}: {text}"
        progress.console.print(visible(said), markup=False)

    def ask(question: str, choices: Sequence[str]) -> str:
        progress.stop()
        try:
            return _ask(question, choices)
        finally:
            progress.start()

    detached = Run.detached(
        on_progress=on_progress,
        on_log=on_log,
        ask=ask,
        cancelled=stop.is_set,
        cluster=load_settings().dask_scheduler,
        folder=out.parent if out else None,
        name=_name(f"{found.name} {params.model_dump_json()} {out.name}") if out else "",
    )
    with progress:
        value = interruptible(lambda: _run(found, params, detached), stop)
        progress.update(task, completed=1.0, description=found.title)
    return value


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ask(question: str, choices: Sequence[str]) -> str:
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"it asks {question!r} and nobody is at the terminal; submit it as a job and answer "
            "with fraktal jobs answer ID CHOICE."
        )
    while True:
        say(f"{question} [{'/'.join(choices)}]")
        answer = input().strip()
        if answer in choices:
            return answer


def _write(found: Capability, result: Any, artifacts: list[Artifact], out: Path) -> None:
    """Write the main artifact: the one of the file's kind, else the first; JSON without any."""
    whole = [artifact for artifact in artifacts if Path(artifact.name).stem != "preview"]
    same = [artifact for artifact in whole if Path(artifact.name).suffix == out.suffix]
    chosen = [*same, *whole, *artifacts]
    if chosen:
        chosen[0].save(out)
        return
    import io
    import json

    from fraktal_kernel.core.run import Run

    if out.suffix != ".json":
        raise RunFailed(
            f"{found.name} made no file, so {out} was not written; its result can be kept with "
            "--out result.json."
        )
    data = io.BytesIO((json.dumps(result, indent=2) + "\n").encode())
    Run.detached().save(out.name, data).save(out)
