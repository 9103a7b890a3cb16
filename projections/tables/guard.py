"""What the acknowledgement guard keeps beside the log: what sizings said."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text
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
