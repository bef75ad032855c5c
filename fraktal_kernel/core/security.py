"""Who may do what: users with passwords, browser sessions, API tokens, and their scopes.

Every secret is shown once and kept as its SHA-256, so a stolen database opens nothing;
passwords are kept as argon2. Sign-in facts are written with full sync: a revoked token stays
revoked after a power cut. This module knows nothing of the web; ``server/gate.py`` asks it.

Scopes
------
``read``
    see one's own jobs, artifacts and events, and the capabilities
``jobs``
    submit, cancel, retry and answer jobs of every capability
``jobs:PATTERN``
    the same for the capabilities that a shell pattern matches, such as ``jobs:fractal.*``
``approve``
    answer what waits for a person's yes; signed-in people have it
``agent``, ``agent:PATTERN``
    be an agent that does one's own jobs of every capability, or of those that the pattern matches
``bus``, ``bus:PATTERN``
    publish and read messages of every topic, or of those that the pattern matches
``admin``
    everything, for users who are administrators
``account``
    make and revoke tokens; signed-in people have it, no token can be given it
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from pwdlib import PasswordHash

from fraktal_kernel.core.database import Database, Row
from fraktal_kernel.errors import Conflict, FraktalError, InvalidInput, NotFound

TOKEN_PREFIX = "fk_"
SCOPES = (
    "read, jobs, jobs:PATTERN (such as jobs:fractal.*), agent, agent:PATTERN, bus, bus:PATTERN, "
    "approve or admin"
)
#: Scopes that stand alone for all capabilities or topics, or with a pattern for some.
PATTERNED = ("jobs", "agent", "bus")
PASSWORD_LENGTH = range(8, 1025)
NAME_LENGTH = range(1, 101)
#: Failed sign-ins within :data:`WINDOW_S` after which one name from one address has to wait,
#: and after which the whole address has to.
TRIES_PER_NAME, TRIES_PER_CLIENT, WINDOW_S = 5, 20, 60.0
#: A token's last use is noted at most this often, so that reading does not become writing.
LAST_USED_EVERY_S = 60.0


class TooManyTries(FraktalError):
    """Too many failed sign-ins, or requests; ``wait_s`` says for how long to wait."""

    def __init__(self, wait_s: float, what: str = "failed sign-ins") -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__(f"too many {what}; try again in {self.wait_s} s.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was recognised, and what they may do.

    Examples
    --------
    >>> program = Principal(1, "ada", False, frozenset({"read", "jobs:fractal.*"}))
    >>> program.allows("jobs:fractal.render"), program.allows("jobs:notebook.run")
    (True, False)
    """

    user_id: int
    name: str
    is_admin: bool
    scopes: frozenset[str]
    #: of the API token that was shown, None for people and this user's own programs
    token_id: int | None = field(default=None, compare=False)

    def allows(self, scope: str) -> bool:
        """Tell whether one of the scopes held covers this one."""
        if "admin" in self.scopes or scope in self.scopes:
            return True
        kind, _, name = scope.partition(":")
        if kind not in PATTERNED or not name:
            return False
        return kind in self.scopes or any(
            fnmatchcase(scope, held) for held in self.scopes if held.startswith(f"{kind}:")
        )


@dataclass(frozen=True, slots=True)
class Token:
    """What may be told of an API token: everything but its secret."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: float
    last_used_at: float | None
    revoked_at: float | None


def digest(secret: str) -> str:
    """Hash a random secret for keeping; a guessable one (a password) needs argon2 instead."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same(secret: str, kept: str) -> bool:
    """Compare a secret with a kept digest in constant time."""
    return hmac.compare_digest(digest(secret), kept)


