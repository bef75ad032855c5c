"""Many runs of one notebook: every combination, several at a time, none of them twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from typing import Any

from fraktal_kernel.batch.notebook import Notebook
from fraktal_kernel.batch.places import whole
from fraktal_kernel.batch.runner import Finished, NotebookFailed, Plan, run_notebook
from fraktal_kernel.core.run import Cancelled
from fraktal_kernel.errors import FraktalError, InvalidInput

#: What is called as the runs go on: which run, cells done, cells in all, what now runs.
OnRun = Callable[[int, int, int, str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of a sweep ended.

    Attributes
    ----------
    skipped : a result for these very parameters stood there already
    error : the sentence of a run that failed
    """

    plan: Plan
    finished: Finished | None = None
    skipped: bool = False
    error: FraktalError | None = None


def plan_sweep(
    notebook: Notebook | str,
    given: Mapping[str, Any],
    swept: Mapping[str, Sequence[Any]],
    out: str,
    *,
    typed: bool = False,
) -> list[Plan]:
    """Plan one run for each combination of the swept values.

    Parameters
    ----------
    notebook : the notebook, or the path or URL it is read from
    given : parameters that all runs share
    swept : for each swept parameter its values
    out : folder or URL below which each run gets a folder
    typed : values are text from a terminal

    Raises
    ------
    InvalidInput
        an unknown name, a value of the wrong type, a parameter both given and swept
    """
    notebook = Notebook.read(notebook) if isinstance(notebook, str) else notebook
    twice = sorted(set(given) & set(swept))
    if twice:
        raise InvalidInput(f"{twice[0]} is both given and swept; leave out one of the two.")
    for name, values in swept.items():
        if not values:
            raise InvalidInput(f"{name} is swept over no values; give at least one.")
    plans = [
        Plan.of(
            notebook,
            {**given, **dict(zip(swept, values, strict=True))},
            whole(out),
            typed=typed,
        )
        for values in product(*swept.values())
    ]
    return list({plan.folder: plan for plan in plans}.values())


def run_sweep(
    plans: Sequence[Plan],
    *,
    jobs: int = 1,
    again: bool = False,
    on_run: OnRun | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Run what has no result yet; a failed run does not stop the others.

    Parameters
    ----------
    plans : what to run, from :func:`plan_sweep`
    jobs : how many notebooks run at the same time
    again : run also what has a result
    on_run : told before each cell of each run
    cancelled : asked several times a second; when it says yes, all kernels are stopped

    Returns
    -------
    outcomes : one for each plan, in the same order
    """
    stop = threading.Event()

    def stopped() -> bool:
        return stop.is_set() or cancelled()

    def one(index: int, plan: Plan) -> Outcome:
        found = None if again else plan.finished()
        if found:
            return Outcome(plan, found, skipped=True)
        tell = (lambda done, of, text: on_run(index, done, of, text)) if on_run else None
        try:
            return Outcome(plan, run_notebook(plan, on_cell=tell, cancelled=stopped))
        except NotebookFailed as error:
            return Outcome(plan, error=error)

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        tasks = [pool.submit(one, index, plan) for index, plan in enumerate(plans)]
        try:
            for task in as_completed(tasks):
                task.result()
        except BaseException:
            # Ctrl-C, or a place that cannot be written: the others need not go on.
            stop.set()
            for task in tasks:
                task.cancel()
            raise
    if stopped():
        raise Cancelled("cancelled.")
    return [task.result() for task in tasks]
