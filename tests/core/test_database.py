"""What the database promises: whole transactions, one writer at a time, tables that fit."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import select

from fraktal_kernel.agents import tables as _agents  # noqa: F401  its tables belong to the comparison
from fraktal_kernel.agents.bus import tables as _bus  # noqa: F401
from fraktal_kernel.agents.chat import tables as _chat  # noqa: F401
from fraktal_kernel.agents.models import tables as _models  # noqa: F401
from fraktal_kernel.core import migrations
from fraktal_kernel.core.database import Database, Transaction
from fraktal_kernel.core.tables import User, metadata
from fraktal_kernel.errors import InvalidInput, NewerDatabase, Unavailable


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give an empty database, of each kind there is, with its tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'deep' / 'down' / 'fraktal.db'}"
    else:
        url = request.getfixturevalue("new_postgres_url")
    database = Database(url)
    database.migrate()
    yield database
    database.close()


def add_user(tx: Transaction, name: str) -> None:
    """Write one row."""
    tx.execute(
        "INSERT INTO user_account(name, is_admin, created_at) VALUES(:name, FALSE, 0)",
        {"name": name},
    )


def names(database: Database) -> list[str]:
    """Read the rows that :func:`add_user` wrote."""
    with database.read() as tx:
        return [row[0] for row in tx.rows("SELECT name FROM user_account ORDER BY name")]


# --- migrations ---------------------------------------------------------------------------


def test_migrations_make_the_tables_that_the_code_has(database: Database) -> None:
    """From empty, the steps lead to exactly what the models say; doing it again does nothing."""
    assert database.version() == migrations.HEAD
    database.migrate()
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
        # Alembic cannot read an index on an expression back from SQLite; its name is looked up.
        assert [each for each in found if getattr(each[1], "name", "") != "job_queue"] == []
        tables = metadata.tables.values()
        indexes = {(table.name, index.name) for table in tables for index in table.indexes}
        there = "SELECT tablename, indexname FROM pg_indexes"
        if database.sqlite:
            there = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'"
        assert indexes <= {(row[0], row[1]) for row in connection.exec_driver_sql(there)}


def test_the_head_is_the_newest_step() -> None:
    """The constant that saves us importing alembic is what alembic would say."""
    steps = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert steps.get_heads() == [migrations.HEAD]


def test_every_table_has_an_owner() -> None:
    """No row belongs to nobody.

    The workspace's own are how far a trace server has been told, and how the language models of its
    one list fared.
    """
    without = {
        table.name
        for table in metadata.tables.values()
        if "owner_id" not in table.columns or table.columns["owner_id"].nullable
    }
    assert without == {"user_account", "span_export", "model_record"}


def test_a_newer_database_is_refused(database: Database) -> None:
    """An old program touches nothing in a database that it does not understand."""
    with database.write() as tx:
        tx.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabase, match=r"stands at version 9999.*update Fraktal"):
        database.migrate()
    assert database.version() == "9999"


def test_many_may_open_an_empty_database_at_once(tmp_path: Path) -> None:
    """Processes that start together on nothing all find their tables."""
    program = (
        "import sys\n"
        "from fraktal_kernel.core.database import Database\n"
        "database = Database(sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "database.migrate()\n"
        "print(database.version())\n"
    )
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'new.db'}"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [process.communicate(timeout=120)[0].strip() for process in started]
    assert found == [migrations.HEAD] * 3


# --- transactions -------------------------------------------------------------------------


def test_a_write_is_done_wholly_or_not_at_all(database: Database) -> None:
    """After an exception nothing of a transaction is left, and the next one works."""
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        add_user(tx, "half")
        tx.row(f"SELECT {1 / 0}")
    with database.write() as tx:
        add_user(tx, "whole")
    with pytest.raises(Exception, match=r"(?i)unique"), database.write() as tx:
        add_user(tx, "second")
        add_user(tx, "whole")
    assert names(database) == ["whole"]


def test_what_comes_afterwards_comes_after_the_commit(database: Database) -> None:
    """Those who are told of a change can read it; of one that was undone nobody is told."""
    told: list[list[str]] = []
    with database.write() as tx:
        tx.afterwards.append(lambda: told.append(names(database)))
        add_user(tx, "a")
        assert told == []
    with pytest.raises(KeyError), database.write() as tx:
        tx.afterwards.append(lambda: told.append(["never"]))
        raise KeyError
    assert told == [["a"]]


def test_writers_in_many_threads_lose_nothing(database: Database) -> None:
    """Read, add one, write back: with one writer at a time the sum is right."""
    with database.write() as tx:
        tx.execute("INSERT INTO user_account(name, is_admin, created_at) VALUES('n', FALSE, 0)")

    def add_one(_: int) -> None:
        with database.write() as tx:
            row = tx.row("SELECT created_at FROM user_account WHERE name = 'n'")
            assert row is not None
            tx.execute(
                "UPDATE user_account SET created_at = :n WHERE name = 'n'", {"n": row[0] + 1}
            )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(add_one, range(200)))
    with database.read() as tx:
        assert tx.row("SELECT created_at FROM user_account") == (200,)


WRITER = """
import sys
from fraktal_kernel.core.database import Database
from fraktal_kernel.core.tables import User

