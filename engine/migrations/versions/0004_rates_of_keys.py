"""how far each key has used up its rate, for all server processes together"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "key_rates",
        sa.Column("key_id", sa.Text(), primary_key=True),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": 50},
    )


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
