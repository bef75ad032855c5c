"""The list of language models that a person keeps: which are tried, in what order, for how long.

It is a small file of the workspace, read anew for each question, so that a change holds at once and
in every process. Argument, environment and ``fraktal.toml`` win over it; then it is not changed
here. A key is never part of it, only the name of the environment variable that holds one.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fraktal_kernel.agents.models.spec import OFFLINE, PLACES, ModelSpec, read_spec
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.errors import Conflict, InvalidInput, unwritten
from fraktal_kernel.registry import unknown_name

MOST = 20
LONGEST_S = 86_400.0
#: Nothing else of the server's environment is sent to an address that somebody names.
VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,80}_API_KEY")


class Choice(BaseModel):
    """One language model of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        max_length=700, description="offline, ollama:NAME, openai:NAME or openai:NAME@URL."
    )
    timeout_s: float | None = Field(
        None, description="Seconds in which it has to end its answer; the setting by default."
    )
    key_variable: str = Field(
        "", max_length=100, description="Environment variable with its key, such as LAB_API_KEY."
    )


class ShelfState(BaseModel):
    """The list as it is, the one before, and how often it was changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    now: tuple[Choice, ...] = (Choice(model=OFFLINE),)
    before: tuple[Choice, ...] | None = None
    version: int = 0


class Shelf:
    """The list of one workspace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.data / "models.json"

    @property
    def fixed(self) -> str:
        """Why the list cannot be changed here, in a sentence; empty where it can."""
        source = self._settings.sources["models"]
        if source == "default":
            if self._settings.models == [OFFLINE]:
                return ""
            source = "argument"
        where = f"an {source}" if source == "argument" else f"the {source}"
        return f"the list of models is set by {where}; change it there, or take it away there."

    def read(self) -> ShelfState:
        """Read the list that holds.

        Raises
        ------
        InvalidInput
            the file is no such list
        """
        if self.fixed:
            return ShelfState(now=tuple(Choice(model=each) for each in self._settings.models))
        try:
            state = ShelfState.model_validate_json(self._file.read_bytes())
            checked(state.now)
        except FileNotFoundError:
            return ShelfState()
        except (OSError, ValidationError, InvalidInput) as error:
            reason = "it is no list of models" if isinstance(error, ValidationError) else error
            raise InvalidInput(
                f"{self._file}: {str(reason).rstrip('.')}; mend it, or remove it to begin anew."
            ) from None
        return state

    def put(self, choices: Sequence[Choice], version: int | None = None) -> ShelfState:
        """Make another list of it.

        Parameters
        ----------
        version : of the list that was changed; None does not mind what others did meanwhile

        Raises
        ------
        InvalidInput
            something in it cannot be used, or the list is set elsewhere
        Conflict
            somebody else changed it meanwhile
        """
        now = checked(choices)
        with self._changing(version) as old:
            if now == old.now:
                return old
            return self._write(ShelfState(now=now, before=old.now, version=old.version + 1))

    def undo(self) -> ShelfState:
        """Take the last change back; once more brings it again.

        Raises
        ------
        Conflict
            nothing was changed yet
        """
        with self._changing(None) as old:
            if old.before is None:
                raise Conflict("there is no change of the list of models to take back.")
            return self._write(ShelfState(now=old.before, before=old.now, version=old.version + 1))

    @contextmanager
    def _changing(self, version: int | None) -> Iterator[ShelfState]:
        """Read the list while nobody else, in whichever process, changes it."""
        if self.fixed:
            raise InvalidInput(self.fixed)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            state = self.read()
            if version is not None and version != state.version:
                raise Conflict(
                    "the list of models was changed by somebody else meanwhile; look at it anew."
                )
            yield state
        finally:
            os.close(folder)

    def _write(self, state: ShelfState) -> ShelfState:
        try:
            handle, beside = tempfile.mkstemp(dir=self._file.parent, prefix=".models.")
            with os.fdopen(handle, "w") as stream:
                stream.write(state.model_dump_json(indent=1))
                stream.flush()
                os.fsync(handle)
            os.replace(beside, self._file)
        except OSError as error:
            raise unwritten(self._file, error) from None
        return state


