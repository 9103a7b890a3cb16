"""schedules that fire, approval, frozen sizings, limits of projects and keys"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)
JSONB = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    _limits()
    op.add_column("stream_heads", sa.Column("due_at", INSTANT))
    op.add_column("stream_heads", sa.Column("parent_id", sa.UUID()))
    op.create_index("heads_due", "stream_heads", ["due_at", "id"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("heads_by_parent", "stream_heads", ["parent_id"], postgresql_where=sa.text("parent_id IS NOT NULL"))
    op.add_column("runs", sa.Column("variables", JSONB))
    op.create_table(
        "frozen_sizings",
        sa.Column("job_id", sa.UUID(), primary_key=True),
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("workflow_id", sa.UUID(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_frozen_sizings_expires_at", "frozen_sizings", ["expires_at"])
    op.create_table(
        "spent_tokens",
        sa.Column("id", sa.UUID(), primary_key=True),
        sa.Column("spent_at", INSTANT, nullable=False),
    )
    op.create_index("ix_spent_tokens_spent_at", "spent_tokens", ["spent_at"])
    _views()


def _limits() -> None:
    """A key's cap becomes one of its limits; projects get limits too."""
    op.add_column("projects", sa.Column("limits", JSONB, nullable=False, server_default="{}"))
    op.add_column("api_keys", sa.Column("limits", JSONB, nullable=False, server_default="{}"))
    op.execute(
        "UPDATE api_keys SET limits = jsonb_build_object('max_audience', max_audience) WHERE max_audience IS NOT NULL"
    )
    op.drop_column("api_keys", "max_audience")


def _views() -> None:
    """Views are disposable: they are emptied, and the projector fills them from the log again."""
    op.execute("DELETE FROM schedules")
    op.execute("DELETE FROM batch_jobs")
    op.execute("UPDATE view_positions SET position = 0, stopped = NULL WHERE name IN ('schedules', 'batch_jobs')")
    for column in (
        sa.Column("exdates", JSONB, nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column("catch_up_window_minutes", sa.Integer(), nullable=False),
        sa.Column("workflow_version", sa.Integer()),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.Column("max_growth", sa.Float()),
        sa.Column("ceiling", sa.Integer()),
        sa.Column("approval_expires_at", INSTANT),
        sa.Column("next_occurrence", INSTANT),
        sa.Column("last_occurrence", INSTANT),
    ):
        op.add_column("schedules", column)
    for column in (
        sa.Column("scheduled_for", INSTANT),
        sa.Column("fired_at", INSTANT),
        sa.Column("late_by_seconds", sa.Float()),
        sa.Column("held_until", INSTANT),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("approved_by", sa.Text()),
    ):
        op.add_column("batch_jobs", column)
    op.create_table(
        "occurrences",
        sa.Column("schedule_id", sa.UUID(), primary_key=True),
        sa.Column("scheduled_for", INSTANT, primary_key=True),
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("batch_job_id", sa.UUID()),
        sa.Column("late_by_seconds", sa.Float()),
        sa.Column("decided_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
