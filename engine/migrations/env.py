"""How alembic reaches the database: over the connection that `engine.migrate` opened."""

from __future__ import annotations

from alembic import context

from engine.migrate import VERSION_TABLE
from projections.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
