"""What the database knows of jobs' time, read in a few statements however many jobs there are.

The journal is the one true source: states are told by events in the transactions that change
them, steps and questions have their times, so nothing of that is recorded a second time. Only
what libraries recorded inside an attempt stands in a table of its own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fraktal_kernel.core.database import Row, Transaction

#: Of so many jobs at most a timeline is drawn; a plan may have ten thousand.
MOST_JOBS = 500
_BELOW = (
    "WITH RECURSIVE below(id) AS (SELECT id FROM job WHERE id = :id{mine} UNION ALL"
    " SELECT job.id FROM job JOIN below ON job.parent_id = below.id),"
    " chosen AS (SELECT id FROM below ORDER BY id LIMIT :most) "
)
_ONE = "WITH chosen AS (SELECT id FROM job WHERE id = :id) "
_JOBS = (
    "SELECT id, capability, parent_id, traceparent, state, asked_by, ran_on, cost, attempt,"
    " max_attempts, error, created_at, started_at, ended_at FROM job"
    " WHERE id IN (SELECT id FROM chosen) ORDER BY id"
)
_STATES = (
    "SELECT subject, time, payload FROM event WHERE topic = 'jobs.state'"
    " AND subject IN (SELECT CAST(id AS VARCHAR(20)) FROM chosen) ORDER BY seq"
)
_BEGUN = (
    "SELECT subject, payload FROM event WHERE topic = 'jobs.step'"
    " AND subject IN (SELECT CAST(id AS VARCHAR(20)) FROM chosen) ORDER BY seq"
)
_STEPS = (
    "SELECT job_id, name, finished_at, seconds, cost FROM job_step"
    " WHERE job_id IN (SELECT id FROM chosen) ORDER BY finished_at"
)
_QUESTIONS = (
    "SELECT q.job_id, q.text, q.choices, q.asked_at, q.answer, u.name"
    " FROM job_question q LEFT JOIN user_account u ON u.id = q.answered_by"
    " WHERE q.job_id IN (SELECT id FROM chosen) ORDER BY q.asked_at"
)
_APPROVALS = (
    "SELECT a.job_id, a.asked_by, a.reason, a.asked_at, a.state, u.name, a.note"
    " FROM approval a LEFT JOIN user_account u ON u.id = a.answered_by"
    " WHERE a.job_id IN (SELECT id FROM chosen) ORDER BY a.asked_at"
)
_SPANS = (
    "SELECT job_id, span_id, parent_id, kind, name, began_at, ended_at, error, attributes"
    " FROM span WHERE job_id IN (SELECT id FROM chosen) ORDER BY began_at, id"
)
_KEEP = (
    "INSERT INTO span(job_id, owner_id, span_id, parent_id, kind, name, began_at, ended_at,"
    " error, attributes) VALUES(:job_id, :owner_id, :id, :parent, :kind, :name, :began, :ended,"
    " :error, :attributes)"
)


@dataclass(frozen=True, slots=True)
class Change:
    """A state that a job came into, and what was told of it."""

    at: float
    told: Mapping[str, Any]

    @property
    def state(self) -> str:
        """The state's name."""
        return str(self.told["state"])


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a person was asked, and what came of it; times in seconds since 1970."""

    at: float
    text: str
    facts: Mapping[str, Any]


@dataclass(slots=True)
class Story:
    """Everything about one job that has a time."""

    job: Mapping[str, Any]
    changes: list[Change] = field(default_factory=list)
    #: name, end, seconds (None of one from before those were kept), cost
    steps: list[Row] = field(default_factory=list)
    #: what was told of steps that lasted, while they did: name, span, attempt, began
    begun: list[Mapping[str, Any]] = field(default_factory=list)
    inquiries: list[Inquiry] = field(default_factory=list)
    #: span_id, parent_id, kind, name, began_at, ended_at, error, attributes
    recorded: list[Row] = field(default_factory=list)


def read_below(tx: Transaction, job_id: int, owner_id: int | None) -> tuple[list[Story], int]:
    """Read a job and all jobs below it, in the order of their numbers.

    Returns
    -------
    stories : empty where there is no such job of this owner's
    left_out : how many jobs there are beyond those
    """
    mine = "" if owner_id is None else " AND owner_id = :owner_id"
    values = {"id": job_id, "owner_id": owner_id, "most": MOST_JOBS}
    chosen = _BELOW.format(mine=mine)
    found = _read(tx, chosen, values)
    if len(found) < MOST_JOBS:
        return found, 0
    total = tx.row(f"{chosen}SELECT COUNT(*) FROM below", values)
    return found, int(total[0]) - len(found) if total else 0


def read_one(tx: Transaction, job_id: int) -> Story | None:
    """Read one job alone."""
    found = _read(tx, _ONE, {"id": job_id})
    return found[0] if found else None


def _read(tx: Transaction, chosen: str, values: Mapping[str, Any]) -> list[Story]:
    stories = {row["id"]: Story(row) for row in tx.records(chosen + _JOBS, values)}
    for subject, at, payload in tx.rows(chosen + _STATES, values):
        stories[int(subject)].changes.append(Change(at, json.loads(payload)))
    for job_id, *step in tx.rows(chosen + _STEPS, values):
        stories[job_id].steps.append(tuple(step))
    for subject, payload in tx.rows(chosen + _BEGUN, values):
        stories[int(subject)].begun.append(json.loads(payload))
    for job_id, found in _inquiries(tx, chosen, values).items():
        stories[job_id].inquiries = found
    for job_id, *row, attributes in tx.rows(chosen + _SPANS, values):
        stories[job_id].recorded.append((*row, json.loads(attributes)))
    return list(stories.values())


def _inquiries(
    tx: Transaction, chosen: str, values: Mapping[str, Any]
) -> Mapping[int, list[Inquiry]]:
    found: dict[int, list[Inquiry]] = defaultdict(list)
    for job_id, text, choices, at, answer, who in tx.rows(chosen + _QUESTIONS, values):
        facts = {"choices": json.loads(choices), "answer": answer, "answered_by": who}
        found[job_id].append(Inquiry(at, text, facts))
    for job_id, asked_by, reason, at, state, who, note in tx.rows(chosen + _APPROVALS, values):
        facts = {
            "approval": state,
            "asked_by": asked_by,
            "reason": reason,
            "answered_by": who,
            "note": note,
        }
        found[job_id].append(Inquiry(at, "a yes to its exact arguments", facts))
    return found


def keep_spans(
    tx: Transaction, job_id: int, owner_id: int, spans: Iterable[Mapping[str, Any]]
) -> None:
    """Write what was recorded inside an attempt."""
    for span in spans:
        attributes = json.dumps(span["attributes"])
        tx.execute(
            _KEEP, {**span, "job_id": job_id, "owner_id": owner_id, "attributes": attributes}
        )


def prune_spans(tx: Transaction, before: float) -> int:
    """Forget recorded spans that ended before a time in seconds since 1970."""
    return tx.execute("DELETE FROM span WHERE ended_at < :before", {"before": before})
