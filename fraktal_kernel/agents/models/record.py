"""How each language model fared: answers, times, tokens, cost, errors; kept over a restart."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.values import plain_text

#: The median is that of so many answers, the newest ones.
REMEMBERED = 100
#: Whatever an agent elsewhere says of one answer: no more than this is believed.
MOST_S, MOST_TOKENS, MOST_REASON = 86_400.0, 10**12, 2000
_BEGIN = (
    "INSERT INTO model_record(model, since) VALUES(:model, :now) ON CONFLICT (model) DO NOTHING"
)
_ANSWERED = "UPDATE model_record SET answers = answers + 1, seconds = :seconds WHERE model = :model"
_FAILED = (
    "UPDATE model_record SET failures = failures + 1, error = :error, error_at = :now"
    " WHERE model = :model"
)
_BILLED = (
    "UPDATE model_record SET tokens_in = tokens_in + :tokens_in,"
    " tokens_out = tokens_out + :tokens_out,"
    " cost = CASE WHEN :priced THEN COALESCE(cost, 0) + :cost ELSE cost END WHERE model = :model"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One model.

    Parameters
    ----------
    since : when it was asked for the first time, in seconds since 1970; None where it never was
    seconds : how long its newest answers took
    cost : None until an answer had a price
    error, error_at : why it did not answer the last time that it did not, and when
    """

    since: float | None = None
    answers: int = 0
    failures: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    error: str = ""
    error_at: float | None = None
    seconds: tuple[float, ...] = ()

    @property
    def median_s(self) -> float | None:
        """Half of its newest answers took less."""
        return statistics.median(self.seconds) if self.seconds else None


def note_attempt(tx: Transaction, model: str, seconds: float, reason: str) -> None:
    """Take note that a model was asked; with a reason it did not answer."""
    values: dict[str, Any] = {"model": model, "now": time.time()}
    tx.execute(_BEGIN, values)
    if reason:
        tx.execute(_FAILED, {**values, "error": plain_text(reason)[:MOST_REASON]})
        return
    row = tx.row("SELECT seconds FROM model_record WHERE model = :model", values)
    newest = [*(json.loads(row[0]) if row else []), min(max(0.0, seconds), MOST_S)]
    newest = newest[-REMEMBERED:]
    tx.execute(_ANSWERED, {**values, "seconds": json.dumps(newest)})


def note_bill(
    tx: Transaction, model: str, tokens_in: int, tokens_out: int, cost: float | None
) -> None:
    """Take note of what an answer used."""
    values = {
        "model": model,
        "tokens_in": min(max(0, tokens_in), MOST_TOKENS),
        "tokens_out": min(max(0, tokens_out), MOST_TOKENS),
        "priced": cost is not None,
        "cost": cost or 0.0,
    }
    tx.execute(_BILLED, values)


def read_records(database: Database, models: Sequence[str]) -> Mapping[str, Record]:
    """Read how models fared until now; one that was never asked has an empty record."""
    with database.read() as tx:
        rows = tx.records(
            "SELECT model, since, answers, failures, tokens_in, tokens_out, cost, error, error_at,"
            " seconds FROM model_record",
            {},
        )
    found = {
        row.pop("model"): Record(**{**row, "seconds": tuple(json.loads(row["seconds"]))})
        for row in map(dict, rows)
    }
    return {model: found.get(model, Record()) for model in models}
