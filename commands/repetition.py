"""The same batch asked for twice: a double click, or a client that repeats what timed out."""

from __future__ import annotations

from datetime import timedelta

from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from aggregates.values import Acknowledgement
from aggregates.workflow.aggregate import Workflow
from commands.context import Context

JUST = timedelta(minutes=10)
"""How long a job that was asked for counts as one that was just started."""


def refuse_repetition(ctx: Context, workflow: Workflow, acknowledged: Acknowledgement) -> None:
    """Refuse a batch whose version the caller has started over the same people within ten minutes.

    For a request with neither token nor idempotency key: those say by themselves which requests are the same. Its
    people were counted against the budget, so nobody else asks for this principal until the command has ended.
    """
    principal, since = ctx.meta.principal, ctx.meta.now - JUST
    for id in ctx.spending.lately(principal.project_id, principal.id, workflow.id, acknowledged.count, since):
        job = ctx.store.load(BatchJob, id, ctx.meta)
        if job.workflow_version == workflow.content_version and job.fingerprint == acknowledged.fingerprint:
            details = {"batch_job_id": str(job.id), "status": job.status}
            raise DomainError("batch_job.just_started", details=details)
