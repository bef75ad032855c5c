"""One notebook, one process: run it, watch its cells, keep what it made and where it failed.

The notebook starts in an empty folder of its own. What it writes there is put beside the
output notebook when it is done, so that results appear whole, on any place fsspec can write.
``result.json`` is written last: where it stands, the run is finished.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fraktal_kernel.batch.notebook import Notebook
from fraktal_kernel.batch.places import beside, store_at
from fraktal_kernel.core.run import Cancelled
from fraktal_kernel.core.store.keys import check_key
from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound

if TYPE_CHECKING:
    import psutil

RESULT = "result.json"
#: how long the process of a notebook that has ended may take to end, too
POLITE_S = 1.0
#: how long the system may take to end what was killed; past it, that is left to the system
KILLED_S = 10.0
#: What is called as a notebook goes on: cells that are done, cells in all, what now runs.
OnCell = Callable[[int, int, str], None]


class NotebookFailed(FraktalError):
    """A cell of a notebook raised an error, or its kernel died.

    Attributes
    ----------
    cell : which cell of the notebook, counted from 1; None where no cell is to blame
    output : where the notebook is kept as it was when it failed
    """

    def __init__(self, text: str, cell: int | None, output: str) -> None:
        super().__init__(text)
        self.cell = cell
        self.output = output


@dataclass(frozen=True, slots=True)
class Plan:
    """One run that is checked and ready: a notebook, its parameters and its folder."""

    notebook: Notebook
    parameters: dict[str, Any]
    folder: str

    @classmethod
    def of(
        cls, notebook: Notebook, parameters: Mapping[str, Any], out: str, *, typed: bool = False
    ) -> Plan:
        """Check the parameters and name the folder of the run below ``out``."""
        checked = notebook.check(parameters, typed=typed)
        return cls(notebook, checked, notebook.folder_in(out, checked))

    @property
    def output(self) -> str:
        """Where the finished notebook goes."""
        return beside(self.folder, self.notebook.file)

    @property
    def digest(self) -> str:
        """What the run is known by: it covers the notebook and all parameters."""
        return self.notebook.digest(self.parameters)

    def finished(self) -> Finished | None:
        """Read the result of this very run, where there is one already."""
        try:
            facts = json.loads(store_at(self.folder).read(RESULT))
        except (NotFound, FileNotFoundError, ValueError):
            return None
        return Finished(**facts) if facts.get("digest") == self.digest else None


@dataclass(frozen=True, slots=True)
class Finished:
    """What ``result.json`` holds.

    Attributes
    ----------
    files : what the notebook wrote beside its output, by name
    result : the JSON that the notebook itself wrote as ``result.json``, if it did
    """

    digest: str
    notebook: str
    notebook_sha256: str
    parameters: dict[str, Any]
    folder: str
    output: str
    started_at: str
    duration_s: float
    cells: int
    files: list[str] = field(default_factory=list)
    result: Any = None


def run_notebook(
    plan: Plan,
    *,
    on_cell: OnCell | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run one notebook in a process of its own and keep what it made.

    Parameters
    ----------
    plan : what to run, checked
    on_cell : told before each cell and at the end
    cancelled : asked several times a second; when it says yes, the kernel is stopped

    Raises
    ------
    NotebookFailed
        naming the cell, and where the failed notebook is kept
    Cancelled
        it was stopped; nothing is kept
    """
    started_at, start = datetime.now(UTC), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fraktal-batch-", ignore_cleanup_errors=True) as hold:
        work, output = Path(hold) / "work", Path(hold) / plan.notebook.file
        work.mkdir()
        ended = _execute(plan, work, output, on_cell or (lambda *_: None), cancelled)
        if ended["event"] != "done":
            raise _keep_failed(plan, output, ended)
        return _keep(plan, work, output, started_at.isoformat(), time.monotonic() - start)


