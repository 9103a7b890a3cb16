"""what sizings said, kept under short confirm tokens"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0007"

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


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
