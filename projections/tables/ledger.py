"""The ledger: the truth about each person of a batch job."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from projections.tables.base import Id, Instant, metadata

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
    Column("rate", Text),
    Column("breaker", JSONB),
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
    Column("address_marks", ARRAY(BigInteger)),
    Column("size", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="ready"),
    Column("leased_until", Instant),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("failures", SmallInteger, nullable=False, server_default="0"),
    Column("delivered", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("exited", Integer, nullable=False, server_default="0"),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("in_progress", Integer, nullable=False, server_default="0"),
    Column("reached", Integer, nullable=False, server_default="0"),
)
"""Frozen ids in ascending order. `address_marks` has a keyed hash of the normalised address of each, where the
workflow sends email, else it is NULL. `size` counts people enrolled by this chunk: 0 for one that resumes parked runs,
whose counters are then differences, so that sums over a job's chunks are always right. `failures` counts how often it
could not be processed; until `leased_until` it is then left alone, although it is ready."""
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
    Column("variables", JSONB),
    Column("updated_at", Instant, nullable=False),
    Column("resumed_by", Integer),
    Column("address_mark", BigInteger),
    Column("reached", Boolean, nullable=False, server_default=text("false")),
)
"""One row a person; a person without a row is pending (or skipped, when the chunk was cancelled).

`reached` says that at least one effect outside was made for the person, or may have been. `address_mark` stands for
the address that was confirmed, in jobs that send email.

`resumed_by` is the number of the chunk that woke the run last, null before that: whoever has the lease of that chunk,
or else of the one that enrolled the person, is the only one to move the run on while it is in progress.
"""
Index("runs_waiting", runs.c.job_id, runs.c.wake_at, runs.c.person_id, postgresql_where=text("status = 'waiting'"))

failed_steps = Table(
    "failed_steps",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("failed", Integer, nullable=False),
    Column("went_on", Integer, nullable=False),
    Column("retried", Integer, nullable=False),
)
"""What failed in each chunk, as sums; `step_id` and `host` are empty where there is none. Runs that ended as `failed`,
runs that went on although a step failed, and attempts that failed and are followed by another."""

manual_runs = Table(
    "manual_runs",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("inputs", JSONB, nullable=False),
)
"""What manual runs were started with. It may be personal, so it is kept here and not in the log."""

sending_pace = Table(
    "sending_pace",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("free_at", Instant),
    Column("attempts", BigInteger, nullable=False, server_default="0"),
    Column("failures", BigInteger, nullable=False, server_default="0"),
    prefixes=["UNLOGGED"],
)
"""When a job with a rate may send again, and what its breaker has counted. Losing it costs a burst, and no more."""

shared_rates = Table(
    "shared_rates",
    metadata,
    Column("name", Text, primary_key=True),
    Column("free_at", Instant, nullable=False),
    prefixes=["UNLOGGED"],
)
"""When the next message of a project, to a host, to the relay is due, where it has a rate. Losing it costs a burst."""

cancelled_runs = Table(
    "cancelled_runs",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("person_id", BigInteger, primary_key=True),
)
"""People of a job whose runs somebody has cancelled, one by one: nothing more is done for them."""

scheduler_work = Table(
    "scheduler_work",
    metadata,
    Column("work", Text, primary_key=True),
    Column("passes", BigInteger, nullable=False),
    Column("found", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("last_at", Instant, nullable=False),
    prefixes=["UNLOGGED"],
)
"""What each work of all schedulers came to since the first. Losing it sets counters back to nothing, and no more."""

results = Table(
    "results",
    metadata,
    Column("counter", Text, primary_key=True),
    Column("step_type", Text, primary_key=True),
    Column("result", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    prefixes=["UNLOGGED"],
)
"""What steps, attempts and runs of all jobs came to, since the first. Losing it sets counters back to nothing."""

processes = Table(
    "processes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("role", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    prefixes=["UNLOGGED"],
)
"""Processes that are at work, or were lately; each says so itself."""

frozen_sizings = Table(
    "frozen_sizings",
    metadata,
    Column("job_id", Id, primary_key=True),
    Column("project_id", Id, nullable=False),
    Column("workflow_id", Id, nullable=False),
    Column("count", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
"""Sizings whose people are kept until the token expires: their ids are the chunks of the job that it can buy."""

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
    Column("waits", SmallInteger, nullable=False, server_default="0"),
    Column("retry_until", Instant),
    Index("effects_by_person", "person_id", "started_at"),
)
"""External effects, written before they are tried. `id` is the idempotency key, the same on every try.

`waits` counts how often the person was parked for another try; none is made after `retry_until`."""