def _execute(
    plan: Plan, work: Path, output: Path, on_cell: OnCell, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    """Run the child process; returns how it ended."""
    request = {
        "notebook": plan.notebook.content,
        "parameters": plan.parameters,
        "output": str(output),
        "folder": str(work),
    }
    with (
        tempfile.TemporaryFile("w+", errors="replace") as complaints,
        subprocess.Popen(
            [sys.executable, "-m", "fraktal_kernel.batch.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=_environment(plan.notebook.folder),
            start_new_session=True,
        ) as child,
    ):
        assert child.stdin and child.stdout
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(child, cancelled, over), daemon=True)
        watcher.start()
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
            ended = _follow(child, plan, on_cell)
            with suppress(subprocess.TimeoutExpired):
                child.wait(POLITE_S)
        except BrokenPipeError:
            ended = {"event": "died"}
        finally:
            over.set()
            _stop(child)
            watcher.join()
        if cancelled():
            raise Cancelled("cancelled.")
        if ended["event"] == "died":
            complaints.seek(0)
            last = complaints.read().strip().splitlines()[-1:]
            ended["error"] = f"its process died with code {child.returncode}" + (
                f" ({last[0]})" if last else ""
            )
        return ended


def _environment(neighbours: str | None) -> dict[str, str]:
    """Let a notebook import the modules that lie beside it, though it runs elsewhere."""
    import os

    paths = [neighbours, os.environ.get("PYTHONPATH")]
    known = os.pathsep.join(path for path in paths if path)
    return {**os.environ, **({"PYTHONPATH": known} if known else {})}


def _watch(
    child: subprocess.Popen[str], cancelled: Callable[[], bool], over: threading.Event
) -> None:
    while not over.wait(0.1):
        if cancelled():
            _stop(child)
            return


def _stop(child: subprocess.Popen[str]) -> None:
    """End the child and its kernel by force; nothing of them is left when this returns."""
    import psutil

    try:
        process = psutil.Process(child.pid)
        process.suspend()  # it may be about to start its kernel
        family = process.children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    child.kill()
    child.wait()
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    end = time.monotonic() + KILLED_S
    while any(map(_lives, family)) and time.monotonic() < end:
        time.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    """Say whether a process still runs; what only waits to be reaped by its parent does not."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _follow(child: subprocess.Popen[str], plan: Plan, on_cell: OnCell) -> dict[str, Any]:
    """Pass on what the child tells until it ends."""
    assert child.stdout
    count = len(plan.notebook.content["cells"])
    last: dict[str, Any] = {"cell": None}
    for line in child.stdout:
        told = json.loads(line)
        if told["event"] == "start":
            last = told
            index = _own_index(plan, told["cell"])
            on_cell(index, count, f"cell {index + 1} of {count}")
        elif told["event"] in ("done", "failed"):
            if told["event"] == "done":
                on_cell(count, count, f"{count} cells done")
            cell = last["cell"] if told.get("cell") is None else told["cell"]
            return {**told, "cell": cell}
    return {"event": "died", "cell": last["cell"]}


def _own_index(plan: Plan, index: int) -> int:
    """Count as the reader of the notebook does, without the cell that Papermill puts in."""
    if not plan.parameters:
        return index
    cells = plan.notebook.content["cells"]
    tagged = next(i for i, c in enumerate(cells) if "parameters" in c["metadata"].get("tags", []))
    return index - (index > tagged)


def _keep(plan: Plan, work: Path, output: Path, started_at: str, duration_s: float) -> Finished:
    store = store_at(plan.folder)
    result = _own_result(plan, work, output)
    made = [file.relative_to(work) for file in sorted(work.rglob("*")) if file.is_file()]
    files = [
        file.as_posix()
        for file in made
        if file != Path(RESULT) and not any(part.startswith(".") for part in file.parts)
    ]
    for name in files:
        try:
            check_key(name)
        except InvalidInput as error:
            ended = {"cell": None, "error": f"of what it wrote, {error}"}
            raise _keep_failed(plan, output, ended) from None
    for name in files:
        with (work / name).open("rb") as data:
            store.put(name, data)
    store.put(plan.notebook.file, _readdressed(output, plan, plan.output))
    finished = Finished(
        digest=plan.digest,
        notebook=plan.notebook.place,
        notebook_sha256=plan.notebook.sha256,
        parameters=plan.notebook.filled(plan.parameters),
        folder=plan.folder,
        output=plan.output,
        started_at=started_at,
        duration_s=round(duration_s, 3),
        cells=len(plan.notebook.content["cells"]),
        files=files,
        result=result,
    )
    store.put(RESULT, (json.dumps(asdict(finished), indent=2) + "\n").encode())
    failed = _failed_name(plan)
    if store.exists(failed):
        store.delete(failed)
    return finished


def _own_result(plan: Plan, work: Path, output: Path) -> Any:
    own = work / RESULT
    if not own.exists():
        return None
    try:
        return json.loads(own.read_text(), parse_constant=float.fromhex)
    except ValueError:
        ended = {"cell": None, "error": f"it wrote a {RESULT} that is not JSON"}
        raise _keep_failed(plan, output, ended) from None


def _failed_name(plan: Plan) -> str:
    return f"{plan.notebook.name}.failed.ipynb"


def _keep_failed(plan: Plan, output: Path, ended: dict[str, Any]) -> NotebookFailed:
    """Keep the notebook as it failed, beside an older good one; returns the error to raise."""
    place = beside(plan.folder, _failed_name(plan))
    if output.exists():
        store_at(plan.folder).put(_failed_name(plan), _readdressed(output, plan, place))
        kept = f"; the notebook as it failed is {place}"
    else:
        place, kept = "", ""
    where, cell = _blame(plan, ended)
    error = ended["error"].strip().rstrip(".")
    return NotebookFailed(f"{plan.notebook.file}: {where}: {error}{kept}.", cell, place)


def _blame(plan: Plan, ended: dict[str, Any]) -> tuple[str, int | None]:
    """Name the cell that failed, with the first line of its code."""
    if ended["cell"] is None:
        return "no cell is to blame", None
    cells = plan.notebook.content["cells"]
    index = _own_index(plan, ended["cell"])
    code = [line for line in cells[index]["source"].splitlines() if line.strip()]
    first = f" ({code[0].strip()[:60]})" if code else ""
    return f"cell {index + 1} of {len(cells)}{first} failed", index + 1


def _readdressed(output: Path, plan: Plan, place: str) -> bytes:
    """Put the true places into the notebook, which ran from a copy in a temporary folder."""
    content = json.loads(output.read_text())
    told = content.get("metadata", {}).get("papermill", {})
    told.update(input_path=plan.notebook.place, output_path=place)
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
