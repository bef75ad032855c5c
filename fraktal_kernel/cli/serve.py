"""``fraktal serve``: the workbench for browsers and programs, without JupyterLab."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind to.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
) -> None:
    """Serve the workbench until Ctrl-C; prints one line with the address and its token."""
    from fraktal_kernel.core.settings import load_settings
    from fraktal_kernel.server.serve import serve as run_server

    given = {"host": host, "port": port}
    run_server(load_settings(**{name: value for name, value in given.items() if value is not None}))
