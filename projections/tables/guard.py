"""What the acknowledgement guard keeps beside the log: what sizings said, and who asked to reach how many."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from projections.tables.base import Id, Instant, metadata

sizings = Table(
    "sizings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("claims", JSONB, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
"""What a confirm token stands for; `id` is the token's digest. Kept for a day after it has expired, so that an expired
token is told from an unknown one."""

reach = Table(
    "reach",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("principal", Text, nullable=False),
    Column("workflow_id", Id, nullable=False),
    Column("people", Integer, nullable=False),
    Column("at", Instant, nullable=False, index=True),
)
"""How many people each job was asked for, and by whom; kept as long as it counts against a day's budget."""
Index("reach_of_principals", reach.c.project_id, reach.c.principal, reach.c.at)
