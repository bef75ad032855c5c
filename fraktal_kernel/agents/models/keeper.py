"""The list of language models as people see and change it, here or on a server.

Whoever uses the workbench may look; to change it takes an administrator, and goes into the audit
log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, Field

from fraktal_kernel.agents.models.shelf import MOST, Choice, Shelf, ShelfState, read_specs
from fraktal_kernel.errors import InvalidInput, NotAllowed

if TYPE_CHECKING:
    from fraktal_kernel.core.local import LocalWorkbench
    from fraktal_kernel.core.workbench import Workbench


class ModelView(Choice):
    """One model of the list, and how it fared since it was asked for the first time.

    ``has_key`` says whether a key is there, never which; ``rests_s`` is above 0 while it is left
    alone after several failures.
    """

    address: str
    has_key: bool
    rests_s: float
    failures_in_a_row: int
    since: datetime | None
    answers: int
    failures: int
    median_s: float | None
    tokens_in: int
    tokens_out: int
    cost: float | None
    error: str
    error_at: datetime | None


class ModelList(BaseModel):
    """The list in its order.

    ``fixed`` says where it is set, if it cannot be changed here.
    """

    models: list[ModelView]
    version: int
    fixed: str
    can_undo: bool
    may_change: bool


class NewList(BaseModel):
    """Another list of models."""

    model_config = {
        "extra": "forbid",
        "json_schema_extra": {"examples": [{"models": [{"model": "offline"}]}]},
    }

    models: list[Choice] = Field(min_length=1, max_length=MOST, description="In their order.")
    version: int | None = Field(
        None, ge=0, le=2**53, description="Of the list that was changed; refused if it is old."
    )


class Models(Protocol):
    """The list of one workbench's models."""

    def list(self) -> ModelList:
        """Return the list, and how each model fares."""

    def put(self, choices: Sequence[Choice], version: int | None = None) -> ModelList:
        """Make another list of it; what it was can be brought back."""

    def undo(self) -> ModelList:
        """Take the last change back; once more brings it again."""


class LocalModels:
    """The list where the workspace is at hand; see :class:`Models`.

    Parameters
    ----------
    audited : whether somebody else writes the changes into the audit log
    """

    def __init__(self, workbench: LocalWorkbench, audited: bool = False) -> None:
        self._engine = workbench.engine
        self._user = workbench.user
        self._shelf = Shelf(workbench.engine.settings)
        self._audited = audited

    def list(self) -> ModelList:
        """Return the list."""
        return self._seen(self._shelf.read())

    def put(self, choices: Sequence[Choice], version: int | None = None) -> ModelList:
        """Make another list of it."""
        return self._done("put", lambda: self._shelf.put(choices, version))

    def undo(self) -> ModelList:
        """Take the last change back."""
        return self._done("undo", self._shelf.undo)

    def _done(self, what: str, change: Callable[[], ShelfState]) -> ModelList:
        if not self._user.is_admin:
            raise NotAllowed("only an administrator may change the list of models.")
        from fraktal_kernel.agents.models.answers import tell_models

        state = change()
        if not self._audited:
            self._write_down(what, state)
        with self._engine.database.write() as tx:
            tell_models(self._engine, tx, "", what)
        return self._seen(state)

    def _write_down(self, what: str, state: ShelfState) -> None:
        from fraktal_kernel.agents.audit import AuditEntry, write_entries

        user = self._user
        entry = AuditEntry(
            user.user_id, time.time(), user.name, f"models.{what}", subject_of(state.now), "ok"
        )
        with self._engine.database.write() as tx:
            write_entries(tx, [entry])

    def _seen(self, state: ShelfState) -> ModelList:
        from fraktal_kernel.agents.models.answers import breakers_of
        from fraktal_kernel.agents.models.record import read_records

        specs = {spec.spec: spec for spec in read_specs(self._engine.settings)}
        records = read_records(self._engine.database, [choice.model for choice in state.now])
        views = []
        for choice in state.now:
            spec = specs.get(choice.model)
            failures, rests_s = breakers_of(self._engine).state(choice.model)
            record = records[choice.model]
            views.append(
                ModelView(
                    **choice.model_dump(),
                    address=spec.url if spec else "",
                    has_key=bool(spec and spec.key),
                    rests_s=rests_s,
                    failures_in_a_row=failures,
                    since=_time(record.since),
                    answers=record.answers,
                    failures=record.failures,
                    median_s=record.median_s,
                    tokens_in=record.tokens_in,
                    tokens_out=record.tokens_out,
                    cost=record.cost,
                    error=record.error,
                    error_at=_time(record.error_at),
                )
            )
        fixed = self._shelf.fixed
        return ModelList(
            models=views,
            version=state.version,
            fixed=fixed,
            can_undo=state.before is not None and not fixed,
            may_change=self._user.is_admin and not fixed,
        )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class RemoteModels:
    """The list on a server; see :class:`Models`."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def list(self) -> ModelList:
        """Return the list."""
        return ModelList(**self._ask("GET", "/api/models"))

    def put(self, choices: Sequence[Choice], version: int | None = None) -> ModelList:
        """Make another list of it."""
        body = {"models": [each.model_dump() for each in choices], "version": version}
        return ModelList(**self._ask("PUT", "/api/models", json=body))

    def undo(self) -> ModelList:
        """Take the last change back."""
        return ModelList(**self._ask("POST", "/api/models/undo"))


def models_of(workbench: Workbench) -> LocalModels | RemoteModels:
    """Return the list of a workbench's models, here or on its server."""
    from fraktal_kernel.core.remote import RemoteWorkbench

    if isinstance(workbench, RemoteWorkbench):
        return RemoteModels(workbench.jobs.ask)
    from fraktal_kernel.core.local import LocalWorkbench

    if isinstance(workbench, LocalWorkbench):
        return LocalModels(workbench)
    raise InvalidInput(f"no models are known for a {type(workbench).__name__}.")


def choices_of(listed: ModelList) -> list[Choice]:
    """Return what of a list can be changed."""
    return [
        Choice(model=each.model, timeout_s=each.timeout_s, key_variable=each.key_variable)
        for each in listed.models
    ]


def subject_of(choices: Sequence[Choice]) -> str:
    """Name the models of a list, for the audit log."""
    return ", ".join(choice.model for choice in choices)[:200]
