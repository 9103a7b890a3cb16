"""Approval: a human who did not ask for it lets a held job run, turns it down, or answers a step of a running one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import ONE_RUN
from aggregates.errors import DomainError, Problem, invalid
from aggregates.workflow.aggregate import Workflow
from commands.batch_job import job_answer
from commands.binding import Purpose, bought_job
from commands.confirm import Kept, acknowledge
from commands.context import Accepted, Context
from commands.manual import manual_definition, refuse_run
from commands.notes import checked_note

DECISIONS = ("approved", "rejected")


@dataclass(frozen=True)
class ApproveBatchJob:
    """Let a held job run, after confirming its audience of today. Real people are contacted."""

    batch_job_id: UUID
    acknowledged_affected_count: int
    confirm_token: str | None = None
    note: str = ""


@dataclass(frozen=True)
class RejectBatchJob:
    """Turn a held job down: it never reaches anybody."""

    batch_job_id: UUID
    reason: str


@dataclass(frozen=True)
class DecideStep:
    """Answer an approval step for everybody in a batch job who stands or will stand at it."""

    batch_job_id: UUID
    step_id: str
    decision: str
    note: str = ""


def approve(command: ApproveBatchJob, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.may_decide(ctx.meta)
    if job.approved_by is not None:
        return job_answer(job, ctx.store.save(job))
    job.awaits_approval()
    workflow = ctx.store.load(Workflow, job.workflow_id, ctx.meta)
    if job.manual:
        return _approve_run(command, ctx, job, workflow)
    if workflow.content_version != job.workflow_version:
        raise DomainError("workflow.stale", details={"version": workflow.content_version})
    proof = acknowledge(
        ctx,
        workflow,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        variables=job.variables,
        spent=ctx.store.taken(bought_job(ctx, command.confirm_token)),
        purpose=Purpose("job", send_mode=job.send_mode),
        kept=known_people(job),
        asked=_asked(job, command.confirm_token),
    )
    job.approve(proof.acknowledgement, note=checked_note(command.note), meta=ctx.meta)
    return job_answer(job, ctx.store.save(job))


def _approve_run(command: ApproveBatchJob, ctx: Context, job: BatchJob, workflow: Workflow) -> Accepted:
    """Let a held manual run begin: one run, of the version and with the inputs that it was asked for."""
    _, definition = manual_definition(workflow, job.workflow_version)
    refuse_run(ctx, workflow, definition, ctx.ledger.inputs(job.id), command.acknowledged_affected_count)
    job.approve(ONE_RUN, note=checked_note(command.note), meta=ctx.meta)
    return job_answer(job, ctx.store.save(job))


def _asked(job: BatchJob, token: str | None) -> Kept | None:
    """The people who were asked for, and who have to be the same ones.

    Nobody chose those of an occurrence by hand: where they have moved, an approver may confirm today's by a token.
    """
    if job.schedule_id is not None and token is not None:
        return None
    return Kept(job.acknowledged_count, job.fingerprint)


def known_people(job: BatchJob) -> Kept | None:
    """The people of a job that are not found by conditions: those who were kept, or who failed before."""
    if not job.frozen and job.retry_of is None:
        return None
    return Kept(job.acknowledged_count, job.fingerprint, job.retry_of)


def reject(command: RejectBatchJob, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    if ctx.meta.principal.guarded:
        raise DomainError("approval.not_for_agents")
    job.reject(reason=checked_note(command.reason, at="/reason", required=True), meta=ctx.meta)
    return job_answer(job, ctx.store.save(job))


def decide_step(command: DecideStep, ctx: Context) -> Accepted:
    job = ctx.store.load(BatchJob, command.batch_job_id, ctx.meta)
    job.awaits_decisions()
    if not ctx.ledger.claim_step(job.id, command.step_id):
        raise DomainError("step.not_found")
    if command.decision not in DECISIONS:
        raise invalid(
            "request.invalid",
            [Problem("/decision", "field.invalid", "approved or rejected.", None, DECISIONS, "approved")],
        )
    job.decide_step(command.step_id, decision=command.decision, note=checked_note(command.note), meta=ctx.meta)
    answer = job_answer(job, ctx.store.save(job))
    ctx.ledger.wake(job.id, command.step_id, ctx.meta.now)
    return answer