url, who = sys.argv[1:]
database = Database(url)
sys.stdin.readline()
for number in range(25):
    with database.write() as tx:
        tx.execute("UPDATE user_account SET created_at = created_at + 1 WHERE name = 'n'")
    with database.session(write=True) as session:
        session.get(User, 1)  # reads first, as accounts do
        session.add(User(name=f"{who}-{number}", created_at=0))
database.close()
"""


def test_two_processes_write_side_by_side(database: Database) -> None:
    """A second program waits for its turn; nothing is lost and nothing fails."""
    with database.write() as tx:
        tx.execute("INSERT INTO user_account(name, is_admin, created_at) VALUES('n', FALSE, 0)")
    url = database.engine.url.render_as_string(hide_password=False)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, who], stdin=subprocess.PIPE, text=True)
        for who in "ab"
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    with database.read() as tx:
        assert tx.row("SELECT created_at FROM user_account WHERE name = 'n'") == (50,)
    assert len(names(database)) == 51


def test_opposite_orders_do_not_lock_each_other_out(database: Database) -> None:
    """Two writers that touch the same rows in opposite orders both come through."""
    with database.write() as tx:
        add_user(tx, "a")
        add_user(tx, "b")

    def swap(pair: str) -> None:
        for _ in range(50):
            with database.write() as tx:
                for name in pair:
                    tx.execute(
                        "UPDATE user_account SET created_at = created_at + 1 WHERE name = :name",
                        {"name": name},
                    )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(swap, ["ab", "ba"]))
    with database.read() as tx:
        assert tx.rows("SELECT created_at FROM user_account") == [(100,), (100,)]


def test_readers_are_not_held_up_by_a_writer(database: Database) -> None:
    """Beside an open write one reads what was there before it."""
    with database.write() as tx:
        add_user(tx, "new")
        assert names(database) == []
    assert names(database) == ["new"]


def test_a_session_commits_or_leaves_nothing(database: Database) -> None:
    """Accounts are written through the models, in the same way."""
    with database.session(write=True) as session:
        session.add(User(name="kept", created_at=1.5))
    with pytest.raises(ZeroDivisionError), database.session(write=True) as session:
        session.add(User(name="lost", created_at=1.5))
        session.flush()
        _ = 1 / 0
    with database.session() as session:
        assert [user.created_at for user in session.exec(select(User))] == [1.5]


@pytest.mark.parametrize("text", ["half \ud800 a character", "a\0b"])
def test_text_that_cannot_be_kept_is_refused(database: Database, text: str) -> None:
    """What a database has no way to store is bad input, and no reason to stop."""
    if text == "a\0b" and database.sqlite:  # which keeps it
        with database.write() as tx:
            add_user(tx, text)
        assert names(database) == [text]
        return
    with pytest.raises(InvalidInput, match="the database cannot keep a value"):
        with database.write() as tx:
            add_user(tx, text)
    with pytest.raises(InvalidInput), database.read() as tx:
        tx.row("SELECT 1 FROM user_account WHERE name = :name", {"name": text})
    assert names(database) == []


def test_records_and_counts(database: Database) -> None:
    """Rows come as dictionaries where one asks for them, and writes say what they touched."""
    with database.write() as tx:
        add_user(tx, "100% :sure")
        assert tx.execute("UPDATE user_account SET is_admin = FALSE") == 1
        assert tx.records("SELECT id AS number, name FROM user_account")[0]["name"] == "100% :sure"
        assert tx.row("SELECT name FROM user_account WHERE name = 'nobody'") is None


def test_all_connections_are_given_back(database: Database) -> None:
    """However a transaction ends, its connection is there for the next one."""
    for _ in range(100):
        with pytest.raises(KeyError), database.read() as tx:
            tx.row("SELECT 1")
            raise KeyError
        with pytest.raises(KeyError), database.write():
            raise KeyError
    assert database.engine.pool.checkedout() <= 1  # type: ignore[attr-defined]


# --- SQLite alone -------------------------------------------------------------------------


def test_full_sync_is_set_and_taken_back(tmp_path: Path) -> None:
    """Facts that a power cut must not undo wait for the disk; the rest does not."""
    database = Database(f"sqlite:///{tmp_path / 'fraktal.db'}")
    database.migrate()
    seen = []
    for full_sync in (False, True, True, False):
        with database.write(full_sync=full_sync) as tx:
            seen.append(tx.row("PRAGMA synchronous"))
    assert seen == [(1,), (2,), (2,), (1,)]
    with database.session(write=True) as session:
        assert session.connection().exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert session.connection().exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()


def test_a_locked_database_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that holds the file for good is named as the cause, and later it works."""
    monkeypatch.setattr("fraktal_kernel.core.database.BUSY_MS", 50)
    database = Database(f"sqlite:///{tmp_path / 'fraktal.db'}")
    database.migrate()
    other = sqlite3.connect(tmp_path / "fraktal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another program"), database.write():
        pass
    other.execute("ROLLBACK")
    other.close()
    with database.write() as tx:
        add_user(tx, "later")
    database.close()


