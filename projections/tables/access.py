"""Who may ask: projects, keys, and what was asked before. Plain state."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from projections.tables.base import NOW, Id, Instant, metadata

projects = Table(
    "projects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("limits", JSONB, nullable=False, server_default="{}"),
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
    Column("limits", JSONB, nullable=False, server_default="{}"),
    Column("rate_per_minute", Integer),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("created_at", Instant, nullable=False, server_default=NOW),
    Column("owner", Text),
    Column("made_by", Text),
    Column("chain", ARRAY(Text), nullable=False, server_default="{}"),
    Column("made_via", Text),
    Column("changed_at", Instant),
    Column("changed_by", Text),
    Column("revoked_by", Text),
)
"""`chain` has the ids of the keys that made it, oldest first; without `made_via` nobody knows who made it."""

key_rates = Table(
    "key_rates",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("full_at", Instant, nullable=False),
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": 50},
)
"""When the bucket of a key that has a rate will be full again. Losing it fills every bucket, and harms nothing."""

installation = Table(
    "installation",
    metadata,
    Column("one", Boolean, primary_key=True, server_default="true"),
    Column("secret_check", Text, nullable=False),
    Column("location", Text),
    Column("name", Text),
    Column("settled_at", Instant),
    Column("fenced_since", Instant),
    Column("fenced_because", Text),
)
"""A digest of the secret key, so that a process with another secret refuses to start; and where the database was when
this became the installation, so that a copy of it sends nothing (`engine.fence`).

`location` is the server's identifier and the database's, `name` the setting; both are what `settled_at` found. NULL: no
process has started since there are such columns. `fenced_since` and `fenced_because` say what was noticed since."""

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

spent_tokens = Table(
    "spent_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("spent_at", Instant, nullable=False, index=True),
)
"""What confirm tokens bought that is no stream of its own; kept until the token has long expired."""

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)
"""MCP sessions that their client has ended before their age does; kept until then."""
