"""What a job may ask of the server that it works for: named functions with the database at hand.

A job's process opens no database (see ``core/jobs/worker.py``). What it has to know or to keep
beyond steps and files, such as the messages of a conversation, is asked for by name with
:meth:`~fraktal_kernel.core.run.Run.request`; the function that answers runs in the server, for the
owner of the job. A domain defines its services in the module of its capabilities, so that both
come through the same door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fraktal_kernel.core.capability import capabilities
from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import unknown_name

if TYPE_CHECKING:
    from fraktal_kernel.core.local import Engine


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and where the answer is found.

    Parameters
    ----------
    engine : database, store, events and journal of the server
    owner_id : whose job asks; a service tells and changes only what is theirs
    job_id : the job, None in a direct call
    """

    engine: Engine
    owner_id: int
    job_id: int | None = None


Service = Callable[..., Any]
_known: dict[str, Service] = {}


def service(name: str) -> Callable[[Service], Service]:
    """Make a function a service: it takes an :class:`Asked` and keywords, and returns JSON."""

    def keep(function: Service) -> Service:
        old = _known.get(name)
        if old is not None and old.__module__ != function.__module__:
            raise InvalidInput(
                f"service {name!r} is defined in {old.__module__} already; choose another name."
            )
        _known[name] = function
        return function

    return keep


def answer(asked: Asked, name: str, arguments: Mapping[str, Any]) -> Any:
    """Call a service by name, for one job.

    Raises
    ------
    UnknownName
        no plug-in has a service of that name
    """
    if name not in _known:
        capabilities.load(name.split(".")[0])
    if name not in _known:
        raise unknown_name("service", name, list(_known))
    return _known[name](asked, **arguments)
