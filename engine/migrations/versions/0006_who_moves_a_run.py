"""the chunk that moves a run on"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("runs", sa.Column("resumed_by", sa.Integer()))
    # Who is in progress at this moment and was woken goes on with the chunk that did so.
    op.execute(
        "UPDATE runs r SET resumed_by = c.number FROM (SELECT job_id, person_id, max(number) AS number "
        "FROM chunks, unnest(person_ids) AS person_id WHERE size = 0 AND state IN ('ready', 'sending') "
        "GROUP BY job_id, person_id) c "
        "WHERE r.job_id = c.job_id AND r.person_id = c.person_id AND r.status = 'in_progress'"
    )


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
