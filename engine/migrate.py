"""Bring the schema up to date, and say whether it is."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from engine.encoding import require_encoding
from engine.errors import StartupError
from engine.sequences import mend_sequences
from projections.outage import reason
from projections.patience import patient

MIGRATION_LOCK = 7_346_200_112
"""Advisory lock, so that several processes may migrate at once and one does."""

VERSION_TABLE = "tidegate_version"
"""A name of our own: other applications that use alembic in the same schema have the usual one."""

FORMER_TABLE = "alembic_version"

LOCK_MILLISECONDS = 2_000
"""How long a migration waits for a table. Everybody else who wants that table waits behind it meanwhile."""

TRIES = 30
PAUSE_SECONDS = 1.0
"""After a wait that was in vain the others get their turn, then it is tried again."""

VERSIONS = Path(__file__).parent / "migrations" / "versions"

_TABLES = text("SELECT to_regclass(:own) IS NOT NULL, to_regclass(:former) IS NOT NULL, to_regclass('stream_heads')")
_OLDEST = text(
    "SELECT pid, application_name, CAST(extract(epoch FROM now() - xact_start) AS int) AS seconds "
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1"
)


def migrate(engine: Engine) -> None:
    """Apply every migration that the database lacks, and move sequences that are behind their tables.

    Raises StartupError for a schema that this version does not know, for tables that are somebody else's, and when
    other transactions keep a table for too long.
    """
    never = threading.Event()
    for _ in range(TRIES):
        try:
            _migrate(engine)
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            never.wait(PAUSE_SECONDS)
        except ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.DuplicateTable):
                raise
            raise StartupError(
                f"The schema has a table that is not Tidegate's: {reason(error)}. "
                "Give Tidegate a database of its own, or a role with a schema of its own as search_path."
            ) from error
        else:
            return
    with engine.connect() as connection:
        raise StartupError(f"A table is in use and was not let go; nothing was changed. {_blocker(connection)}")


def pending(connection: Connection) -> list[str]:
    """The migrations that the database lacks; empty when it is up to date.

    Raises StartupError when the schema is of a version that this one does not know.
    """
    known, current = revisions(), _current(connection)
    if current is not None and current not in known:
        raise StartupError(
            f"The database has the schema of another version of Tidegate: revision {current} is not known here, "
            f"{known[-1]} is the latest. Run the version that has migrated it, or a newer one."
        )
    return [revision for revision in known if current is None or revision > current]


def require_schema(connection: Connection) -> None:
    """Refuse to work on a schema that is not this version's. Raises StartupError."""
    missing = pending(connection)
    if missing == revisions():
        raise StartupError("The database has no schema of ours. Run `tidegate migrate`.")
    if missing:
        raise StartupError(f"The database lacks {len(missing)} migrations. Run `tidegate migrate`.")


def revisions() -> list[str]:
    """Every revision of this version, oldest first; each file is named for its own."""
    return sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply migrations in the caller's transaction."""
    # Half of what a process takes to start would be these, which nearly never migrates.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _migrate(engine: Engine) -> None:
    with engine.begin() as connection, patient(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        require_encoding(connection)
        connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}"))
        if not pending(connection):
            mend_sequences(connection)
            return
        own, former, ours = _tables(connection)
        if former and ours and not own:
            connection.execute(text(f"ALTER TABLE {FORMER_TABLE} RENAME TO {VERSION_TABLE}"))
        upgrade(connection)
        mend_sequences(connection)


def _current(connection: Connection) -> str | None:
    own, former, ours = _tables(connection)
    if not own and not (former and ours):
        return None
    table = VERSION_TABLE if own else FORMER_TABLE
    return connection.execute(text(f"SELECT version_num FROM {table}")).scalar()  # noqa: S608  # our own names


def _tables(connection: Connection) -> tuple[bool, bool, bool]:
    """Whether there is our version table, one with the usual name, and tables of ours."""
    row = connection.execute(_TABLES, {"own": VERSION_TABLE, "former": FORMER_TABLE}).one()
    return row[0], row[1], row[2] is not None


def _blocker(connection: Connection) -> str:
    row = connection.execute(_OLDEST).first()
    if row is None:
        return "Try again."
    name = f" ({row.application_name})" if row.application_name else ""
    return f"The oldest open transaction is of process {row.pid}{name}, {row.seconds} s old. End it and try again."
