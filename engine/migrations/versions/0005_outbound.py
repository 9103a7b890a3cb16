"""retries of failed runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    _views()


def _views() -> None:
    """Views are disposable: the one that grows is emptied, and the projector fills it from the log again."""
    op.execute("DELETE FROM batch_jobs")
    op.execute("UPDATE view_positions SET position = 0, stopped = NULL WHERE name = 'batch_jobs'")
    op.add_column("batch_jobs", sa.Column("retry_of", sa.UUID()))


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
