"""A parameterised notebook as a capability, so that it is a job like any other."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from fraktal_kernel.batch.notebook import Notebook
from fraktal_kernel.batch.places import store_at
from fraktal_kernel.batch.runner import RESULT, NotebookFailed, Plan, run_notebook
from fraktal_kernel.core.capability import Artifact, Needs, Run, capability
from fraktal_kernel.core.settings import load_settings
from fraktal_kernel.errors import FraktalError, InvalidInput

#: The notebooks that come with the workbench.
OURS = Path(__file__).resolve().parents[2] / "papermill_jobs"


class NotebookParams(BaseModel):
    """Which notebook to run, and with what."""

    model_config = ConfigDict(extra="forbid")

    notebook: str = Field(
        title="Notebook",
        description="A notebook of papermill_jobs/ or of the workspace, such as poster.ipynb.",
        max_length=1000,
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        title="Parameters",
        description="Values for names that the notebook's parameters cell sets.",
    )
    out: str = Field(
        default="",
        title="Folder",
        description="Folder below batch/ in the workspace; empty for one of the notebook's name.",
        max_length=200,
    )
    again: bool = Field(
        default=False,
        title="Run again",
        description="Run it even if there is a result for these parameters.",
    )

    @field_validator("notebook")
    @classmethod
    def _inside(cls, name: str, info: ValidationInfo) -> str:
        roots = (info.context or {}).get("roots") or [load_settings().data]
        try:
            return str(find_notebook(name, [OURS, *map(Path, roots)]))
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    @field_validator("out")
    @classmethod
    def _below(cls, name: str) -> str:
        parts = PurePosixPath(name).parts
        if name.startswith(("/", "~")) or ".." in parts or "\\" in name or ":" in name:
            raise ValueError(f"given {name!r}, expected a relative folder such as posters/2026")
        return name

    @field_validator("parameters")
    @classmethod
    def _fit(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "notebook" not in info.data:  # refused already
            return given
        try:
            return Notebook.read(info.data["notebook"]).check(given)
        except FraktalError as error:
            raise ValueError(str(error)) from None


def find_notebook(name: str, roots: list[Path]) -> Path:
    """Find a notebook in the folders that jobs may run notebooks from, and nowhere else.

    A workspace's artifacts are left out: what a job made must not become code that runs.
    """
    known = ", ".join(sorted(path.name for path in OURS.glob("*.ipynb")))
    refused = InvalidInput(
        f"given {name!r:.120}, expected a notebook "
        + (
            f"of papermill_jobs/ or of the workspace, such as {known}"
            if known
            else "of the workspace"
        )
    )
    if "\0" in name or not name.endswith(".ipynb"):
        raise refused
    for root in (root.resolve() for root in roots):
        for candidate in (root / name, root.parent / name):
            try:
                path = candidate.resolve()
                inside = path.relative_to(root).parts
            except (ValueError, OSError, RuntimeError):
                continue
            if inside[0] not in ("store", "batch") and path.is_file():
                return path
    raise refused


class NotebookResult(BaseModel):
    """Where everything is, and what the notebook said itself."""

    folder: str
    output: str
    files: list[str]
    duration_s: float
    skipped: bool
    result: Any
    notebook: Artifact


@capability(
    "notebook.run",
    title="Run a notebook",
    needs=Needs(cores=1),
    examples=[{"notebook": "poster.ipynb", "parameters": {"width": 4096}}],
    effect="runs a program with your rights",
)
def run_a_notebook(params: NotebookParams, run: Run) -> NotebookResult:
    """Run a notebook with parameters in a process of its own and keep all that it makes."""
    notebook = Notebook.read(params.notebook)
    out = load_settings().data / "batch" / (params.out or notebook.name)
    plan = Plan.of(notebook, params.parameters, str(out))
    finished = None if params.again else plan.finished()
    skipped = finished is not None
    if finished is None:
        try:
            finished = run_notebook(
                plan,
                on_cell=lambda done, of, text: run.progress(done / of, text),
                cancelled=lambda: run.cancelled,
            )
        except NotebookFailed as error:
            if error.output:
                run.save(Path(error.output).name, Path(error.output))
            raise
    else:
        run.log(f"a result for these parameters is there already: {plan.folder}")
    store = store_at(plan.folder)
    for name in [*finished.files, RESULT]:
        with store.open(name) as file:
            run.save(name, file)
    with store.open(notebook.file) as file:
        output = run.save(notebook.file, file, "application/x-ipynb+json")
    return NotebookResult(
        folder=finished.folder,
        output=finished.output,
        files=finished.files,
        duration_s=finished.duration_s,
        skipped=skipped,
        result=finished.result,
        notebook=output,
    )
