"""runs that wait are found by their job"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    # By job first: people of a paused job who are due stand in the way of no other job.
    op.create_index(
        "runs_waiting", "runs", ["job_id", "wake_at", "person_id"], postgresql_where=sa.text("status = 'waiting'")
    )
    op.drop_index("runs_to_wake", "runs")


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
