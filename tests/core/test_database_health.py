"""Whether a database takes what is written: asked by writing, on PostgreSQL as on SQLite."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from fraktal_kernel.core.database import CHECK_MS, STALLED_MS, Database
from fraktal_kernel.core.security import Security
from fraktal_kernel.errors import Unavailable


@pytest.fixture
def database(new_postgres_url: str) -> Iterator[Database]:
    """Give a PostgreSQL database with its tables."""
    database = Database(new_postgres_url)
    database.migrate()
    yield database
    database.close()


def order(url: str, *statements: str) -> None:
    """Change something in a database, or at its server."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for sql in statements:
            connection.execute(text(sql))
    engine.dispose()


def test_a_database_that_is_told_to_take_nothing_is_not_well(
    database: Database, new_postgres_url: str
) -> None:
    """It answers every question, and still its health says what is wrong; so does a sign-in."""
    database.check()
    name = new_postgres_url.rpartition("/")[2]
    order(new_postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database.engine.dispose()  # the setting holds for new connections
    with database.read() as tx:
        assert tx.row("SELECT 1") == (1,)
    with pytest.raises(Unavailable, match=r"takes no writes .*read-only"):
        database.check()
    with pytest.raises(Unavailable, match="takes no writes"):
        Security(database).add_user("ada", "correct horse battery")
    undo = f"ALTER DATABASE {name} RESET default_transaction_read_only"
    order(new_postgres_url, "SET default_transaction_read_only = off", undo)
    database.engine.dispose()
    database.check()


def test_a_role_that_may_not_write_is_told(
    database: Database, new_postgres_url: str, postgres_server: str
) -> None:
    """Rights that were taken away are a sentence, and no riddle."""
    admin = postgres_server + new_postgres_url.rpartition("/")[2]
    admin = admin.replace("postgresql://", "postgresql+psycopg://")
    order(admin, "ALTER TABLE alembic_version OWNER TO postgres")
    order(admin, "GRANT SELECT ON alembic_version TO fraktal")
    with pytest.raises(Unavailable, match=r"takes no writes .*permission denied"):
        database.check()


def test_a_writer_that_stands_still_is_noticed_soon(
    database: Database, new_postgres_url: str
) -> None:
    """Who holds the right to write for long makes the health say so, before he is thrown out."""
    other = Database(new_postgres_url)
    with other.write():
        began = time.monotonic()
        with pytest.raises(Unavailable, match="lock"):
            database.check()
        assert CHECK_MS / 1000 <= time.monotonic() - began < STALLED_MS / 1000
    database.check()
    other.close()


def test_asking_often_leaves_nothing_behind(database: Database) -> None:
    """What is written to see whether it can be is the same row again."""
    version = database.version()
    for _ in range(20):
        database.check()
    assert database.version() == version
    with database.read() as tx:
        assert tx.row("SELECT COUNT(*) FROM alembic_version") == (1,)


def test_a_sqlite_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file that is opened for reading only is a sentence as well."""
    file = tmp_path / "fraktal.db"
    Database(f"sqlite:///{file}").migrate()
    database = Database(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(Unavailable):
        database.check()
    database.close()
