"""People and cohorts. Plain state."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from projections.tables.base import NOW, Id, Instant, metadata

people = Table(
    "people",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("distinct_id", Text, nullable=False),
    Column("email", Text),
    Column("address", Text),
    Column("properties", JSONB, nullable=False, server_default="{}"),
    Column("opted_out_at", Instant),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Index("people_by_distinct_id", "project_id", "distinct_id", unique=True),
    Index("people_by_id", "project_id", "id"),
    Index("people_by_property", "properties", postgresql_using="gin", postgresql_ops={"properties": "jsonb_path_ops"}),
    Index("people_by_address", "project_id", "address"),
)
"""`email` is what was told, `address` its normalised form (`aggregates.address`), NULL where it has none.
A trigger sees to it where only `email` is written, which processes of an older version do.

Each index serves a query: import and look-up, lists and totals, `exact`, an address and its duplicates."""

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("project_id", Id, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("topic", Text, primary_key=True, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
)
"""Addresses that left a topic, or all of them (topic ""), under whichever person they are."""

person_opt_outs = Table(
    "person_opt_outs",
    metadata,
    Column("person_id", BigInteger, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
)
"""People who left one topic, whichever address they have. Who left all has `people.opted_out_at`."""

suppressions = Table(
    "suppressions",
    metadata,
    Column("project_id", Id, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
"""Addresses to which nothing may be sent, for one of `aggregates.people.events.SUPPRESSION_REASONS`."""

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
