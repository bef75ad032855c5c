"""What the server does for whoever asks language models: who may be asked, what is kept, the bill.

One process asks and another one knows: workers ask models, and the server has the settings, the
breakers, the kept answers and the numbers. Nothing here imports the packages that do the asking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from weakref import WeakKeyDictionary

from fraktal_kernel.agents.models.breaker import Breakers
from fraktal_kernel.agents.models.cache import digest_of, find_answer, keep_answer
from fraktal_kernel.agents.models.metrics import observe_attempt, observe_hit, observe_tokens
from fraktal_kernel.agents.models.record import note_attempt, note_bill
from fraktal_kernel.agents.models.shelf import read_specs
from fraktal_kernel.agents.models.spec import ModelSpec, price
from fraktal_kernel.core.database import Transaction
from fraktal_kernel.core.events import EVERYBODY
from fraktal_kernel.core.local import Engine
from fraktal_kernel.core.services import Asked
from fraktal_kernel.core.settings import Settings
from fraktal_kernel.registry import unknown_name

_breakers: WeakKeyDictionary[Engine, Breakers] = WeakKeyDictionary()


def breakers_of(engine: Engine) -> Breakers:
    """Return the breakers of a server's models."""
    return _breakers.setdefault(engine, Breakers())


def tell_models(engine: Engine, tx: Transaction, model: str, what: str) -> None:
    """Tell everybody who looks that a model was asked, or that the list changed."""
    engine.events.append(tx, "models.state", model[:80], EVERYBODY, {"what": what})


def before_asking(asked: Asked, digest: str, fresh: bool) -> dict[str, Any]:
    """Say whom to ask, or what was answered before.

    Parameters
    ----------
    digest : of the question
    fresh : the answer has to be new

    Returns
    -------
    ``models`` in their order, each as fields of :class:`~.spec.ModelSpec`; ``prices`` and
    ``resting`` (seconds) by model; ``kept``: the answer that the first of the models gave before,
    or None
    """
    settings = asked.engine.settings
    specs = specs_for(asked)
    breakers = breakers_of(asked.engine)
    resting = {spec.spec: breakers.rest(spec.spec) for spec in specs}
    ready = [spec for spec in specs if not resting[spec.spec]]
    kept = None
    if ready and not fresh and settings.model_cache_days and not ready[0].offline:
        first = ready[0].spec
        key = digest_of([first, digest])
        kept = find_answer(asked.engine.database, asked.owner_id, key, settings.model_cache_days)
        if kept is not None:
            observe_hit(first)
    return {
        "models": [asdict(spec) for spec in ready],
        "prices": prices_of(settings, ready),
        "resting": {model: left for model, left in resting.items() if left},
        "kept": kept,
        "first_token_s": settings.model_first_token_s,
        "timeout_s": settings.model_timeout_s,
    }


def before_trying(asked: Asked, model: str) -> dict[str, Any]:
    """Say whom to ask where it is to be one model of the list, and no other.

    Raises
    ------
    UnknownName
        it is not on the list: nobody can make the server ask at an address of their own
    """
    settings, specs = asked.engine.settings, specs_for(asked)
    for spec in specs:
        if spec.spec == model:
            return {
                "model": asdict(spec),
                "prices": prices_of(settings, [spec]),
                "first_token_s": settings.model_first_token_s,
                "timeout_s": settings.model_timeout_s,
            }
    raise unknown_name("model on the list", model, [spec.spec for spec in specs])


def prices_of(settings: Settings, specs: Sequence[ModelSpec]) -> dict[str, tuple[float, float]]:
    """Give the prices of these models, so that whoever asks can tell at once what it cost."""
    listed = settings.model_prices
    return {spec.spec: listed[spec.spec] for spec in specs if spec.spec in listed}


def specs_for(asked: Asked) -> list[ModelSpec]:
    """List the models in their order, with their keys where the asking is done here."""
    specs = read_specs(asked.engine.settings)
    if _works_here(asked):
        return specs
    return [replace(spec, key="") for spec in specs]


def _works_here(asked: Asked) -> bool:
    """Tell whether the job that asks is done by a worker of this server.

    Keys are for those alone: an agent elsewhere has its own, in its own environment.
    """
    if asked.job_id is None:
        return True
    with asked.engine.database.read() as tx:
        row = tx.row("SELECT ran_on, agent FROM job WHERE id = :id", {"id": asked.job_id})
    return row is not None and not row[0] and not row[1]


def after_asking(
    asked: Asked,
    digest: str,
    attempts: Sequence[Mapping[str, Any]],
    response: Any | None,
    tokens_in: int,
    tokens_out: int,
) -> float | None:
    """Take note of how the models fared, keep the answer, and say what it cost.

    Parameters
    ----------
    attempts : ``model``, ``seconds``, ``reason``; the last one answered, unless it has a reason
    response : the answer to keep, None for nothing
    """
    settings, breakers = asked.engine.settings, breakers_of(asked.engine)
    known = {spec.spec for spec in read_specs(settings)}
    last = attempts[-1] if attempts else None
    attempts = [each for each in attempts if each["model"] in known]
    for each in attempts:
        failed = bool(each["reason"])
        breakers.tell(each["model"], failed)
        observe_attempt(each["model"], failed, float(each["seconds"]), breakers.open(each["model"]))
    answered = bool(attempts) and attempts[-1] is last and not last["reason"]
    model = last["model"] if last else ""
    cost = price(settings.model_prices, model, tokens_in, tokens_out) if answered else None
    with asked.engine.database.write() as tx:
        for each in attempts:
            note_attempt(tx, each["model"], float(each["seconds"]), each["reason"])
        if answered:
            note_bill(tx, model, tokens_in, tokens_out, cost)
        days = settings.model_cache_days
        if answered and response is not None and days and model != "offline":
            key = digest_of([model, digest])
            keep_answer(tx, asked.owner_id, key, model, response, days)
        for each in attempts:
            tell_models(asked.engine, tx, each["model"], "asked")
    if answered:
        observe_tokens(model, tokens_in, tokens_out)
    return cost
