"""One SQL database, SQLite in WAL or PostgreSQL, with one way to read and one way to write.

Statements are plain SQL that both understand, with ``:name`` for values. They go to the
driver directly: the journal runs thousands of them a second, and SQLAlchemy's execution
layer would cost more than the database itself. Tables that change rarely (accounts) use
:meth:`Database.session`. There is one writer at a time. SQLite knows no more, so writes wait
for one lock here instead of failing there. On PostgreSQL each begins with one lock, so that no
two can wait for one another's rows, and events become visible in the order of their numbers.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlmodel import Session

from fraktal_kernel.errors import FraktalError, InvalidInput, MissingExtra, Unavailable

Row = tuple[Any, ...]
#: How long a write waits for those of others.
BUSY_MS = 5_000
#: How long the question whether the database takes anything may wait.
CHECK_MS = 1_000
#: How long PostgreSQL lets a server that stands still keep the others from writing.
STALLED_MS = 30_000
#: The second part is PostgreSQL's way to what ``synchronous = NORMAL`` is on SQLite.
WRITER_LOCK = "SELECT pg_advisory_xact_lock(4729002), set_config('synchronous_commit', :sync, true)"
_TOUCH = "UPDATE alembic_version SET version_num = version_num"
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@cache
def _for_psycopg(sql: str) -> str:
    return re.sub(r"(?<!:):([a-z_]\w*)", r"%(\1)s", sql.replace("%", "%%"))


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


class Transaction:
    """What runs between BEGIN and COMMIT; made by :meth:`Database.read` and ``write``."""

    def __init__(self, cursor: Any, sqlite: bool) -> None:
        self._cursor = cursor
        self.sqlite = sqlite
        #: called one after the other once this is committed, and never if it is not
        self.afterwards: list[Callable[[], object]] = []
        #: topics of the events that it adds
        self.topics: list[str] = []

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> int:
        """Run one statement; returns how many rows it touched."""
        self._cursor.execute(sql if self.sqlite else _for_psycopg(sql), values or {})
        return int(self._cursor.rowcount)

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement and fetch all its rows."""
        self._cursor.execute(sql if self.sqlite else _for_psycopg(sql), values or {})
        found: list[Row] = self._cursor.fetchall()
        return found

    def row(self, sql: str, values: Mapping[str, Any] | None = None) -> Row | None:
        """Run one statement and fetch its first row, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def records(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement and fetch its rows as dictionaries."""
        found = self.rows(sql, values)
        names = [column[0] for column in self._cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found]


