"""What a human reads before they confirm: who asks for what, through which door, and whom it would reach today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.confirmation.aggregate import Confirmation
from aggregates.errors import DomainError
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.seen import changed, flat
from aggregates.workflow.aggregate import Workflow
from commands.approval import known_people
from commands.confirm import batch_definition, size
from commands.confirmation import waiting
from commands.context import Accepted, Context
from commands.manual import manual_definition, refusals
from commands.reach import reach_of

DECIDED = {"held": "waiting", "requested": "waiting", "rejected": "rejected", "expired": "expired"}


@dataclass(frozen=True)
class ShowConfirmation:
    """Read what waits for a human: who asked, what for, and how many people it would reach now. Contacts nobody."""

    confirmation_id: UUID


def show(command: ShowConfirmation, ctx: Context) -> Accepted:
    found = waiting(ctx, command.confirmation_id)
    workflow = ctx.store.load(Workflow, found.workflow_id, ctx.meta)
    asked = found.asked
    data: dict[str, Any] = {
        "confirmation_id": str(found.id),
        "status": _status(found),
        **(_of_job(ctx, found) if isinstance(found, BatchJob) else _of_confirmation(ctx, found)),
        "workflow_id": str(workflow.id),
        "workflow_name": workflow.name,
        "workflow_version": found.workflow_version,
        "workflow_status": workflow.status,
        "send_mode": found.send_mode,
        "requested_by": asked["by"],
        "source": asked["source"],
        "via": asked["via"],
        "client": asked["client"],
        "why": asked["why"],
        "requested_at": asked["at"],
        "expires_at": found.due_at.isoformat() if found.due_at else None,
        **_today(ctx, found, workflow),
    }
    return Accepted(str(found.id), data)


def _status(found: BatchJob | Confirmation) -> str:
    if isinstance(found, BatchJob) and found.rejected_with == "approval.expired":
        return "expired"
    if isinstance(found, BatchJob) and found.status in {"cancelled", "failed"} and found.approved_by is None:
        return "withdrawn"
    return DECIDED.get(found.status, "confirmed")


def _of_job(ctx: Context, job: BatchJob) -> dict[str, Any]:
    asks = "RunWorkflow" if job.manual else "RetryFailed" if job.retry_of else "RunBatch"
    terms: dict[str, Any] = {"variables": dict(job.variables), **job.pace.as_data()}
    if job.manual:
        terms["inputs"] = dict(ctx.ledger.inputs(job.id))
    return {
        "asks": "FireSchedule" if job.schedule_id else asks,
        "acknowledged": job.acknowledged_count,
        "held_because": job.held_because,
        "batch_job_id": str(job.id),
        "schedule_id": str(job.schedule_id) if job.schedule_id else None,
        "terms": terms,
    }


def _of_confirmation(ctx: Context, found: Confirmation) -> dict[str, Any]:
    subject = str(found.subject_id) if found.subject_id else None
    is_job = found.asks == "ResumeBatchJob"
    return {
        "asks": found.asks,
        "acknowledged": found.count,
        "held_because": "witnessed",
        "batch_job_id": subject if is_job else None,
        "schedule_id": None if is_job else found.outcome.get("schedule_id", subject),
        "terms": {**found.terms, "outcome": found.outcome, **_changed(ctx, found)},
    }


def _changed(ctx: Context, found: Confirmation) -> dict[str, Any]:
    """What of a schedule would be other than a person confirmed it last."""
    if found.subject_id is None or found.asks == "ResumeBatchJob":
        return {}
    schedule = ctx.store.load(Schedule, found.subject_id, ctx.meta)
    outcome = {name: found.outcome[name] for name in flat(schedule.terms) if name in found.outcome}
    return {"changed": changed(schedule.seen, outcome)}


def _today(ctx: Context, found: BatchJob | Confirmation, workflow: Workflow) -> dict[str, Any]:
    """How many it would reach now, who is left out and why; `same_people` compares them with those asked for."""
    try:
        affected, fingerprint, excluded = _people(ctx, found, workflow)
    except DomainError as refusal:
        return {"affected": None, "excluded": {}, "same_people": False, "cannot": refusal.code}
    same = fingerprint == found.fingerprint
    return {"affected": affected, "excluded": excluded, "same_people": same, "cannot": None}


def _people(ctx: Context, found: BatchJob | Confirmation, workflow: Workflow) -> tuple[int, str, dict[str, int]]:
    if isinstance(found, BatchJob) and found.manual:
        _, definition = manual_definition(workflow, found.workflow_version)
        excluded = refusals(ctx, definition, ctx.ledger.inputs(found.id))
        return (0 if excluded else 1), found.fingerprint, excluded
    if isinstance(found, BatchJob) and (kept := known_people(found)):
        return kept.count, kept.fingerprint, _left(ctx, found, workflow)
    if isinstance(found, Confirmation) and found.asks == "ResumeBatchJob" and found.subject_id:
        job = ctx.store.load(BatchJob, found.subject_id, ctx.meta)
        if job.enrolled is None:
            return job.acknowledged_count, job.fingerprint, {}
        return (*ctx.people.unfinished(job.id), {})
    definition, audience = batch_definition(workflow, active=True)
    sizing = size(ctx, definition, audience, ctx.policy, shown=False)
    return sizing.affected, sizing.fingerprint, dict(sizing.excluded)


def _left(ctx: Context, job: BatchJob, workflow: Workflow) -> dict[str, int]:
    """Of the people of a retry, how many can be reached no more, by reason."""
    if job.retry_of is None:
        return {}
    reach = reach_of(batch_definition(workflow)[0], ctx.policy)
    return dict(ctx.people.left_since(job.retry_of, job.project_id, reach))
