"""The process of one notebook: ``python -m fraktal_kernel.batch.child``.

It reads one line of JSON from its standard input, runs the notebook in a kernel of its own,
and writes one line of JSON to its standard output whenever a cell starts or ends. When its
input closes, the process that asked for it is gone or has lost interest: it stops, and so
does its kernel.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """Run the one notebook that is asked for on the standard input."""
    request = json.loads(sys.stdin.readline())
    # What a library prints must not get between the lines of the report.
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    done = threading.Event()
    scratch = Path(request["output"]).parent
    threading.Thread(target=_stop_with_parent, args=(scratch, done), daemon=True).start()
    ending = _run(request, report)
    done.set()
    print(json.dumps(ending), file=report, flush=True)


def _run(request: dict[str, Any], report: TextIO) -> dict[str, Any]:
    """Run the notebook and tell of its cells; returns how it ended."""
    import logging

    # jsonschema would build a grammar of URIs for seconds, which no notebook's schema asks for.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

    import nbformat
    from nbformat.v4 import upgrade
    from nbformat.validator import normalize
    from papermill import execute_notebook
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.exceptions import PapermillExecutionError

    from fraktal_kernel.batch.places import teach_papermill

    class Reporting(NBClientEngine):  # type: ignore[misc]
        """Papermill's own engine, telling of each cell."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
            start, complete = nb_man.cell_start, nb_man.cell_complete

            def cell_start(cell: Any, cell_index: int, **rest: Any) -> Any:
                _tell(report, "start", nb_man.nb, cell_index)
                return start(cell, cell_index, **rest)

            def cell_complete(cell: Any, cell_index: int, **rest: Any) -> Any:
                _tell(report, "end", nb_man.nb, cell_index)
                return complete(cell, cell_index=cell_index, **rest)

            nb_man.cell_start, nb_man.cell_complete = cell_start, cell_complete
            return super().execute_managed_notebook(nb_man, kernel_name, **options)

    logging.getLogger("papermill").setLevel(logging.ERROR)
    papermill_engines.register("reporting", Reporting)
    teach_papermill()
    try:
        notebook = normalize(upgrade(nbformat.from_dict(request["notebook"])))[1]
        execute_notebook(
            notebook,
            request["output"],
            request["parameters"],
            engine_name="reporting",
            progress_bar=False,
            cwd=request["folder"],
        )
    except PapermillExecutionError as error:
        told = f"{error.ename}: {error.evalue}"
        return {"event": "failed", "cell": error.cell_index, "error": told}
    except Exception as error:
        return {"event": "failed", "cell": None, "error": f"{type(error).__name__}: {error}"}
    return {"event": "done"}


def _tell(report: TextIO, event: str, notebook: Any, index: int) -> None:
    line = {"event": event, "cell": index, "cells": len(notebook.cells)}
    print(json.dumps(line), file=report, flush=True)


def _stop_with_parent(scratch: Path, done: threading.Event) -> None:
    # os.read, because a thread inside sys.stdin.read holds a lock that the exit waits for.
    while os.read(0, 4096):
        pass
    if done.is_set():
        return
    import psutil

    for process in psutil.Process().children(recursive=True):
        process.kill()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(130)


if __name__ == "__main__":
    main()
