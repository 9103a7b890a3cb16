"""Retry: a new job over exactly the people whose runs of an ended one failed.

It passes the one acknowledgement guard. Its id is derived from the old job, so whoever asks twice gets the same job,
and nobody is retried twice; only where a retry ended before it reached anybody may there be another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.batch_job import held_until, job_answer
from commands.binding import Purpose, bought_job, bound_to, counted, keep_claims, new_token
from commands.budget import charge, left
from commands.confirm import Kept, acknowledge, batch_definition, must_wait, sendable_definition, who
from commands.context import Accepted, Context
from commands.outlook import outlook
from commands.reach import reach_of


@dataclass(frozen=True)
class SizeFailed:
    """Count the failed runs of an ended batch job. Contacts nobody. The token in the answer buys one retry of them."""

    batch_job_id: UUID


@dataclass(frozen=True)
class RetryFailed:
    """Run a workflow again for exactly the people whose runs of an ended job failed. Real people are contacted."""

    batch_job_id: UUID
    acknowledged_affected_count: int
    confirm_token: str | None = None


def size_failed(command: SizeFailed, ctx: Context) -> Accepted:
    old = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    old.has_ended()
    workflow = ctx.store.load(Workflow, old.workflow_id, ctx.meta)
    definition, audience = sendable_definition(ctx, workflow)
    failed = _failed(ctx, old, definition)
    purpose = Purpose(pace=old.pace)
    claims = bound_to(ctx, workflow, who(audience, failed), old.variables, purpose)
    claims |= counted(ctx, failed.count, failed.fingerprint)
    token = new_token(ctx)
    keep_claims(ctx, token, claims)
    waits_as, _ = _place(ctx, old)
    data = {
        "batch_job_id": str(old.id),
        "left": dict(ctx.people.left_since(old.id, workflow.project_id, reach_of(definition, ctx.policy))),
        "reached_before": ctx.people.failed_before(workflow.project_id, workflow.id, old.workflow_version, old.id),
        **outlook(
            ctx,
            workflow,
            definition,
            claims,
            token,
            kind="batch",
            version=old.workflow_version,
            held_because=must_wait(ctx, left(ctx, workflow.id, failed.count)[1]),
            waits_as=waits_as,
        ),
    }
    return Accepted(str(old.id), data)


def retry_failed(command: RetryFailed, ctx: Context) -> Accepted:
    old = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    old.has_ended()
    id, earlier = _place(ctx, old)
    asked = digest([str(old.id), command.acknowledged_affected_count, ctx.meta.principal.id])
    if earlier is not None:
        if earlier.request_digest == asked:
            return job_answer(earlier, ctx.store.save(earlier), ctx.confirm_url(earlier.id))
        raise DomainError("batch_job.retried", details={"batch_job_id": str(earlier.id), "status": earlier.status})
    workflow = ctx.store.load(Workflow, old.workflow_id, ctx.meta)
    if workflow.status == "active" and workflow.content_version != old.workflow_version:
        raise DomainError("workflow.stale", details={"version": workflow.content_version})
    proof = acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=old.variables,
        spent=ctx.store.taken(bought_job(ctx, command.confirm_token)),
        purpose=Purpose(pace=old.pace),
        kept=_failed(ctx, old, batch_definition(workflow)[0]),
    )
    job = BatchJob.request(
        id,
        workflow_id=workflow.id,
        workflow_version=old.workflow_version,
        variables=proof.variables,
        acknowledgement=proof.acknowledgement,
        request_digest=asked,
        send_mode=proof.policy.send_mode,
        held_because=proof.held_because,
        held_until=held_until(ctx),
        retry_of=old.id,
        pace=old.pace,
        meta=ctx.meta,
    )
    charge(ctx, job.id, workflow.id, job.acknowledged_count)
    return job_answer(job, ctx.store.save(job), ctx.confirm_url(job.id))


def _failed(ctx: Context, old: BatchJob, definition: Definition) -> Kept:
    return Kept(*ctx.people.failed(old.id, reach_of(definition, ctx.policy)), failed=old.id)


def _place(ctx: Context, old: BatchJob) -> tuple[UUID, BatchJob | None]:
    """The id of the retry, and the retry itself if there is one that reached somebody or still may."""
    for attempt in count(1):
        id = ctx.ids.derived("retry", old.id, attempt)
        earlier = ctx.store.find(BatchJob, id, ctx.meta)
        if earlier is None or not earlier.ended or earlier.enrolled is not None:
            return id, earlier
    raise AssertionError("counting never ends")
