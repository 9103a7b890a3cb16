"""Every table of the product, as SQLAlchemy Core.

`log` belongs to the event store. `stream_heads` is the store's own index, written in the statement that
appends. The views (`workflows`, `schedules`, `batch_jobs`) are disposable. `chunks`, `runs`, `effects` are the
ledger: the truth about each person of a batch job. The rest is plain state: people, cohorts, keys.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = MetaData()

Instant = DateTime(timezone=True)
Id = UUID(as_uuid=True)
NOW = text("now()")


projects = Table(
    "projects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False, server_default=NOW),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Id, ForeignKey("projects.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("agent", Boolean, nullable=False, server_default="false"),
    Column("max_audience", Integer),
    Column("rate_per_minute", Integer),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("created_at", Instant, nullable=False, server_default=NOW),
)

installation = Table(
    "installation",
    metadata,
    Column("one", Boolean, primary_key=True, server_default="true"),
    Column("secret_check", Text, nullable=False),
)
"""A digest of the secret key, so that a process with another secret refuses to start."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("project_id", Id, primary_key=True),
    Column("principal_id", Text, primary_key=True),
    Column("command", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_digest", Text, nullable=False),
    Column("answer", JSONB),
    Column("created_at", Instant, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("originator_id", Id, primary_key=True),
    Column("originator_version", BigInteger, primary_key=True),
    Column("notification_id", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("project_id", Id, nullable=False),
    Column("command_id", Id, nullable=False),
    Column("actor", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

stream_heads = Table(
    "stream_heads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
)
Index(
    "batch_jobs_at_work",
    stream_heads.c.id,
    postgresql_where=text("kind = 'batch_job' AND status IN ('queued', 'enrolling', 'running', 'cancelling')"),
)

view_positions = Table(
    "view_positions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Column("stopped", Text),
)
"""How far each follower of the log has come; `stopped` says why one stands still."""

workflows = Table(
    "workflows",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("trigger_type", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
    Index("workflows_by_time", "project_id", "created_at", "id"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("workflow_id", Id, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("rrule", Text, nullable=False),
    Column("starts_at", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("variables", JSONB, nullable=False),
    Column("acknowledged_count", Integer, nullable=False),
    Column("note", Text),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("schedules_by_time", "project_id", "created_at", "id"),
)

batch_jobs = Table(
    "batch_jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("workflow_id", Id, nullable=False),
    Column("workflow_version", Integer, nullable=False),
    Column("schedule_id", Id),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("revision", Integer, nullable=False),
    Column("send_mode", Text, nullable=False),
    Column("variables", JSONB, nullable=False),
    Column("acknowledged", Integer, nullable=False),
    Column("enrolled", Integer),
    Column("delivered", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("exited", Integer, nullable=False, server_default="0"),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("in_progress", Integer, nullable=False, server_default="0"),
    Column("pending", Integer, nullable=False, server_default="0"),
    Column("requested_by", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Index("batch_jobs_by_time", "project_id", "requested_at", "id"),
    Index("batch_jobs_by_workflow", "workflow_id", "requested_at", "id"),
)

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

jobs_at_work = Table(
    "jobs_at_work",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("workflow_id", Id, nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("variables", JSONB, nullable=False),
    Column("send_mode", Text, nullable=False),
    Column("enrolled_at", Instant, nullable=False),
    Column("progress_at", Instant, nullable=False),
)
"""What a worker needs to know of an enrolled job, pinned in the transaction that enrolled it."""

chunks = Table(
    "chunks",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("person_ids", ARRAY(BigInteger), nullable=False),
    Column("size", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="ready"),
    Column("leased_until", Instant),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("delivered", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("exited", Integer, nullable=False, server_default="0"),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("in_progress", Integer, nullable=False, server_default="0"),
)
"""Frozen ids in ascending order. `size` counts people enrolled by this chunk: 0 for one that resumes parked runs,
whose counters are then differences, so that sums over a job's chunks are always right."""
Index("chunks_to_do", chunks.c.job_id, chunks.c.number, postgresql_where=text("state IN ('ready', 'sending')"))

runs = Table(
    "runs",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("person_id", BigInteger, primary_key=True),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("at_step", Text),
    Column("wake_at", Instant),
    Column("steps", JSONB, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
"""One row a person; a person without a row is pending (or skipped, when the chunk was cancelled)."""
Index("runs_to_wake", runs.c.wake_at, postgresql_where=text("status = 'waiting'"))

effects = Table(
    "effects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("job_id", Id, nullable=False),
    Column("person_id", BigInteger, nullable=False),
    Column("step_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("provider_id", Text),
    Column("error", Text),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
)
"""External effects, written before they are tried. `id` is the idempotency key, the same on every try."""
