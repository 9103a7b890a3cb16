"""retries of failed runs, the pace of sending"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

INSTANT = sa.DateTime(timezone=True)
JSONB = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.add_column("jobs_at_work", sa.Column("rate", sa.Text()))
    op.add_column("jobs_at_work", sa.Column("breaker", JSONB))
    op.create_table(
        "sending_pace",
        sa.Column("job_id", sa.UUID(), primary_key=True),
        sa.Column("free_at", INSTANT),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("failures", sa.BigInteger(), nullable=False, server_default="0"),
        prefixes=["UNLOGGED"],
    )
    _views()


def _views() -> None:
    """Views are disposable: the one that grows is emptied, and the projector fills it from the log again."""
    op.execute("DELETE FROM batch_jobs")
    op.execute("UPDATE view_positions SET position = 0, stopped = NULL WHERE name = 'batch_jobs'")
    op.add_column("batch_jobs", sa.Column("retry_of", sa.UUID()))
    op.add_column("batch_jobs", sa.Column("rate", sa.Text()))
    op.add_column("batch_jobs", sa.Column("breaker", JSONB))


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
