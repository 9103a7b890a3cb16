"""Resume: let a paused job go on; what a human or the breaker paused, an agent resumes with a proof only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aggregates.audience import Audience
from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.batch_job import ResumeBatchJob, job_answer, reached_by
from commands.binding import Purpose, bought_job, bound_to, counted, keep_claims, new_token
from commands.confirm import Acknowledged, Kept, acknowledge, batch_definition, must_wait, who
from commands.context import Accepted, Context
from commands.outlook import outlook
from commands.witness import ask_human, asked_before, state_of

SIZE_REST = "Size the rest: POST /api/v1/batch-jobs/{id}/unfinished; have a human confirm the number."
NEEDED = "A human or the breaker paused it, so an agent needs the count and token of a sizing of the rest."


@dataclass(frozen=True)
class SizeOpen:
    """Count the people of a paused batch job who have no outcome yet. Contacts nobody. The token buys one resume."""

    batch_job_id: UUID


def size_open(command: SizeOpen, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.can_resume()
    workflow = ctx.store.load(Workflow, job.workflow_id, ctx.meta)
    definition, audience = batch_definition(workflow)
    rest = _rest(ctx, job)
    claims = bound_to(ctx, workflow, who(audience, rest), job.variables, Purpose("job", send_mode=job.send_mode))
    claims |= counted(ctx, rest.count, rest.fingerprint)
    token = new_token(ctx)
    keep_claims(ctx, token, claims)
    alone = job.may_resume_alone(ctx.meta)
    data = {
        "batch_job_id": str(job.id),
        "left": {},
        "reached_before": _reached(ctx, workflow, job, definition, audience),
        **outlook(
            ctx,
            workflow,
            definition,
            claims,
            token,
            kind="rest",
            version=job.workflow_version,
            held_because=None if alone else must_wait(ctx, None),
            waits_as=bought_job(ctx, token),
        ),
        "send_mode": job.send_mode,
    }
    return Accepted(str(job.id), data)


def resume(command: ResumeBatchJob, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    # A workflow that is being disabled at this moment pauses its jobs; whoever comes second sees the other.
    ctx.store.lock(job.workflow_id)
    workflow = ctx.store.load(Workflow, job.workflow_id, ctx.meta)
    if job.status == "paused" and workflow.status != "active":
        raise DomainError("workflow.not_active", details={"status": workflow.status})
    if job.status == "paused" and (ctx.confirming or not job.may_resume_alone(ctx.meta)):
        if earlier := asked_before(ctx, command):
            return earlier
        proof = _acknowledged(ctx, workflow, job, command)
        if ctx.witnessed:
            outcome = job_answer(job, 0).data
            stood = state_of(job)
            return ask_human(ctx, command, workflow, proof, subject_id=job.id, stood=stood, outcome=outcome)
    job.resume(meta=ctx.meta)
    return job_answer(job, ctx.store.save(job), stands=ctx.ledger.stands(job.id))


def _acknowledged(ctx: Context, workflow: Workflow, job: BatchJob, command: ResumeBatchJob) -> Acknowledged:
    """The one guard, over the people whom the job has not finished with."""
    if job.manual:
        raise DomainError("batch_job.paused_by_human")
    if workflow.content_version != job.workflow_version:
        raise DomainError("workflow.stale", details={"version": workflow.content_version})
    if command.acknowledged_affected_count is None:
        raise DomainError("acknowledgement.missing", NEEDED, details={"status": job.status}, next=SIZE_REST)
    return acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=job.variables,
        spent=ctx.store.taken(bought_job(ctx, command.confirm_token)),
        purpose=Purpose("job", send_mode=job.send_mode),
        buys="schedule" if ctx.witnessed else None,
        kept=_rest(ctx, job),
    )


def _reached(ctx: Context, workflow: Workflow, job: BatchJob, definition: Definition, audience: Audience) -> int | None:
    """Of the people who have no outcome yet, how many this version has reached before, by this job or another."""
    if job.enrolled is None:
        return reached_by(ctx, workflow, definition, audience)
    return ctx.people.unfinished_before(workflow.project_id, workflow.id, job.workflow_version, job.id)


def _rest(ctx: Context, job: BatchJob) -> Kept:
    """The people who have no outcome yet; before anybody is enrolled, those who were acknowledged."""
    if job.enrolled is None:
        return Kept(job.acknowledged_count, job.fingerprint, unfinished=job.id)
    return Kept(*ctx.people.unfinished(job.id), unfinished=job.id)
