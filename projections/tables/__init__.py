"""Every table of the product, as SQLAlchemy Core.

base    metadata and the types that tables share
access  projects, keys and their rates, idempotency, spent tokens, ended sessions
guard   what sizings said, who asked to reach how many
log     the log, which belongs to the event store, what it keeps outside, and the store's own index of streams
views   workflows, schedules, occurrences, batch jobs, confirmations: disposable
people  people, cohorts, opt-outs and suppressions
ledger  chunks, runs, effects: the truth about each person of a batch job
"""

from projections.tables.access import (
    api_keys,
    ended_sessions,
    idempotency_keys,
    installation,
    key_rates,
    projects,
    spent_tokens,
)
from projections.tables.base import Id, Instant, metadata
from projections.tables.guard import reach, sizings
from projections.tables.ledger import (
    cancelled_runs,
    chunks,
    effects,
    failed_steps,
    frozen_sizings,
    jobs_at_work,
    manual_runs,
    processes,
    results,
    runs,
    scheduler_work,
    sending_pace,
    shared_rates,
)
from projections.tables.log import log, outside, passed_over, stream_heads, view_positions
from projections.tables.people import cohort_members, cohorts, opt_outs, people, person_opt_outs, suppressions
from projections.tables.views import batch_jobs, confirmations, occurrences, schedules, workflows

__all__ = [
    "Id",
    "Instant",
    "api_keys",
    "batch_jobs",
    "cancelled_runs",
    "chunks",
    "cohort_members",
    "cohorts",
    "confirmations",
    "effects",
    "ended_sessions",
    "failed_steps",
    "frozen_sizings",
    "idempotency_keys",
    "installation",
    "jobs_at_work",
    "key_rates",
    "log",
    "manual_runs",
    "metadata",
    "occurrences",
    "opt_outs",
    "outside",
    "passed_over",
    "people",
    "person_opt_outs",
    "processes",
    "projects",
    "reach",
    "results",
    "runs",
    "scheduler_work",
    "schedules",
    "sending_pace",
    "shared_rates",
    "sizings",
    "spent_tokens",
    "stream_heads",
    "suppressions",
    "view_positions",
    "workflows",
]
