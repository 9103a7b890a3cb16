"""Batch jobs: size an audience, run a batch over exactly the people who were acknowledged, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aggregates.audience import Audience
from aggregates.batch_job.aggregate import BatchJob
from aggregates.pace import Pace
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.binding import Purpose, asked_before, bought_job, bound_to, counted, keep_claims, new_token
from commands.budget import charge, left
from commands.confirm import acknowledge, batch_definition, merged, must_wait, sendable_definition, size
from commands.context import Accepted, Context
from commands.hints import audience_findings
from commands.manual import size_run
from commands.notes import checked_note
from commands.outlook import outlook
from commands.reach import reach_of
from commands.repetition import refuse_repetition
from commands.schedule_answers import terms_shown
from commands.sizing import purpose_of
from commands.witness import state_of, waits_until

EXPLAINED_AT_ONCE = 100
"""Most excluded people in one answer."""


@dataclass(frozen=True)
class SizeAudience:
    """Count whom a workflow would reach now. Contacts nobody. The token it answers with buys what it was sized for.

    That is one batch job at the pace of `rate` and `breaker`. With `schedule` (`{rrule, starts_at, timezone, exdates,
    max_growth}`, or `{schedule_id}` and what changes of it) it is one change of a schedule, with the variables and the
    pace that the schedule has unless others are given, or the pace is `lifted` there. `freeze` keeps the affected
    people until the token expires: a job that it buys reaches those, whoever matches then. `inputs` are those of one
    run of a manual workflow; then it is that run.
    """

    workflow_id: UUID
    variables: dict[str, Any] | None = None
    freeze: bool = False
    rate: str | None = None
    breaker: dict[str, Any] | None = None
    schedule: dict[str, Any] | None = None
    inputs: dict[str, Any] | None = None


@dataclass(frozen=True)
class ExplainAudience:
    """Name some people who match a workflow's conditions and are not reached, each with the reason."""

    workflow_id: UUID
    limit: int = 10


@dataclass(frozen=True)
class RunBatch:
    """Run an active batch workflow once for exactly the acknowledged people. Real people are contacted.

    `rate` (`100/minute`) is the most that is sent; `breaker` pauses the job when too many attempts fail:
    `{"min_attempts": 100, "max_failure_ratio": 0.2}`.
    """

    workflow_id: UUID
    acknowledged_affected_count: int
    confirm_token: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    rate: str | None = None
    breaker: dict[str, Any] | None = None


@dataclass(frozen=True)
class PauseBatchJob:
    """Stop a batch job for a while: nobody else is reached until it is resumed."""

    batch_job_id: UUID
    reason: str


@dataclass(frozen=True)
class ResumeBatchJob:
    """Let a paused job go on, over the people who were acknowledged for it and nobody else.

    An agent resumes by itself only what it paused itself; else it needs the count and token of a sizing of the rest.
    """

    batch_job_id: UUID
    acknowledged_affected_count: int | None = None
    confirm_token: str | None = None


@dataclass(frozen=True)
class CancelBatchJob:
    """Stop a batch job. What was sent stays sent; nobody else is reached."""

    batch_job_id: UUID
    reason: str


