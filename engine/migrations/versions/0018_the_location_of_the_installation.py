"""where this database is, so that a copy of it does not send by itself"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

# An embedded server is told which directory it has (`engine.embedded`): whoever copies that copies everything else too.
# In a block of its own, because a server may keep its identifier from an ordinary role; the database's is left then.
_LOCATION = """
CREATE FUNCTION tidegate_location() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE server text;
BEGIN
    BEGIN
        server := (SELECT system_identifier FROM pg_control_system());
    EXCEPTION WHEN insufficient_privilege OR undefined_function THEN
        server := 'unknown';
    END;
    RETURN server || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
        || coalesce('/' || nullif(current_setting('tidegate.directory', true), ''), '');
END
$$
"""


def upgrade() -> None:
    op.execute(_LOCATION)
    for name, kind in (("location", sa.Text()), ("name", sa.Text()), ("fenced_because", sa.Text())):
        op.add_column("installation", sa.Column(name, kind))
    for name in ("settled_at", "fenced_since"):
        op.add_column("installation", sa.Column(name, sa.DateTime(timezone=True)))
    # An installation that is there already is where it is. Its name comes with the first process that starts.
    op.execute("UPDATE installation SET location = tidegate_location(), settled_at = now()")


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
