"""how often a send was put off, and until when it is tried again"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    # Neither rewrites the table: one default is constant, the other column has none.
    op.add_column("effects", sa.Column("waits", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("effects", sa.Column("retry_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