def size_audience(command: SizeAudience, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    if command.inputs is not None:
        return size_run(ctx, workflow, command.inputs)
    definition, audience = sendable_definition(ctx, workflow)
    pace = {"rate": command.rate, "breaker": command.breaker}
    purpose, scheduled = purpose_of(ctx, workflow.id, pace, command.schedule, freeze=command.freeze)
    variables = merged(definition, scheduled or {} if command.variables is None else command.variables)
    sizing = size(ctx, definition, audience, ctx.policy, shown=True)
    claims = counted(ctx, sizing.affected, sizing.fingerprint) | {"schedule": state_of(purpose.stands)}
    token = new_token(ctx)
    if command.freeze and 0 < sizing.affected <= ctx.policy.max_audience:
        claims |= _keep(ctx, workflow, definition, claims, token)
    keep_claims(ctx, token, claims | bound_to(ctx, workflow, audience.digest(), variables, purpose))
    over = must_wait(ctx, left(ctx, workflow.id, claims["count"])[1])
    data = {
        **outlook(
            ctx,
            workflow,
            definition,
            claims,
            token,
            kind="schedule" if purpose.kind == "schedule" else "batch",
            version=workflow.content_version,
            held_because=over,
            waits_as=bought_job(ctx, token),
        ),
        "matched": sizing.matched,
        "excluded": dict(sizing.excluded),
        "frozen": claims["frozen"],
        "total": sizing.total,
        "reached_before": reached_by(ctx, workflow, definition, audience),
        "everyone": sizing.everyone,
        "missing_variables": dict(sizing.missing_variables),
        "sample": [dict(person) for person in sizing.sample],
        "findings": [finding.as_data() for finding in audience_findings(ctx, definition)],
        "schedule": terms_shown(purpose.stands) if purpose.stands else None,
    }
    return Accepted(str(workflow.id), data)


def explain_audience(command: ExplainAudience, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    definition, audience = batch_definition(workflow)
    excluded = ctx.people.explain(
        ctx.meta.principal.project_id,
        audience,
        reach=reach_of(definition, ctx.policy),
        limit=min(max(command.limit, 1), EXPLAINED_AT_ONCE),
        now=ctx.meta.now,
    )
    return Accepted(str(workflow.id), {"workflow_id": str(workflow.id), "excluded": list(excluded)})


def run_batch(command: RunBatch, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    id, existing, spent = asked_before(ctx, command.confirm_token, "RunBatch", _digest(command, ctx))
    if existing:
        return job_answer(existing, ctx.store.save(existing), ctx.confirm_url(existing.id))
    pace = Pace.parse(command.rate, command.breaker)
    proof = acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=command.variables,
        spent=spent,
        purpose=Purpose(pace=pace),
        buys="job",
    )
    if id is None:
        refuse_repetition(ctx, workflow, proof.acknowledgement)
    job = BatchJob.request(
        id or ctx.ids.new(),
        workflow_id=workflow.id,
        workflow_version=workflow.content_version,
        variables=proof.variables,
        acknowledgement=proof.acknowledgement,
        request_digest=_digest(command, ctx),
        send_mode=proof.policy.send_mode,
        held_because=proof.held_because,
        held_until=held_until(ctx),
        frozen=proof.frozen,
        pace=pace,
        meta=ctx.meta,
    )
    charge(ctx, job.id, workflow.id, job.acknowledged_count)
    return job_answer(job, ctx.store.save(job), ctx.confirm_url(job.id))


def held_until(ctx: Context) -> datetime:
    """When a job that is held now is given up."""
    return waits_until(ctx)


def pause(command: PauseBatchJob, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.pause(reason=checked_note(command.reason, at="/reason", required=True), meta=ctx.meta)
    return job_answer(job, ctx.store.save(job), stands=ctx.ledger.stands(job.id))


def cancel(command: CancelBatchJob, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.request_cancel(reason=checked_note(command.reason, at="/reason"), meta=ctx.meta)
    return job_answer(job, ctx.store.save(job), stands=ctx.ledger.stands(job.id))


def reached_by(ctx: Context, workflow: Workflow, definition: Definition, audience: Audience) -> int | None:
    """How many of the people of an audience the content of now has reached before; None if nobody can tell in time."""
    return ctx.people.reached_before(
        ctx.meta.principal.project_id,
        workflow.id,
        workflow.content_version,
        audience,
        reach=reach_of(definition, ctx.policy),
        now=ctx.meta.now,
    )


def _keep(
    ctx: Context, workflow: Workflow, definition: Definition, claims: dict[str, Any], token: str
) -> dict[str, Any]:
    """Keep the people of this sizing for the job that its token can buy; what is kept of them with the token."""
    job_id, audience = bought_job(ctx, token), definition.audience
    assert job_id is not None and audience is not None
    count, fingerprint = ctx.people.keep(
        ctx.meta.principal.project_id,
        job_id,
        workflow.id,
        audience,
        reach=reach_of(definition, ctx.policy),
        about=claims["count"],
        expires_at=datetime.fromtimestamp(claims["expires_at"], UTC),
        now=ctx.meta.now,
    )
    return {"count": count, "fingerprint": fingerprint, "frozen": True}


def _digest(command: RunBatch, ctx: Context) -> str:
    """What makes two requests the same one."""
    parts = [str(command.workflow_id), command.acknowledged_affected_count, command.variables, ctx.meta.principal.id]
    if command.rate is not None or command.breaker is not None:
        parts += [command.rate, command.breaker]
    return digest(parts)


def job_answer(
    job: BatchJob,
    position: int,
    confirm_url: str | None = None,
    *,
    stands: tuple[Mapping[str, int], int] | None = None,
) -> Accepted:
    """What every command about a job tells of it; where a human confirms it, if it is held.

    `stands` are the counts and the reached of this moment, else both are those of the latest milestone.
    """
    counts, reached = (job.counts, job.reached) if stands is None else stands
    data: dict[str, Any] = {
        "batch_job_id": str(job.id),
        "workflow_id": str(job.workflow_id),
        "workflow_version": job.workflow_version,
        "status": job.status,
        "acknowledged": job.acknowledged_count,
        "frozen": job.frozen,
        "send_mode": job.send_mode,
        "reached": reached,
    }
    if job.status == "held" and job.due_at:
        data |= {"held_until": job.due_at.isoformat(), "held_because": job.held_because}
        data |= {"confirm_url": confirm_url} if confirm_url else {}
    if job.retry_of:
        data["retry_of"] = str(job.retry_of)
    if counts and job.enrolled is not None:
        data["counts"] = dict(counts)
    return Accepted(str(job.id), data, position)