class Security:
    """Users, sessions and tokens of one database.

    Parameters
    ----------
    database : where they are kept
    session_days : days until a browser has to sign in again
    """

    def __init__(self, database: Database, session_days: float = 30) -> None:
        self._database = database
        self.session_s = session_days * 86400
        self._tries = _Tries()
        # One argon2 check takes 64 MiB: a flood of sign-ins waits here instead of in memory.
        self._hashing = threading.Semaphore(2)

    @cached_property
    def _passwords(self) -> PasswordHash:
        return PasswordHash.recommended()

    @cached_property
    def _nobody(self) -> str:
        """The hash that an unknown name is checked against, to take the same time."""
        return self._passwords.hash(secrets.token_urlsafe())

    # -- users ---------------------------------------------------------------------------

    def local_user(self) -> Principal:
        """Return the person at this computer, named after the operating system's user.

        Made an administrator without a password at the first call.
        """
        import getpass

        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container whose user number has no name
            name = "local"
        user = self._user("name = :key", name)
        if user is None:
            with self._database.write(full_sync=True) as tx:
                tx.execute(
                    "INSERT INTO user_account (name, is_admin, created_at)"
                    " VALUES (:name, :admin, :now) ON CONFLICT (name) DO NOTHING",
                    {"name": name, "admin": True, "now": time.time()},
                )
            user = self._user("name = :key", name)
        assert user is not None
        return user

    def user(self, user_id: int) -> Principal:
        """Return one user by number."""
        user = self._user("id = :key", user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id}.")
        return user

    def users(self) -> list[Principal]:
        """List everybody, by name."""
        with self._database.read() as tx:
            rows = tx.rows("SELECT id, name, is_admin FROM user_account ORDER BY name")
        return [_person(row) for row in rows]

    def add_user(self, name: str, password: str, is_admin: bool = False) -> Principal:
        """Add somebody who signs in with a password.

        Raises
        ------
        InvalidInput
            a name or password that is too short, too long or unprintable
        Conflict
            the name is taken
        """
        name = _checked_name("name", name)
        values = {
            "name": name,
            "hash": self._hash(password),
            "admin": is_admin,
            "now": time.time(),
        }
        with self._database.write(full_sync=True) as tx:
            added = tx.execute(
                "INSERT INTO user_account (name, password_hash, is_admin, created_at)"
                " VALUES (:name, :hash, :admin, :now) ON CONFLICT (name) DO NOTHING",
                values,
            )
        if not added:
            raise Conflict(f"there is already a user named {name!r}; choose another name.")
        user = self._user("name = :key", name)
        assert user is not None
        return user

    def set_password(self, user_id: int, password: str) -> None:
        """Give a user a new password and end all of their browser sessions."""
        hashed = self._hash(password)
        with self._database.write(full_sync=True) as tx:
            found = tx.execute(
                "UPDATE user_account SET password_hash = :hash WHERE id = :id",
                {"hash": hashed, "id": user_id},
            )
            tx.execute("DELETE FROM browser_session WHERE owner_id = :id", {"id": user_id})
        if not found:
            raise NotFound(f"there is no user {user_id}.")

    def user_by_password(self, name: str, password: str, client: str = "") -> Principal | None:
        """Recognise somebody by name and password, or return None.

        An unknown name takes as long as a wrong password.

        Parameters
        ----------
        client : address that the attempt came from; failures are counted for each

        Raises
        ------
        TooManyTries
            after several failures within a minute; a right password has to wait as well
        """
        tried = self._tries.begin(name, client)
        if len(password) >= PASSWORD_LENGTH.stop or not name.isprintable():
            return None
        with self._database.read() as tx:
            row = tx.row("SELECT id, password_hash FROM user_account WHERE name = :n", {"n": name})
        kept = row[1] if row else None
        with self._hashing:
            fits, better = self._passwords.verify_and_update(
                password.encode("utf-8", "surrogatepass"), kept or self._nobody
            )
        if not (fits and row and kept):
            return None
        self._tries.forget(name, client, tried)
        if better:  # the library's parameters grew since the password was set
            with self._database.write(full_sync=True) as tx:
                tx.execute(
                    "UPDATE user_account SET password_hash = :hash WHERE id = :id",
                    {"hash": better, "id": row[0]},
                )
        return self.user(row[0])

    # -- browser sessions ----------------------------------------------------------------

    def open_session(self, user_id: int) -> str:
        """Sign a browser in; returns the secret for its cookie."""
        secret = secrets.token_urlsafe(32)
        now = time.time()
        with self._database.write(full_sync=True) as tx:
            tx.execute("DELETE FROM browser_session WHERE expires_at <= :now", {"now": now})
            tx.execute(
                "INSERT INTO browser_session (owner_id, token_hash, created_at, expires_at)"
                " VALUES (:owner, :hash, :now, :until)",
                {
                    "owner": user_id,
                    "hash": digest(secret),
                    "now": now,
                    "until": now + self.session_s,
                },
            )
        return secret

    def principal_of_session(self, secret: str) -> Principal | None:
        """Recognise a browser by its cookie, or return None."""
        with self._database.read() as tx:
            row = tx.row(
                "SELECT u.id, u.name, u.is_admin, s.token_hash"
                " FROM browser_session s JOIN user_account u ON u.id = s.owner_id"
                " WHERE s.token_hash = :hash AND s.expires_at > :now",
                {"hash": digest(secret), "now": time.time()},
            )
        return _person(row) if row and same(secret, row[3]) else None

    def close_session(self, secret: str) -> None:
        """Sign a browser out; a secret that is not known is no error."""
        with self._database.write(full_sync=True) as tx:
            tx.execute(
                "DELETE FROM browser_session WHERE token_hash = :hash", {"hash": digest(secret)}
            )

    # -- API tokens ----------------------------------------------------------------------

    def create_token(self, user_id: int, name: str, scopes: Iterable[str]) -> str:
        """Make a key for a program; the secret is returned once and never again.

        Raises
        ------
        InvalidInput
            an unknown scope, none at all, or ``admin`` for somebody who is none
        """
        user = self.user(user_id)
        name = _checked_name("token name", name)
        wanted = sorted(set(scopes))
        for scope in wanted:
            kind, _, pattern = scope.partition(":")
            if scope not in ("read", *PATTERNED, "approve", "admin") and (
                kind not in PATTERNED or not pattern
            ):
                raise InvalidInput(f"scopes: given {scope!r}, expected {SCOPES}.")
            if len(scope) > 200 or not scope.isprintable():
                raise InvalidInput("scopes: expected printable text of at most 200 characters.")
        if not wanted:
            raise InvalidInput(f"scopes: none given; choose {SCOPES}.")
        if "admin" in wanted and not user.is_admin:
            raise InvalidInput(f"scopes: {user.name!r} is no administrator; leave 'admin' out.")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._database.write(full_sync=True) as tx:
            tx.execute(
                "INSERT INTO api_token (owner_id, name, token_hash, scopes, created_at)"
                " VALUES (:owner, :name, :hash, :scopes, :now)",
                {
                    "owner": user_id,
                    "name": name,
                    "hash": digest(secret),
                    "scopes": json.dumps(wanted),
                    "now": time.time(),
                },
            )
        return secret

    def principal_of_token(self, secret: str) -> Principal | None:
        """Recognise a program by its token, or return None for one unknown or revoked."""
        if not secret.startswith(TOKEN_PREFIX):
            return None
        with self._database.read() as tx:
            row = tx.row(
                "SELECT u.id, u.name, u.is_admin, t.token_hash, t.scopes, t.id, t.last_used_at"
                " FROM api_token t JOIN user_account u ON u.id = t.owner_id"
                " WHERE t.token_hash = :hash AND t.revoked_at IS NULL",
                {"hash": digest(secret)},
            )
        if not row or not same(secret, row[3]):
            return None
        now = time.time()
        if now - (row[6] or 0) > LAST_USED_EVERY_S:
            with self._database.write() as tx:
                tx.execute(
                    "UPDATE api_token SET last_used_at = :now WHERE id = :id",
                    {"now": now, "id": row[5]},
                )
        # Somebody who is no administrator any more has no token that still is one.
        scopes = frozenset(json.loads(row[4])) - (frozenset() if row[2] else {"admin"})
        return Principal(row[0], row[1], bool(row[2]), scopes, token_id=row[5])

    def list_tokens(self, user_id: int) -> list[Token]:
        """List a user's tokens, newest first, the revoked ones too."""
        return self._tokens("owner_id = :key ORDER BY id DESC", user_id)

    def token(self, secret: str) -> Token:
        """Tell what is known of the token with this secret."""
        found = self._tokens("token_hash = :key", digest(secret))
        if not found:
            raise NotFound("there is no token with this secret.")
        return found[0]

    def revoke_token(self, token_id: int, user_id: int | None = None) -> None:
        """End a token for good; with ``user_id`` only if it is that user's own."""
        with self._database.write(full_sync=True) as tx:
            found = tx.execute(
                "UPDATE api_token SET revoked_at = COALESCE(revoked_at, :now) WHERE id = :id"
                + ("" if user_id is None else " AND owner_id = :owner"),
                {"now": time.time(), "id": token_id, "owner": user_id},
            )
        if not found:
            raise NotFound(f"there is no token {token_id}, or it is not yours.")

    # ------------------------------------------------------------------------------------

    def _user(self, where: str, key: str | int) -> Principal | None:
        with self._database.read() as tx:
            row = tx.row(f"SELECT id, name, is_admin FROM user_account WHERE {where}", {"key": key})
        return _person(row) if row else None

    def _tokens(self, where: str, key: str | int) -> list[Token]:
        with self._database.read() as tx:
            rows = tx.rows(
                "SELECT id, name, scopes, created_at, last_used_at, revoked_at"
                f" FROM api_token WHERE {where}",
                {"key": key},
            )
        return [Token(row[0], row[1], tuple(json.loads(row[2])), *row[3:]) for row in rows]

    def _hash(self, password: str) -> str:
        if len(password) not in PASSWORD_LENGTH:
            raise InvalidInput(
                f"password: given {len(password)} characters, expected "
                f"{PASSWORD_LENGTH.start} to {PASSWORD_LENGTH.stop - 1}."
            )
        with self._hashing:
            return self._passwords.hash(password.encode("utf-8", "surrogatepass"))


