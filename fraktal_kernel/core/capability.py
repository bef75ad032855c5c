"""A capability: one typed function that can be asked for by name, in every way there is.

Built-ins and plug-ins come through the same door, the entry point group
``fraktal.capabilities``; each entry point names a module whose decorated functions count.
"""

from __future__ import annotations

import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError

from fraktal_kernel.core.artifact import Artifact
from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.core.run import Cancelled, Run
from fraktal_kernel.errors import InvalidInput, Unavailable
from fraktal_kernel.registry import unknown_name

F = TypeVar("F", bound=Callable[..., Any])
GROUP = "fraktal.capabilities"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a capability takes from the machine that runs it."""

    cores: int = 1
    memory_bytes: int = 0
    gpu: bool = False


@dataclass(frozen=True)
class Capability:
    """One typed function with its name, its parameters' model and how it may be run."""

    name: str
    title: str
    function: Callable[..., Any]
    params_type: type[BaseModel]
    needs: Needs = field(default_factory=Needs)
    timeout_s: float | None = None
    max_attempts: int = 1
    examples: tuple[dict[str, Any], ...] = ()
    #: what it does to the world outside, in words; empty where that is nothing
    effect: str = ""

    @property
    def description(self) -> str:
        """The first paragraph of the function's docstring."""
        text = inspect.getdoc(self.function) or ""
        return " ".join(text.split("\n\n")[0].split())

    def schema(self) -> dict[str, Any]:
        """Make the JSON schema of the parameters."""
        return self.params_type.model_json_schema()

    def describe(self) -> dict[str, Any]:
        """Everything that a form, a command line or another program needs to call it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "schema": self.schema(),
            "needs": asdict(self.needs),
            "timeout_s": self.timeout_s,
            "max_attempts": self.max_attempts,
            "effect": self.effect,
            "examples": list(self.examples),
        }

    def validate(self, params: Mapping[str, Any], roots: Sequence[Path] | None = ()) -> BaseModel:
        """Turn what came from outside into parameters that can be trusted.

        Parameters
        ----------
        params : names and values, as JSON gives them
        roots : folders inside which parameters may name files; empty for none, None for any
            (a person at their own terminal)

        Raises
        ------
        InvalidInput
            with one sentence that names every parameter at fault
        """
        known = list(self.params_type.model_fields)
        for name in params:
            if name not in known:
                raise unknown_name(f"parameter of {self.name}", str(name), known)
        try:
            return self.params_type.model_validate(dict(params), context={"roots": roots})
        except ValidationError as error:
            raise InvalidInput(sentence_of(error.errors(include_url=False))) from None

    def __call__(self, params: BaseModel, run: Run) -> Any:
        """Do the work, here and now."""
        return self.function(params, run)


class Capabilities(Mapping[str, Capability]):
    """All capabilities by name; a plug-in's module is imported when its first name is asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Capability] = {}
        self._modules: list[str] = []
        self._waiting: dict[str, str] | None = None
        self._loading = threading.RLock()
        #: plug-ins that could not be imported, and why
        self.broken: dict[str, str] = {}

    def add(self, item: Capability) -> None:
        """Add one; defining it again in a notebook replaces what the notebook defined before."""
        old = self._known.get(item.name)
        if old is not None and old.function.__module__ != item.function.__module__:
            raise InvalidInput(
                f"capability {item.name!r} is defined in {old.function.__module__} already; "
                f"choose another name in {item.function.__module__}."
            )
        self._known[item.name] = item

    def use_modules(self, names: Sequence[str]) -> None:
        """Import modules that a setting names, besides the plug-ins."""
        for name in names:
            if name not in self._modules:
                try:
                    import_module(name)
                except ModuleNotFoundError as error:
                    raise InvalidInput(
                        f"capability_modules names {name!r}, which cannot be imported: {error}."
                    ) from None
                self._modules.append(name)

    def _points(self) -> dict[str, str]:
        if self._waiting is None:
            from importlib.metadata import entry_points

            self._waiting = {point.name: point.value for point in entry_points(group=GROUP)}
        return self._waiting

    def load(self, prefix: str | None = None) -> None:
        """Import the plug-ins of one name, or all that are not there yet."""
        with self._loading:  # who comes second waits until the first has imported them
            points = self._points()
            for name in [prefix] if prefix in points else list(points):
                if name is not None and name in points:
                    try:
                        import_module(points.pop(name))
                    except (Exception, SystemExit) as error:
                        # One plug-in that cannot be imported must not take the others with it.
                        self.broken[name] = f"{type(error).__name__}: {error}"

    def __getitem__(self, name: str) -> Capability:
        if name not in self._known:
            self.load(name.split(".")[0])
        if name not in self._known:
            self.load()
        if name in self._known:
            return self._known[name]
        prefix = name.split(".")[0]
        if prefix in self.broken:
            raise Unavailable(
                f"the capabilities of {prefix!r} cannot be loaded ({self.broken[prefix]}); "
                "mend or reinstall that plug-in."
            )
        raise unknown_name("capability", name, list(self._known))

    def __contains__(self, name: object) -> bool:
        return name in dict.keys(self._all())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(list(self._all())))

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Capability]:
        self.load()
        return self._known

    def importable(self, name: str) -> bool:
        """Tell whether another process can find it: not if it was typed into a notebook."""
        module = self[name].function.__module__
        return module != "__main__" and module in sys.modules


#: Every capability that this process knows.
capabilities = Capabilities()


def capability(
    name: str,
    *,
    title: str,
    needs: Needs | None = None,
    timeout_s: float | None = None,
    max_attempts: int = 1,
    examples: Sequence[dict[str, Any]] = (),
    effect: str = "",
) -> Callable[[F], F]:
    """Make a function a capability.

    The function takes its parameters (a pydantic model) and a :class:`Run`, and returns a
    pydantic model or any JSON value. It stays an ordinary function.

    Parameters
    ----------
    name : ``domain.verb``, unique
    title : what a person reads on a button
    needs : what it takes from the machine
    timeout_s : seconds after which a job of it is stopped, None for never
    max_attempts : how often a job of it is tried before it counts as failed
    examples : parameters that work as they stand
    effect : what it does to the world outside that cannot be taken back, such as "sends an
        invoice"; such a job is not tried twice, and programs need a person's yes for it
    """

    def register(function: F) -> F:
        if not re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", name) or len(name) > 100:
            raise InvalidInput(
                f"capability {name!r}: expected a name such as 'domain.verb', in small letters, "
                "digits and underscores."
            )
        names = list(inspect.signature(function).parameters)
        if len(names) != 2:
            raise InvalidInput(
                f"capability {name!r}: the function takes {names}, expected (params, run)."
            )
        try:
            params_type = get_type_hints(function).get(names[0])
        except NameError as error:
            raise InvalidInput(
                f"capability {name!r}: an annotation cannot be read ({error}); import what it "
                "names at the top of the module, not under TYPE_CHECKING."
            ) from None
        if not (inspect.isclass(params_type) and issubclass(params_type, BaseModel)):
            raise InvalidInput(
                f"capability {name!r}: {names[0]!r} is annotated with {params_type!r}, "
                "expected a pydantic model."
            )
        capabilities.add(
            Capability(
                name=name,
                title=title,
                function=function,
                params_type=params_type,
                needs=needs or Needs(),
                timeout_s=timeout_s,
                max_attempts=max_attempts,
                examples=tuple(examples),
                effect=effect,
            )
        )
        return function

    return register


__all__ = ["Artifact", "Cancelled", "Capability", "Needs", "Run", "capabilities", "capability"]
