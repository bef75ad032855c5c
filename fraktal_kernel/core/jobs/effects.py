"""What jobs do to the world outside: not without a yes, not twice, and never in doubt unseen.

A job whose capability has an effect, and that a program asked for, waits from its birth for a
person's yes to exactly its arguments. The yes is used up in the transaction that starts the job,
which is on the disk before the job's process hears of it; so it is known of every effect whether
it may have begun. One that had begun and lost its process is not begun again: a person is asked.

::

    submitted ── waiting ──approve──> queued ──claim──> running ──start──> (it may have happened)
                    │ ├──deny──> cancelled       ^                             │ its process is lost
                    │ └──expire─> failed         │                             v
                    └<── the yes does not fit ───┘         succeeded <── waiting: did it happen?
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from fraktal_kernel.core.database import Row, Transaction
from fraktal_kernel.core.jobs.ledger import Claimed, Ledger, Submission
from fraktal_kernel.errors import Conflict, NotFound

#: What the names of our own questions begin with; those that jobs ask may not.
DOUBT = "/effect/"
HAPPENED = "it happened"
AGAIN = "it did not happen: do it again"
GIVE_UP = "give up"
_WITHDRAW = (
    "UPDATE approval SET state = 'withdrawn' WHERE job_id = :id AND state IN ('open', 'approved')"
)
_IS_DOUBT = f"substr(name, 1, {len(DOUBT)}) = '{DOUBT}'"
_ANSWERED = {
    "approved": "was approved already{by}",
    "used": "was approved already{by}, and its job has begun",
    "denied": "was denied already{by}",
    "expired": "has expired",
    "withdrawn": "was withdrawn: its job was cancelled",
}


def canonical(params: Mapping[str, Any]) -> str:
    """Write parameters in the one way that a digest is taken of."""
    return json.dumps(params, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(capability: str, params: Mapping[str, Any]) -> str:
    """Take the SHA-256 of a capability with exactly these parameters.

    Examples
    --------
    >>> digest_of("mail.send", {"a": 1, "b": 2}) == digest_of("mail.send", {"b": 2, "a": 1})
    True
    >>> digest_of("mail.send", {"a": 1}) == digest_of("mail.send", {"a": 2})
    False
    """
    text = canonical({"capability": capability, "params": params})
    return hashlib.sha256(text.encode()).hexdigest()


class Effects(Ledger):
    """Asks for a yes, takes the answer, uses it up, and asks a person where all is in doubt."""

    #: seconds that a question for a yes, and then the yes itself, is good for
    approval_s: float = 72 * 3600.0

    @override
    def _submit(self, tx: Transaction, job: Submission, now: float) -> tuple[int, bool]:
        job_id, new = super()._submit(tx, job, now)
        if new and job.needs_yes:
            self._ask_yes(tx, job_id)
        return job_id, new

    @override
    def _cancel(self, tx: Transaction, job_id: int) -> None:
        super()._cancel(tx, job_id)
        for row in tx.rows(f"{_WITHDRAW} RETURNING id, owner_id", {"id": job_id}):
            self._tell_approval(tx, row, "withdrawn", job_id)

    def _tell_approval(
        self, tx: Transaction, approval: Row, topic: str, job_id: int, **more: Any
    ) -> None:
        told = {"job": job_id, **more}
        self._events.append(tx, f"approvals.{topic}", str(approval[0]), approval[1], told)

    # ------------------------------------------------------------------ asking

    def _ask_yes(self, tx: Transaction, job_id: int, reason: str = "") -> None:
        """Write the question whether a job may do just what its arguments say."""
        owner_id, capability, text, asked_by = self._order(tx, job_id)
        params, now = json.loads(text), time.time()
        tx.execute(_WITHDRAW, {"id": job_id})  # of one job at most one is open, or good
        row = tx.row(
            "INSERT INTO approval(owner_id, job_id, capability, params, digest, asked_by, reason,"
            " note, state, asked_at, expires_at) VALUES(:owner_id, :job_id, :capability, :params,"
            " :digest, :asked_by, :reason, '', 'open', :now, :until) RETURNING id, owner_id",
            {
                "owner_id": owner_id,
                "job_id": job_id,
                "capability": capability,
                "params": canonical(params),
                "digest": digest_of(capability, params),
                "asked_by": asked_by,
                "reason": reason,
                "now": now,
                "until": now + self.approval_s,
            },
        )
        assert row is not None
        self._tell_approval(tx, row, "asked", job_id, capability=capability, asked_by=asked_by)

    def _order(self, tx: Transaction, job_id: int) -> Row:
        row = tx.row(
            "SELECT owner_id, capability, params, asked_by FROM job WHERE id = :id", {"id": job_id}
        )
        if row is None:
            raise NotFound(f"there is no job {job_id}.")
        return row

    def _begin_anew(self, tx: Transaction, job_id: int) -> bool:
        """Forget that a job's effect had begun; tell whether it has to wait for a new yes."""
        tx.execute("UPDATE job SET effect_started_at = NULL WHERE id = :id", {"id": job_id})
        row = tx.row(
            "UPDATE job SET state = 'waiting' WHERE id = :id AND effect AND asked_by <> ''"
            " RETURNING id",
            {"id": job_id},
        )
        if row is not None:
            self._ask_yes(tx, job_id)
        return row is not None

    # ------------------------------------------------------------------ answering

    def approve(
        self,
        approval_id: int,
        owner_id: int,
        answered_by: int,
        digest: str,
        params: str | None = None,
        note: str = "",
    ) -> None:
        """Say yes to a job, with other arguments where they are given, and queue it.

        Parameters
        ----------
        digest : of the arguments that the person saw
        params : the job's new arguments as JSON, checked by its capability

        Raises
        ------
        Conflict
            it was answered already, has expired, or asks for something else by now
        """
        with self._database.write(full_sync=True) as tx:
            job_id, capability, old = self._open(tx, approval_id, owner_id)
            if digest != old:
                raise Conflict(
                    f"approval {approval_id} asks for other arguments than those that you saw; "
                    "look at it again."
                )
            if params is not None:
                tx.execute("UPDATE job SET params = :params WHERE id = :id", _at(job_id, params))
                given = json.loads(params)
                old = digest_of(capability, given)
                params = canonical(given)
            now = time.time()
            row = tx.row(
                "UPDATE approval SET state = 'approved', answered_at = :now, answered_by = :by,"
                " note = :note, expires_at = :until, digest = :digest,"
                " params = COALESCE(:params, params) WHERE id = :id RETURNING id, owner_id",
                {
                    "now": now,
                    "by": answered_by,
                    "note": note,
                    "until": now + self.approval_s,
                    "digest": old,
                    "params": params,
                    "id": approval_id,
                },
            )
            assert row is not None
            changed = params is not None
            self._tell_approval(tx, row, "answered", job_id, state="approved", changed=changed)
            self._resume(tx, job_id)

    def deny(self, approval_id: int, owner_id: int, answered_by: int, note: str = "") -> None:
        """Say no to a job, which is cancelled and says by whom.

        Raises
        ------
        Conflict
            it was answered already, or has expired
        """
        with self._database.write(full_sync=True) as tx:
            job_id, _, _ = self._open(tx, approval_id, owner_id)
            row = tx.row(
                "UPDATE approval SET state = 'denied', answered_at = :now, answered_by = :by,"
                " note = :note WHERE id = :id RETURNING id, owner_id",
                {"now": time.time(), "by": answered_by, "note": note, "id": approval_id},
            )
            assert row is not None
            self._tell_approval(tx, row, "answered", job_id, state="denied")
            why = f"denied by {_name_of(tx, answered_by)}" + (f": {note}" if note else ".")
            tx.execute("UPDATE job SET error = :params WHERE id = :id", _at(job_id, why))
            self._cancel(tx, job_id)

    def _open(self, tx: Transaction, approval_id: int, owner_id: int) -> tuple[int, str, str]:
        row = tx.row(
            "SELECT job_id, capability, digest, state, expires_at, answered_by FROM approval"
            " WHERE id = :id AND owner_id = :owner_id",
            {"id": approval_id, "owner_id": owner_id},
        )
        if row is None:
            raise NotFound(f"there is no approval {approval_id}.")
        job_id, capability, digest, state, expires_at, by = row
        if state == "open" and expires_at <= time.time():
            state = "expired"
        if state != "open":
            who = f" by {_name_of(tx, by)}" if by is not None else ""
            ended = _ANSWERED[state].format(by=who)
            raise Conflict(f"approval {approval_id} {ended}; it takes no answer.")
        return int(job_id), str(capability), str(digest)

    def expire(self) -> list[int]:
        """End the jobs whose question for a yes nobody has answered in time."""
        due = "state = 'open' AND expires_at <= :now"
        values = {"now": time.time()}
        with self._database.read() as tx:
            if not tx.row(f"SELECT id FROM approval WHERE {due} LIMIT 1", values):
                return []
        with self._database.write(full_sync=True) as tx:
            found = tx.rows(
                f"UPDATE approval SET state = 'expired' WHERE {due} RETURNING id, owner_id, job_id",
                values,
            )
            for row in found:
                self._tell_approval(tx, row, "expired", row[2])
                why = f"nobody said yes within {self.approval_s / 3600:g} h; retry it to ask again."
                self._close(tx, row[2], "failed", why)
        return [int(row[0]) for row in found]

    def _close(self, tx: Transaction, job_id: int, state: str, error: str | None = None) -> None:
        """End a job that waits, without anybody having worked on it."""
        row = tx.row(
            "UPDATE job SET state = :state, error = :error, ended_at = :now, wake_at = NULL,"
            " message = '', result = CASE WHEN :state = 'succeeded' THEN 'null' END,"
            " progress = CASE WHEN :state = 'succeeded' THEN 1 ELSE progress END"
            " WHERE id = :id AND state = 'waiting' RETURNING id, owner_id, capability, parent_id",
            {"state": state, "error": error, "now": time.time(), "id": job_id},
        )
        if row is not None:
            told: dict[str, Any] = {"error": error} if error else {}
            self._tell_end(tx, row, state, None, **told)

    # ------------------------------------------------------------------ starting

    def _use_yes(self, tx: Transaction, job: Claimed) -> str:
        """Begin the effect of a claimed job, or put it back; returns why it may not begin."""
        owner_id = self._owned(tx, job.id, job.fence)
        row = tx.row("SELECT effect_started_at FROM job WHERE id = :id", {"id": job.id})
        began = row is not None and row[0] is not None
        if tx.row(
            f"SELECT name FROM job_question WHERE job_id = :id AND answer IS NULL AND {_IS_DOUBT}",
            {"id": job.id},
        ):
            self._wait(tx, job.id, owner_id)
            return "it is not known whether its last try happened"
        if began:  # it had asked or waited for others meanwhile, and goes on
            return ""
        _, capability, text, asked_by = self._order(tx, job.id)
        if asked_by:
            refused = self._take(tx, job.id, owner_id, digest_of(capability, json.loads(text)))
            if refused:
                return refused
        tx.execute(
            "UPDATE job SET effect_started_at = :now WHERE id = :id",
            {"now": time.time(), "id": job.id},
        )
        return ""

    def _take(self, tx: Transaction, job_id: int, owner_id: int, digest: str) -> str:
        """Use the yes for a job up; where there is none that fits, the job is put back."""
        row = tx.row(
            "SELECT id, owner_id, state, digest, expires_at FROM approval WHERE job_id = :id"
            " AND state IN ('open', 'approved') ORDER BY id DESC LIMIT 1",
            {"id": job_id},
        )
        if row is not None and row[2] == "open":
            self._wait(tx, job_id, owner_id)
            return "it waits for a yes"
        now = time.time()
        if row is not None and row[3] == digest and row[4] > now:
            tx.execute(
                "UPDATE approval SET state = 'used', used_at = :now WHERE id = :id",
                {"now": now, "id": row[0]},
            )
            self._tell_approval(tx, row, "used", job_id)
            return ""
        why = "there was no yes for it"
        if row is not None:
            fits = row[3] == digest
            why = "the yes has expired" if fits else "its arguments are not those of the yes"
            tx.execute("UPDATE approval SET state = 'expired' WHERE id = :id", {"id": row[0]})
            self._tell_approval(tx, row, "expired", job_id)
        self._ask_yes(tx, job_id, reason=why)
        self._wait(tx, job_id, owner_id)
        return why

    # ------------------------------------------------------------------ doubt

    def _doubt(self, tx: Transaction, job_id: int, owner_id: int, why: str) -> None:
        """Let a job whose process was lost wait for a person who finds out what happened."""
        row = tx.row(
            f"SELECT COUNT(*) FROM job_question WHERE job_id = :id AND {_IS_DOUBT}", {"id": job_id}
        )
        text = f"{why[0].upper()}{why[1:]} after this had begun. Did it happen?"
        name = f"{DOUBT}{row[0] + 1 if row else 1}"
        self._ask(tx, job_id, owner_id, name, text, [HAPPENED, AGAIN, GIVE_UP])
        self._tell(tx, job_id, owner_id, "waiting", reason=why)

    def _settle(self, tx: Transaction, job_id: int, choice: str, answered_by: int) -> None:
        """Do what a person says who has found out; to do it again is a yes of theirs."""
        if choice == HAPPENED:
            self._close(tx, job_id, "succeeded")
        elif choice == GIVE_UP:
            who = _name_of(tx, answered_by)
            self._close(tx, job_id, "failed", f"given up by {who}; whether it happened is unknown.")
        elif self._begin_anew(tx, job_id):
            now = time.time()
            tx.execute(
                "UPDATE approval SET state = 'approved', answered_at = :now, answered_by = :by,"
                " expires_at = :until, note = :note WHERE job_id = :id AND state = 'open'",
                {
                    "now": now,
                    "by": answered_by,
                    "until": now + self.approval_s,
                    "note": AGAIN,
                    "id": job_id,
                },
            )
            self._resume(tx, job_id)
        else:
            self._resume(tx, job_id)


def _at(job_id: int, params: str) -> dict[str, Any]:
    return {"id": job_id, "params": params}


def _name_of(tx: Transaction, user_id: int) -> str:
    row = tx.row("SELECT name FROM user_account WHERE id = :id", {"id": user_id})
    return str(row[0]) if row else f"user {user_id}"
