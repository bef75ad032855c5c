"""How the database got its tables, one numbered step after the other."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import Engine

from fraktal_kernel.errors import NewerDatabase

#: The newest step that this program knows.
HEAD = "0006"


def upgrade(engine: Engine, found: str | None) -> None:
    """Run every step that the database has not seen.

    Parameters
    ----------
    found : the step that the database stands at, None for an empty one
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    if found is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(found)
        except CommandError:
            raise NewerDatabase(
                f"the database stands at version {found}, this program knows versions up to "
                f"{HEAD}; update Fraktal, or choose another workspace with FRAKTAL_DATA."
            ) from None
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Two servers may start on one empty database: the second waits for the first.
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4729001)")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
