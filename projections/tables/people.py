"""People and cohorts. Plain state."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from projections.tables.base import NOW, Id, Instant, metadata

people = Table(
    "people",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("distinct_id", Text, nullable=False),
    Column("email", Text),
    Column("properties", JSONB, nullable=False, server_default="{}"),
    Column("opted_out_at", Instant),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Index("people_by_distinct_id", "project_id", "distinct_id", unique=True),
    Index("people_by_id", "project_id", "id"),
    Index("people_by_property", "properties", postgresql_using="gin", postgresql_ops={"properties": "jsonb_path_ops"}),
    Index("people_by_address", "project_id", text("lower(btrim(email))")),
)
"""Each index serves a query: import and look-up, lists and totals, `exact`, an address and its duplicates."""

cohorts = Table(
    "cohorts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False),
    Column("conditions", JSONB, nullable=False, server_default="[]"),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Index("cohorts_by_time", "project_id", "created_at", "id"),
)

cohort_members = Table(
    "cohort_members",
    metadata,
    Column("cohort_id", Id, ForeignKey("cohorts.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", BigInteger, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
)
# The index on person_id serves the cascade when a person is erased.
