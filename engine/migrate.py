"""Bring the schema up to date, and say whether it is."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from projections.patience import patient

MIGRATION_LOCK = 7_346_200_112
"""Advisory lock, so that several processes may migrate at once and one does."""


def migrate(engine: Engine) -> None:
    """Apply every migration that the database lacks."""
    with engine.begin() as connection, patient(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        command.upgrade(_config(connection), "head")


def pending(connection: Connection) -> list[str]:
    """The migrations that the database lacks; empty when it is up to date."""
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(_config(connection))
    missing = [step.revision for step in script.iterate_revisions("head", current or "base")]
    return [revision for revision in reversed(missing) if revision != current]


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