def _person(row: Row) -> Principal:
    """Make the principal of somebody who signed in themselves."""
    admin = bool(row[2])
    scopes = {"read", "jobs", "bus", "approve", "account"} | ({"admin"} if admin else set())
    return Principal(row[0], row[1], admin, frozenset(scopes))


def _checked_name(what: str, name: str) -> str:
    name = name.strip()
    if len(name) not in NAME_LENGTH or not name.isprintable():
        raise InvalidInput(f"{what}: given {name[:100]!r}, expected 1 to 100 printable characters.")
    return name


class _Tries:
    """Failed sign-ins of the last minute, by name and address; bounded in size."""

    MOST_KEYS = 4096

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()

    def begin(self, name: str, client: str) -> float:
        """Count an attempt before it is checked, so that parallel ones count too."""
        now = time.monotonic()
        with self._lock:
            limits = {(client, name[:100]): TRIES_PER_NAME, (client,): TRIES_PER_CLIENT}
            for key, most in limits.items():
                times = self._times.setdefault(key, deque())
                self._times.move_to_end(key)
                while times and now - times[0] >= WINDOW_S:
                    times.popleft()
                if len(times) >= most:
                    raise TooManyTries(WINDOW_S - (now - times[0]))
            for key in limits:
                self._times[key].append(now)
            while len(self._times) > self.MOST_KEYS:
                self._times.popitem(last=False)
        return now

    def forget(self, name: str, client: str, tried: float) -> None:
        """Take an attempt that succeeded off the count, and the name's failures with it."""
        with self._lock:
            self._times.pop((client, name[:100]), None)
            times = self._times.get((client,))
            if times and tried in times:
                times.remove(tried)
