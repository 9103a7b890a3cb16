"""Runs: start one of a manual workflow, cancel one of anybody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import ONE_RUN, OUTCOMES
from aggregates.errors import DomainError
from aggregates.values import NOBODY, digest, parse_run_id, run_id
from aggregates.workflow.aggregate import Workflow
from commands.binding import asked_before
from commands.budget import charge
from commands.context import Accepted, Context
from commands.manual import held_because, manual_definition, started_with
from commands.notes import checked_note
from commands.sends import refuse_elsewhere
from commands.witness import waits_until


@dataclass(frozen=True)
class RunWorkflow:
    """Start one run of an active manual workflow. Its effects are real. The run's id is answered at once.

    `version` names a published version to run; without it the present one is pinned. An agent that runs a workflow that
    can send brings the count (1) and the token of a sizing with these inputs, or the run is held for a human.
    """

    workflow_id: UUID
    inputs: dict[str, Any] = field(default_factory=dict)
    version: int | None = None
    acknowledged_affected_count: int | None = None
    confirm_token: str | None = None


@dataclass(frozen=True)
class CancelRun:
    """Do nothing more for one run. What was sent stays sent; the other runs of its batch job go on."""

    run_id: str
    reason: str


def run_workflow(command: RunWorkflow, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    version, definition = manual_definition(workflow, command.version)
    refuse_elsewhere(ctx, definition)
    inputs, variables = started_with(definition, command.inputs)
    asked = digest([str(workflow.id), version, inputs, ctx.meta.principal.id])
    token = command.confirm_token if definition.external else None
    id, existing, spent = asked_before(ctx, token, "RunWorkflow", asked)
    if existing:
        return run_answer(existing, NOBODY, "pending", ctx.store.save(existing), ctx.confirm_url(existing.id))
    if definition.external and ctx.policy.send_mode == "live" and ctx.is_fenced():
        raise DomainError("installation.fenced")
    held = held_because(
        ctx,
        workflow,
        definition,
        version=version,
        inputs=inputs,
        variables=variables,
        count=command.acknowledged_affected_count,
        token=command.confirm_token,
        spent=spent,
    )
    job = BatchJob.request(
        id or ctx.ids.new(),
        workflow_id=workflow.id,
        workflow_version=version,
        variables=variables,
        acknowledgement=ONE_RUN,
        request_digest=asked,
        send_mode=ctx.policy.send_mode,
        held_because=held,
        held_until=waits_until(ctx),
        manual=True,
        meta=ctx.meta,
    )
    if definition.external:
        charge(ctx, job.id, workflow.id, 1)
    ctx.ledger.keep_inputs(job.project_id, job.id, inputs)
    return run_answer(job, NOBODY, "pending", ctx.store.save(job), ctx.confirm_url(job.id))


def cancel_run(command: CancelRun, ctx: Context) -> Accepted:
    reason = checked_note(command.reason, at="/reason", required=True)
    parsed = parse_run_id(command.run_id)
    job = ctx.store.find(BatchJob, parsed[0], ctx.meta) if parsed else None
    if parsed is None or job is None or job.manual != (parsed[1] == NOBODY):
        raise DomainError("run.not_found")
    person_id = parsed[1]
    if job.manual:
        if job.ended and job.status != "cancelled":
            raise DomainError("run.ended", details={"status": job.status})
        job.request_cancel(reason=reason, meta=ctx.meta)
        stands = ctx.ledger.run_status(job.id, NOBODY) or "skipped" if job.status == "cancelled" else "in_progress"
        return run_answer(job, NOBODY, stands, ctx.store.save(job))
    stood = ctx.ledger.run_status(job.id, person_id)
    if stood is None:
        raise DomainError("run.not_found")
    if person_id not in job.cancelled_runs:
        if stood in OUTCOMES:
            raise DomainError("run.ended", details={"status": stood})
        job.cancel_run(person_id, reason=reason, meta=ctx.meta)
        stood = ctx.ledger.cancel_run(job.id, person_id, ctx.meta.now)
    return run_answer(job, person_id, stood, ctx.store.save(job))


def run_answer(job: BatchJob, person_id: int, status: str, position: int, confirm_url: str | None = None) -> Accepted:
    """What every command about a run tells of it; where a human confirms it, if it is held."""
    id = run_id(job.id, person_id)
    data: dict[str, Any] = {
        "run_id": id,
        "batch_job_id": str(job.id),
        "workflow_id": str(job.workflow_id),
        "workflow_version": job.workflow_version,
        "status": status,
        "batch_job_status": job.status,
        "send_mode": job.send_mode,
    }
    if job.status == "held" and job.due_at and confirm_url:
        until = job.due_at.isoformat()
        data |= {"held_until": until, "held_because": job.held_because, "confirm_url": confirm_url}
    return Accepted(id, data, position)
