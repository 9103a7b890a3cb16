"""Runs: start one of a manual workflow, cancel one of anybody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import ONE_RUN, OUTCOMES
from aggregates.errors import DomainError, invalid
from aggregates.values import NOBODY, digest, parse_run_id, run_id
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from aggregates.workflow.triggers import ManualTrigger
from commands.context import Accepted, Context
from commands.notes import checked_note
from commands.sends import refuse_elsewhere


@dataclass(frozen=True)
class RunWorkflow:
    """Start one run of an active manual workflow. Its effects are real. The run's id is answered at once.

    `version` names a published version to run; without it the present one is pinned.
    """

    workflow_id: UUID
    inputs: dict[str, Any] = field(default_factory=dict)
    version: int | None = None


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
    job = BatchJob.request(
        ctx.ids.new(),
        workflow_id=workflow.id,
        workflow_version=version,
        variables=variables,
        acknowledgement=ONE_RUN,
        request_digest=digest([str(workflow.id), version, inputs, ctx.meta.principal.id]),
        send_mode=ctx.policy.send_mode,
        manual=True,
        meta=ctx.meta,
    )
    ctx.ledger.keep_inputs(job.project_id, job.id, inputs)
    return run_answer(job, NOBODY, "pending", ctx.store.save(job))


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
        return run_answer(job, NOBODY, "skipped" if job.status == "cancelled" else "in_progress", ctx.store.save(job))
    stood = ctx.ledger.run_status(job.id, person_id)
    if stood is None:
        raise DomainError("run.not_found")
    if person_id not in job.cancelled_runs:
        if stood in OUTCOMES:
            raise DomainError("run.ended", details={"status": stood})
        job.cancel_run(person_id, reason=reason, meta=ctx.meta)
        stood = ctx.ledger.cancel_run(job.id, person_id, ctx.meta.now)
    return run_answer(job, person_id, stood, ctx.store.save(job))


def manual_definition(workflow: Workflow, version: int | None) -> tuple[int, Definition]:
    """The version to run and its content; refused in this order: not manual, not active, never published."""
    trigger = workflow.content.get("trigger")
    if not isinstance(trigger, dict) or trigger.get("type") != "manual":
        raise DomainError("workflow.not_manual")
    if workflow.status != "active":
        raise DomainError("workflow.not_active", details={"status": workflow.status})
    pinned, content = workflow.published_content(version)
    definition, problems = Definition.parse(content)
    if definition is None:
        raise invalid("workflow.invalid", problems)
    if not isinstance(definition.trigger, ManualTrigger):
        raise DomainError("workflow.not_manual")
    return pinned, definition


def started_with(definition: Definition, given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs of a manual run over their defaults, and its variables; refused with every problem."""
    inputs, problems = definition.merge_inputs(given)
    if problems:
        raise invalid("inputs.invalid", problems)
    variables, _ = definition.merge_variables({})
    return inputs, variables


def run_answer(job: BatchJob, person_id: int, status: str, position: int) -> Accepted:
    """What every command about a run tells of it."""
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
    return Accepted(id, data, position)