def test_after_closing_nothing_is_left_open(tmp_path: Path) -> None:
    """Closing gives back every connection, of the writer too."""
    database = Database(f"sqlite:///{tmp_path / 'fraktal.db'}")
    database.migrate()
    with database.write() as tx:
        add_user(tx, "a")
    names(database)
    database.close()
    assert not (tmp_path / "fraktal.db-wal").exists(), "the last one to leave tidies up"


# --- URLs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/db", "sqlite"])
def test_a_url_of_no_use_is_refused(url: str) -> None:
    """Only the two databases that are tested are taken."""
    with pytest.raises(InvalidInput, match=r"expected sqlite:///FILE or postgresql://HOST/NAME"):
        Database(url)


def test_a_server_that_is_away_is_a_sentence() -> None:
    """Nobody reads a driver's traceback."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    database = Database("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(Unavailable, match="the database does not answer") as refusal:
        database.check()
    assert "\n" not in str(refusal.value)
    database.close()


def test_a_server_that_comes_back_is_found(
    make_postgres_url: Callable[[], str], postgres_server: str
) -> None:
    """Connections that a restart cut off are replaced without a word."""
    import psycopg

    database = Database(make_postgres_url())
    database.migrate()
    with psycopg.connect(postgres_server + "postgres", autocommit=True) as admin:
        with database.write() as tx:
            add_user(tx, "before")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [database.engine.url.database],
        )
    assert names(database) == ["before"]
    with pytest.raises(Unavailable), database.write() as tx:
        add_user(tx, "cut")
        pid = tx.row("SELECT pg_backend_pid()")
        assert pid is not None
        with psycopg.connect(postgres_server + "postgres", autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [pid[0]])
        add_user(tx, "never")
    assert names(database) == ["before"]
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    database.close()
