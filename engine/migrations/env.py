"""How alembic reaches the database: over the connection that `engine.migrate` opened."""

from __future__ import annotations

from alembic import context

from projections.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
