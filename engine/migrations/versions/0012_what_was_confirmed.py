"""what sizings said, kept under short confirm tokens; how many people each principal has asked to reach"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sizings",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("claims", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_sizings_expires_at", "sizings", ["expires_at"])
    op.create_table(
        "reach",
        sa.Column("job_id", sa.UUID(), primary_key=True),
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.UUID(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
    )
    op.create_index("ix_reach_at", "reach", ["at"])
    op.create_index("reach_of_principals", "reach", ["project_id", "principal", "at"])


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
