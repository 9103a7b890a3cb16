"""Batch jobs: size an audience, run a batch over exactly the people who were acknowledged, cancel."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from commands.confirm import acknowledge, batch_definition, bought_job, claims_for, merged, size
from commands.context import Accepted, Context

EXPLAINED_AT_ONCE = 100
"""Most excluded people in one answer."""


@dataclass(frozen=True)
class SizeAudience:
    """Count whom a workflow would reach now. Contacts nobody. The token it answers with buys one batch job."""

    workflow_id: UUID
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExplainAudience:
    """Name some people who match a workflow's conditions and are not reached, each with the reason."""

    workflow_id: UUID
    limit: int = 10


@dataclass(frozen=True)
class RunBatch:
    """Run an active batch workflow once for exactly the acknowledged people. Real people are contacted."""

    workflow_id: UUID
    acknowledged_affected_count: int
    confirm_token: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CancelBatchJob:
    """Stop a batch job. What was sent stays sent; nobody else is reached."""

    batch_job_id: UUID
    reason: str


def size_audience(command: SizeAudience, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    definition, audience = batch_definition(workflow)
    variables = merged(definition, command.variables)
    sizing = size(ctx, definition, audience, shown=True)
    claims = claims_for(ctx, workflow, audience, variables, sizing)
    data = {
        "workflow_id": str(workflow.id),
        "workflow_version": workflow.content_version,
        "workflow_status": workflow.status,
        "matched": sizing.matched,
        "excluded": dict(sizing.excluded),
        "affected": sizing.affected,
        "total": sizing.total,
        "limit": ctx.policy.limit_for(ctx.meta.principal.max_audience),
        "everyone": sizing.everyone,
        "missing_variables": dict(sizing.missing_variables),
        "sample": [dict(person) for person in sizing.sample],
        "send_mode": ctx.policy.send_mode,
        "confirm_token": ctx.tokens.sign(claims),
        "expires_at": datetime.fromtimestamp(claims["expires_at"], UTC).isoformat(),
    }
    return Accepted(str(workflow.id), data)


def explain_audience(command: ExplainAudience, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    definition, audience = batch_definition(workflow)
    excluded = ctx.people.explain(
        ctx.meta.principal.project_id,
        audience,
        sends_email=definition.sends_email,
        limit=min(max(command.limit, 1), EXPLAINED_AT_ONCE),
        now=ctx.meta.now,
    )
    return Accepted(str(workflow.id), {"workflow_id": str(workflow.id), "excluded": list(excluded)})


def run_batch(command: RunBatch, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    bought = bought_job(ctx, command.confirm_token)
    # Asked once: a job that appears after this is met by the store's own conflict, and then by a second try.
    spent = ctx.store.taken(bought)
    existing = ctx.store.find(BatchJob, bought, ctx.meta) if bought and spent else None
    if existing and existing.request_digest == _digest(command, ctx):
        return _answer(existing, ctx.store.save(existing))
    proof = acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=command.variables,
        spent=spent,
    )
    over = ctx.policy.approval_over
    job = BatchJob.request(
        bought or ctx.ids.new(),
        workflow_id=workflow.id,
        workflow_version=workflow.content_version,
        variables=proof.variables,
        acknowledgement=proof.acknowledgement,
        request_digest=_digest(command, ctx),
        send_mode=ctx.policy.send_mode,
        held_because="approval_over" if over is not None and proof.acknowledgement.count > over else None,
        meta=ctx.meta,
    )
    return _answer(job, ctx.store.save(job))


def cancel(command: CancelBatchJob, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.request_cancel(reason=command.reason, meta=ctx.meta)
    return _answer(job, ctx.store.save(job))


def _digest(command: RunBatch, ctx: Context) -> str:
    """What makes two requests the same one."""
    return digest(
        [
            str(command.workflow_id),
            command.acknowledged_affected_count,
            command.variables,
            ctx.meta.principal.id,
        ]
    )


def _answer(job: BatchJob, position: int) -> Accepted:
    data: dict[str, Any] = {
        "batch_job_id": str(job.id),
        "workflow_id": str(job.workflow_id),
        "workflow_version": job.workflow_version,
        "status": job.status,
        "acknowledged": job.acknowledged_count,
        "send_mode": job.send_mode,
    }
    if job.counts:
        data["counts"] = job.counts
    return Accepted(str(job.id), data, position)
