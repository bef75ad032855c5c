"""``fraktal submit``: a capability as a durable job."""

from __future__ import annotations

from typing import Annotated

import typer

from fraktal_kernel.cli.run import OPEN, checked_params
from fraktal_kernel.cli.screen import print_json


def submit(
    context: typer.Context,
    capability: Annotated[str, typer.Argument(help="Which one, such as fractal.render.")] = "",
    key: Annotated[
        str | None, typer.Option(help="The same key again gives the job that is there already.")
    ] = None,
    priority: Annotated[int, typer.Option(help="The highest is run first.")] = 0,
    delay_s: Annotated[float, typer.Option(help="Seconds to wait before the first try.")] = 0,
    timeout_s: Annotated[float | None, typer.Option(help="Seconds that a try may take.")] = None,
    max_attempts: Annotated[
        int | None, typer.Option(help="Tries before it counts as failed.")
    ] = None,
    agent: Annotated[str, typer.Option(help="The agent that has to do it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Submit a capability as a job, with its parameters as options."""
    checked = checked_params(context, capability, "fraktal submit NAME [--PARAMETER VALUE ...]")
    if checked is None:
        return
    from fraktal_kernel.core.jobs.model import JobOptions
    from fraktal_kernel.core.workbench import Workbench

    found, params = checked
    options = JobOptions(
        key=key,
        priority=priority,
        delay_s=delay_s,
        timeout_s=timeout_s,
        max_attempts=max_attempts,
        agent=agent,
    )
    with Workbench.open(start_workers=False) as workbench:
        # As JSON, files that parameters named have become what was in them.
        view = workbench.jobs.submit(found.name, params.model_dump(mode="json"), options)
        if as_json:
            print_json(view)
        elif workbench.remote:
            print(f"job {view.id} {view.state}; fraktal jobs watch {view.id} shows it.")
        else:
            print(f"queued as job {view.id}; it starts when a server runs: fraktal serve")


submit.command_options = OPEN  # type: ignore[attr-defined]
