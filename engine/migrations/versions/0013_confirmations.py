"""what waits for a human, and whether agents run a workflow by hand"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # The view reads the log from its beginning, so what is held already is in it.
    op.create_table(
        "confirmations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("status", "asks", "held_because")),
        sa.Column("acknowledged", sa.Integer(), nullable=False),
        sa.Column("workflow_id", sa.Uuid(), nullable=False),
        sa.Column("workflow_version", sa.Integer(), nullable=False),
        sa.Column("batch_job_id", sa.Uuid()),
        sa.Column("schedule_id", sa.Uuid()),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("send_mode", "requested_by", "source")),
        *(sa.Column(name, sa.Text()) for name in ("via", "client", "why")),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
    )
    op.create_index("confirmations_by_time", "confirmations", ["project_id", "requested_at", "id"])
    op.add_column("workflows", sa.Column("agent_runs", sa.Text(), nullable=False, server_default="confirmed"))


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
