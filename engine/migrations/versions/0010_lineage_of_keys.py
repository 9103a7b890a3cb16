"""who made a key, who answers for it, who changed it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # Who made the keys that are there is written nowhere: they have no owner, no maker, and begin chains of their own.
    op.add_column("api_keys", sa.Column("owner", sa.Text()))
    op.add_column("api_keys", sa.Column("made_by", sa.Text()))
    op.add_column("api_keys", sa.Column("chain", ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.add_column("api_keys", sa.Column("made_via", sa.Text()))
    op.add_column("api_keys", sa.Column("changed_at", sa.DateTime(timezone=True)))
    op.add_column("api_keys", sa.Column("changed_by", sa.Text()))
    op.add_column("api_keys", sa.Column("revoked_by", sa.Text()))
    # Streams that were written together all stood at the last event of them: each stands at its own.
    op.execute(
        "UPDATE stream_heads h SET position = own.position FROM "
        "(SELECT originator_id, max(notification_id) AS position FROM log GROUP BY originator_id) own "
        "WHERE own.originator_id = h.id AND own.position <> h.position"
    )


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
