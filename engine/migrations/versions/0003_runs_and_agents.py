"""manual runs, runs cancelled one by one, MCP sessions that were ended"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)
JSONB = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "manual_runs",
        sa.Column("job_id", sa.UUID(), primary_key=True),
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("inputs", JSONB, nullable=False),
    )
    op.create_table(
        "cancelled_runs",
        sa.Column("job_id", sa.UUID(), primary_key=True),
        sa.Column("person_id", sa.BigInteger(), primary_key=True),
    )
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_ended_sessions_expires_at", "ended_sessions", ["expires_at"])
    _views()


def _views() -> None:
    """Views are disposable: the one that grows is emptied, and the projector fills it from the log again."""
    op.execute("DELETE FROM batch_jobs")
    op.execute("UPDATE view_positions SET position = 0, stopped = NULL WHERE name = 'batch_jobs'")
    op.add_column("batch_jobs", sa.Column("manual", sa.Boolean(), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
