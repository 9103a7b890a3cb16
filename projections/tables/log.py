"""The log and what the event store keeps beside it."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Identity, Index, LargeBinary, Table, Text, text

from projections.tables.base import NOW, Id, Instant, metadata

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

outside = Table(
    "outside",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("value", JSON, nullable=False),
    Column("stored_at", Instant, nullable=False),
)
"""Values that events name by a digest: SHA-256 over the salt and the value's text, which is its canonical JSON.

It is `json` and not `jsonb`: the text has to stay as it was digested.
"""

stream_heads = Table(
    "stream_heads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("due_at", Instant),
    Column("parent_id", Id),
)
"""The latest of each stream: who looks for work or for what belongs to a workflow need not read streams."""
Index("heads_due", stream_heads.c.due_at, stream_heads.c.id, postgresql_where=text("due_at IS NOT NULL"))
Index("heads_by_parent", stream_heads.c.parent_id, postgresql_where=text("parent_id IS NOT NULL"))
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

passed_over = Table(
    "passed_over",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("because", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
"""Events that a follower could not take and was told to pass over: `because` says what went wrong, `reason` why it was
told so."""
