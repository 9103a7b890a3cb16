"""what failed in jobs, by step, reason and host; what steps and runs came to, for the metrics"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "failed_steps",
        sa.Column("job_id", sa.UUID(), primary_key=True),
        sa.Column("chunk", sa.Integer(), primary_key=True),
        sa.Column("step_id", sa.Text(), primary_key=True),
        sa.Column("reason", sa.Text(), primary_key=True),
        sa.Column("host", sa.Text(), primary_key=True),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("went_on", sa.Integer(), nullable=False),
        sa.Column("retried", sa.Integer(), nullable=False),
    )
    op.create_table(
        "results",
        sa.Column("counter", sa.Text(), primary_key=True),
        sa.Column("step_type", sa.Text(), primary_key=True),
        sa.Column("result", sa.Text(), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
