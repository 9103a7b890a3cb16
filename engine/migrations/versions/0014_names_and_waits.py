"""runs that wait, names of rebuilt views, chunks that fail, events that are passed over, who is at work"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

# A rebuild used to put another table in a view's place, whose indexes had names of that table.
_INDEXES = {
    "workflows": {"workflows_pkey": "id", "workflows_by_time": "project_id,created_at,id"},
    "schedules": {
        "schedules_pkey": "id",
        "schedules_by_time": "project_id,created_at,id",
        "ix_schedules_workflow_id": "workflow_id",
    },
    "occurrences": {"occurrences_pkey": "schedule_id,scheduled_for"},
    "batch_jobs": {
        "batch_jobs_pkey": "id",
        "batch_jobs_by_time": "project_id,requested_at,id",
        "batch_jobs_by_workflow": "workflow_id,requested_at,id",
    },
    "confirmations": {"confirmations_pkey": "id", "confirmations_by_time": "project_id,requested_at,id"},
}
_NAMED = sa.text(
    "SELECT c.relname, (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(i.indkey) "
    "WITH ORDINALITY k (number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number) "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = CAST(:view AS regclass)"
)


def upgrade() -> None:
    # By job first: people of a paused job who are due stand in the way of no other job.
    op.create_index(
        "runs_waiting", "runs", ["job_id", "wake_at", "person_id"], postgresql_where=sa.text("status = 'waiting'")
    )
    op.drop_index("runs_to_wake", "runs")
    op.add_column("chunks", sa.Column("failures", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_table(
        "passed_over",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("topic", "because", "reason")),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "processes",
        sa.Column("id", sa.Uuid(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("role", "host")),
        sa.Column("pid", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("started_at", "seen_at")),
        prefixes=["UNLOGGED"],
    )
    for view, indexes in _INDEXES.items():
        op.execute(f"DROP TABLE IF EXISTS {view}__next")
        found = {columns: name for name, columns in op.get_bind().execute(_NAMED, {"view": view})}
        for name, columns in indexes.items():
            if (now := found.get(columns, name)) != name:
                op.execute(f'ALTER INDEX "{now}" RENAME TO {name}')


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
