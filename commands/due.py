"""What is due: occurrences of schedules, and held jobs that nobody approved. Asked by the scheduler, never by a key.

Each is one transaction that first claims the stream, so any number of schedulers may ask for the same one. The batch
job of an occurrence has an id derived from both, so asking again can only find it there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import AT_WORK
from aggregates.errors import DomainError
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.firing import ON_TIME
from aggregates.values import StandingApproval, digest
from aggregates.workflow.aggregate import Workflow
from commands.batch_job import held_until
from commands.budget import charge
from commands.context import Accepted, Context
from commands.standing import covered

CHANGED = "The workflow was changed after this schedule was acknowledged."
"""Why a schedule is paused by a change of its workflow."""


@dataclass(frozen=True)
class FireSchedule:
    """Decide about the next due occurrence of a schedule, after those that were missed.

    `seen_at` is when it was found to be due: what was missed is measured from there, however long its turn took.
    """

    schedule_id: UUID
    seen_at: datetime


@dataclass(frozen=True)
class ExpireApproval:
    """Reject a held job whose time for approval is over."""

    batch_job_id: UUID


def fire(command: FireSchedule, ctx: Context) -> Accepted:
    held = ctx.policy.send_mode == "live" and ctx.is_fenced()
    if held or not ctx.store.claim(command.schedule_id, ctx.meta.now):
        return _decided(command.schedule_id, decided=False)
    schedule = ctx.store.load(Schedule, command.schedule_id, ctx.meta)
    workflow = ctx.store.load(Workflow, schedule.workflow_id, ctx.meta)
    approval = schedule.approval
    if approval is None or approval.workflow_version != workflow.content_version:
        schedule.pause(note=CHANGED, meta=ctx.meta)
        ctx.store.save(schedule)
        return _decided(schedule.id, decided=True)
    before = schedule.version
    busy = ctx.store.any_stands(schedule.job_ids, AT_WORK)
    occurrence = schedule.take_turn(busy=busy, seen_at=command.seen_at, meta=ctx.meta)
    job = _job(ctx, schedule, workflow, approval, occurrence) if occurrence else None
    ctx.store.save(*([schedule, job] if job else [schedule]))
    return _decided(schedule.id, decided=schedule.version != before)


def expire(command: ExpireApproval, ctx: Context) -> Accepted:
    if not ctx.store.claim(command.batch_job_id, ctx.meta.now):
        return _decided(command.batch_job_id, decided=False)
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.expire(meta=ctx.meta)
    ctx.store.save(job)
    return _decided(job.id, decided=True)


def _decided(id: UUID, *, decided: bool) -> Accepted:
    """The answer to the scheduler: whether it should ask again."""
    return Accepted(str(id), {"decided": decided})


def _job(
    ctx: Context, schedule: Schedule, workflow: Workflow, approval: StandingApproval, occurrence: datetime
) -> BatchJob | None:
    """The batch job of an occurrence, held if need be; None when the occurrence is skipped instead."""
    if workflow.status != "active":
        schedule.skip([occurrence], "workflow.not_active", meta=ctx.meta)
        return None
    # One that is on time counts from its own instant, so that a day later the next one is a day later.
    counts_at = occurrence if ctx.meta.now - occurrence <= ON_TIME else ctx.meta.now
    try:
        proof = covered(ctx, workflow, schedule, approval, at=counts_at)
    except DomainError as refusal:
        # A database that is busy now is asked again, as long as the occurrence is not late.
        if refusal.code == "audience.unanswerable" and ctx.meta.now - occurrence <= ON_TIME:
            raise
        schedule.skip([occurrence], refusal.code, meta=ctx.meta)
        return None
    # Whoever asked for the standing approval has asked for it, with everybody who stands behind them.
    asks: dict[str, Any] = {"on_behalf_of": approval.asker, "owner": approval.owner, "chain": approval.chain}
    job = BatchJob.request(
        ctx.ids.derived("occurrence", schedule.id, occurrence.isoformat()),
        workflow_id=workflow.id,
        workflow_version=workflow.content_version,
        variables=proof.variables,
        acknowledgement=proof.acknowledgement,
        request_digest=digest([str(schedule.id), occurrence.isoformat()]),
        send_mode=proof.policy.send_mode,
        held_because=proof.held_because,
        held_until=held_until(ctx),
        schedule_id=schedule.id,
        scheduled_for=occurrence,
        pace=schedule.terms.pace,
        meta=replace(ctx.meta, principal=replace(ctx.meta.principal, **asks)),
    )
    charge(ctx, job.id, workflow.id, job.acknowledged_count, by=approval.asker, at=counts_at)
    if proof.held_because:
        schedule.hold(occurrence, job.id, reason=proof.held_because, meta=ctx.meta)
    else:
        schedule.fire(occurrence, job.id, meta=ctx.meta)
    return job
