"""the pace of a schedule's jobs; rates that several jobs share"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    # Schedules of before have no pace, which is what a column without a default says of them.
    op.add_column("schedules", sa.Column("rate", sa.Text()))
    op.add_column("schedules", sa.Column("breaker", JSONB))
    op.create_table(
        "shared_rates",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