class Database:
    """The database behind one URL.

    Parameters
    ----------
    url : ``sqlite:///file`` or ``postgresql://user@host/name``

    Raises
    ------
    InvalidInput
        a URL that is neither
    MissingExtra
        PostgreSQL without its driver
    """

    def __init__(self, url: str | URL) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise InvalidInput(
                f"database_url: given {url!r}, expected sqlite:///FILE or postgresql://HOST/NAME."
            ) from None
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if not self.sqlite and parsed.get_backend_name() != "postgresql":
            raise InvalidInput(
                f"database_url: given a {parsed.get_backend_name()} URL, "
                "expected sqlite:///FILE or postgresql://HOST/NAME."
            )
        self.file = Path(parsed.database) if self.sqlite and parsed.database else None
        if not self.sqlite and parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self._lock = threading.Lock()
        self._writer: Any = None
        self._full_sync, self._busy_ms = True, BUSY_MS
        try:
            self.engine = (
                self._sqlite_engine(parsed) if self.sqlite else self._postgres_engine(parsed)
            )
        except (ModuleNotFoundError, NoSuchModuleError):
            raise MissingExtra(
                "PostgreSQL needs its driver: pip install 'fraktal[postgres]'."
            ) from None

    @staticmethod
    def _postgres_engine(url: Any) -> Engine:
        import psycopg

        # Values are put in by the client: the server cannot guess the type of a value that
        # one statement uses twice, and we would have to cast each.
        engine = create_engine(
            url,
            connect_args={"cursor_factory": psycopg.ClientCursor},
            pool_size=8,
            max_overflow=56,
            pool_pre_ping=True,
        )

        @event.listens_for(engine, "connect")
        def _prepare(connection: psycopg.Connection[Any], _record: Any) -> None:
            connection.execute(f"SET lock_timeout = {BUSY_MS}")
            connection.execute(f"SET idle_in_transaction_session_timeout = {STALLED_MS}")
            connection.commit()

        return engine

    @staticmethod
    def _sqlite_engine(url: Any) -> Engine:
        engine = create_engine(
            url,
            connect_args={
                "isolation_level": None,
                "check_same_thread": False,
                "timeout": BUSY_MS / 1000,
            },
            pool_size=8,
            max_overflow=56,
        )

        @event.listens_for(engine, "connect")
        def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                "wal_autocheckpoint = 4000",
            ):
                connection.execute(f"PRAGMA {pragma}")
            # SQLite's own knows the letters of English only.
            connection.create_function("LOWER", 1, _lower, deterministic=True)

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            kind = connection.get_execution_options().get("begin", "DEFERRED")
            connection.exec_driver_sql(f"BEGIN {kind}")

        return engine

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Read a consistent state; writers go on beside it."""
        with _as_unavailable():
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute("BEGIN" if self.sqlite else SNAPSHOT)
                yield Transaction(cursor, self.sqlite)
            finally:
                connection.close()  # which rolls back

    @contextmanager
    def write(self, full_sync: bool = False, busy_ms: int | None = None) -> Iterator[Transaction]:
        """Write in one transaction: all of it or, after an exception, nothing.

        Parameters
        ----------
        full_sync : wait until the disk has it, for facts that a power cut must not undo
        busy_ms : how long to wait for another thread's write, and then another program's;
            by default ``BUSY_MS``
        """
        busy_ms = busy_ms or BUSY_MS
        with _as_unavailable():
            if self.sqlite:
                with self._turn(busy_ms):
                    done = yield from self._write_sqlite(full_sync, busy_ms)
            else:
                done = yield from self._write_postgres(full_sync, busy_ms)
        for act in done:
            act()

    def _write_postgres(
        self, full_sync: bool, busy_ms: int
    ) -> Generator[Transaction, None, list[Callable[[], object]]]:
        connection = self.engine.raw_connection()
        try:
            tx = Transaction(connection.cursor(), False)
            if busy_ms != BUSY_MS:
                tx.execute(f"SET LOCAL lock_timeout = {busy_ms}")
            tx.execute(WRITER_LOCK, {"sync": "on" if full_sync else "off"})
            yield tx
            connection.commit()
        finally:
            connection.close()  # which rolls back what is not committed
        return tx.afterwards

    @contextmanager
    def _turn(self, busy_ms: int) -> Iterator[None]:
        """Wait for this thread's turn to write; all would wait for all where one is stuck."""
        if not self._lock.acquire(timeout=busy_ms / 1000):
            raise Unavailable("the database is busy with other writes; try again in a moment.")
        try:
            yield
        finally:
            self._lock.release()

    def _write_sqlite(
        self, full_sync: bool, busy_ms: int
    ) -> Generator[Transaction, None, list[Callable[[], object]]]:
        if self._writer is None:
            self._writer = self.engine.raw_connection()
            self._full_sync, self._busy_ms = True, BUSY_MS
        cursor = self._writer.cursor()
        if full_sync is not self._full_sync:
            cursor.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
            self._full_sync = full_sync
        if busy_ms != self._busy_ms:
            cursor.execute(f"PRAGMA busy_timeout = {busy_ms}")
            self._busy_ms = busy_ms
        cursor.execute("BEGIN IMMEDIATE")
        try:
            tx = Transaction(cursor, True)
            yield tx
            cursor.execute("COMMIT")
        except BaseException:
            if self._writer.driver_connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        return tx.afterwards

    @contextmanager
    def session(self, write: bool = False) -> Iterator[Session]:
        """Open a SQLModel session; one that writes is committed at its end, with full sync."""
        with _as_unavailable():
            with self._turn(BUSY_MS) if write and self.sqlite else nullcontext():
                # A writer that began as a reader would be turned away, not made to wait, where
                # another program wrote in between.
                engine = self.engine.execution_options(begin="IMMEDIATE") if write else self.engine
                with Session(engine, expire_on_commit=False) as session:
                    yield session
                    if write:
                        session.commit()

    def version(self) -> str | None:
        """Tell which migration the database stands at, None for an empty one."""
        exists = (
            "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
            if self.sqlite
            else "SELECT to_regclass('alembic_version')::text AS name"
        )
        with self.read() as tx:
            found = tx.row(exists)
            if not found or found[0] is None:
                return None
            row = tx.row("SELECT version_num FROM alembic_version")
        return str(row[0]) if row else None

    def migrate(self) -> None:
        """Bring the tables to this program's version.

        Raises
        ------
        NewerDatabase
            the database was written by a newer Fraktal
        """
        from fraktal_kernel.core.migrations import HEAD

        if self.file:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.version() == HEAD:
            return
        from fraktal_kernel.core.migrations import upgrade

        with _as_unavailable():
            upgrade(self.engine.execution_options(begin="IMMEDIATE"), self.version())

    def check(self) -> None:
        """Raise :class:`Unavailable` if the database does not answer, or takes nothing.

        A full disk, another program's lock, or a PostgreSQL that only stands by or has been
        told to take nothing stop writers alone; so something is written, as little as can be.
        """
        with self.write(busy_ms=CHECK_MS) as tx:
            tx.execute("PRAGMA user_version = 1" if self.sqlite else _TOUCH)

    def close(self) -> None:
        """Give all connections back."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self.engine.dispose()


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Turn what drivers say of full disks, locks and lost servers into one sentence."""
    try:
        yield
    except Exception as error:
        found = _sentence(error.orig if isinstance(error, DBAPIError) else error)
        if found is None:
            raise
        raise found from error