def read_specs(settings: Settings) -> list[ModelSpec]:
    """List the models that are asked, in their order, with their keys and time limits."""
    keys = {name: key.get_secret_value() for name, key in settings.model_keys.items()}
    found = []
    for choice in Shelf(settings).read().now:
        spec = read_spec(choice.model, keys, os.environ)
        own = os.environ.get(choice.key_variable, "") if choice.key_variable else ""
        found.append(replace(spec, key=own or spec.key, timeout_s=choice.timeout_s))
    return found


# -- what may be on it ---------------------------------------------------------------------------


def checked(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Refuse, in one sentence, what cannot be a list of models."""
    if not 1 <= len(choices) <= MOST:
        raise InvalidInput(
            f"models: given {len(choices)}, expected 1 to {MOST}; offline alone needs nothing."
        )
    for choice in choices:
        _check(choice)
    models = [choice.model for choice in choices]
    for model in models:
        if models.count(model) > 1:
            raise InvalidInput(f"model: {model!r} is on the list already; each stands there once.")
    return tuple(choices)


def _check(choice: Choice) -> None:
    spec = read_spec(choice.model, {}, {})
    if "@" in choice.model:
        _check_address(spec.url)
    limit = choice.timeout_s
    if limit is not None and not (math.isfinite(limit) and 0 < limit <= LONGEST_S):
        raise InvalidInput(
            f"timeout_s: given {limit:g}, expected more than 0 and up to {LONGEST_S:g} seconds."
        )
    _check_variable(choice, spec)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:
        good = False
    if not good:
        raise InvalidInput(
            f"model: given the address {url[:80]!r}, expected such as http://127.0.0.1:8000/v1."
        )


def _check_variable(choice: Choice, spec: ModelSpec) -> None:
    """Refuse a wrong variable without repeating it: people put the key itself there."""
    variable = choice.key_variable
    if not variable:
        return
    if not VARIABLE.fullmatch(variable) or variable.upper().startswith("FRAKTAL_"):
        raise InvalidInput(
            "key_variable: expected the name of an environment variable that ends with _API_KEY, "
            "such as LAB_API_KEY, and never the key itself."
        )
    if spec.offline:
        raise InvalidInput("key_variable: the offline model needs no key; leave it out.")
    owned = {key for _, _, key in PLACES.values()}
    if "@" in choice.model and variable in owned:
        raise InvalidInput(
            f"key_variable: {variable} goes to its own server only; give {choice.model[:80]!r} a "
            "variable of its own."
        )


# -- changes, as functions of the list -----------------------------------------------------------


def added(choices: Sequence[Choice], choice: Choice, place: int | None = None) -> list[Choice]:
    """Put a model at a place, the first one being 1; by default before ``offline`` at the end.

    Examples
    --------
    >>> [each.model for each in added([Choice(model="offline")], Choice(model="ollama:qwen3"))]
    ['ollama:qwen3', 'offline']
    """
    found = list(choices)
    last = len(found) + 1
    if place is None:
        place = last - 1 if found and found[-1].model == OFFLINE else last
    found.insert(_place(place, last), choice)
    return found


def removed(choices: Sequence[Choice], model: str) -> list[Choice]:
    """Take a model off the list."""
    found = list(choices)
    del found[_index(found, model)]
    return found


def moved(choices: Sequence[Choice], model: str, place: int) -> list[Choice]:
    """Put a model of the list at another place, the first one being 1."""
    found = list(choices)
    at = _place(place, len(found))
    found.insert(at, found.pop(_index(found, model)))
    return found


def changed(
    choices: Sequence[Choice], model: str, timeout_s: float | None, key_variable: str
) -> list[Choice]:
    """Give a model of the list another time limit and another variable."""
    found = list(choices)
    found[_index(found, model)] = Choice(
        model=model, timeout_s=timeout_s, key_variable=key_variable
    )
    return found


def _place(place: int, last: int) -> int:
    if not 1 <= place <= last:
        raise InvalidInput(f"place: given {place}, expected 1 to {last}.")
    return place - 1


def _index(choices: Sequence[Choice], model: str) -> int:
    models = [choice.model for choice in choices]
    if model not in models:
        raise unknown_name("model on the list", model, models)
    return models.index(model)
