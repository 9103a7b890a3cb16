"""who was reached, and the address that was confirmed for each run"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# Of jobs that are at work. What an attempt came to before says whether it may have arrived.
_BEGUN = """
UPDATE runs r SET reached = true FROM effects e, stream_heads h
WHERE h.id = r.job_id AND h.status IN ('running', 'paused', 'cancelling')
  AND e.job_id = r.job_id AND e.person_id = r.person_id
  AND (e.state IN ('succeeded', 'unknown', 'confirmed') OR e.error ~ '^(http\\.|timeout|connection\\.lost)')
"""
_COUNTED = """
UPDATE chunks c SET reached = f.reached
FROM (SELECT r.job_id, count(*) AS reached, (SELECT min(number) FROM chunks WHERE job_id = r.job_id) AS number
      FROM runs r WHERE r.reached GROUP BY r.job_id) f
WHERE c.job_id = f.job_id AND c.number = f.number
"""


def upgrade() -> None:
    op.add_column("runs", sa.Column("address_mark", sa.BigInteger()))
    op.add_column("runs", sa.Column("reached", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("chunks", sa.Column("reached", sa.Integer(), nullable=False, server_default="0"))
    # Null where an older version ended the job without counting.
    op.add_column("batch_jobs", sa.Column("reached", sa.Integer()))
    op.execute(_BEGUN)
    op.execute(_COUNTED)


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