def _sentence(cause: object) -> FraktalError | None:
    """Say what a driver's error means to a person, None where it is a mistake of ours."""
    if isinstance(cause, sqlite3.OperationalError):
        return _unavailable(cause)
    if isinstance(cause, UnicodeEncodeError | OverflowError):
        return _not_kept(cause)
    if type(cause).__module__.startswith("psycopg"):
        import psycopg

        refusals = psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege
        if isinstance(cause, psycopg.OperationalError):
            return _unavailable(cause)
        if isinstance(cause, refusals):
            return _refused(cause)
        if isinstance(cause, psycopg.DataError):
            return _not_kept(cause)
    return None


def _refused(cause: object) -> Unavailable:
    return Unavailable(
        f"the database takes no writes ({_first_line(cause)}); let it, or mend database_url."
    )


def _first_line(cause: object) -> str:
    """Return the first line of what a driver says, or at least what it is."""
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


def _not_kept(cause: object) -> InvalidInput:
    """Say that a text holds NUL or half a character, or a number has too many digits."""
    return InvalidInput(
        f"the database cannot keep a value ({_first_line(cause)}); give plain text and numbers."
    )


def _unavailable(cause: object) -> Unavailable:
    words = _first_line(cause)
    if "locked" in words:
        return Unavailable(
            "the database is locked by another program; close that program and try again."
        )
    if "readonly" in words:
        return _refused(cause)
    if any(sign in words for sign in ("full", "disk I/O", "No space left")):
        return Unavailable(f"the disk cannot take more ({words}); free some space and try again.")
    return Unavailable(f"the database does not answer ({words}); start it or mend database_url.")
