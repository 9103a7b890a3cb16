"""Confirmations: a human reads what a guarded principal asked for, and lets it take effect or turns it down.

The id is that of a held batch job or of a confirmation. The address that an agent hands on allows nothing: the same
scopes, the same guard and the same people are asked for as anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast
from uuid import UUID

from aggregates.base import Aggregate
from aggregates.batch_job.aggregate import BatchJob
from aggregates.confirmation.aggregate import Confirmation
from aggregates.errors import DomainError
from aggregates.schedule.aggregate import Schedule
from aggregates.workflow.aggregate import Workflow
from commands import resume, schedule
from commands.approval import ApproveBatchJob, RejectBatchJob, approve
from commands.approval import reject as reject_job
from commands.batch_job import ResumeBatchJob
from commands.context import Accepted, Confirming, Context, Store
from commands.notes import checked_note
from commands.witness import made_by, state_of

ASKED: Mapping[str, tuple[type, Callable[[Any, Context], Accepted]]] = {
    "AttachSchedule": (schedule.AttachSchedule, schedule.attach),
    "ReviseSchedule": (schedule.ReviseSchedule, schedule.revise),
    "ResumeSchedule": (schedule.ResumeSchedule, schedule.resume),
    "ResumeBatchJob": (ResumeBatchJob, resume.resume),
}
"""What a confirmation can stand for."""


@dataclass(frozen=True)
class AcceptConfirmation:
    """Let what was asked take effect, over exactly the people that it was asked for. Real people are contacted."""

    confirmation_id: UUID
    acknowledged_affected_count: int
    note: str = ""


@dataclass(frozen=True)
class RejectConfirmation:
    """Turn down what was asked: nothing of it takes effect."""

    confirmation_id: UUID
    reason: str


@dataclass(frozen=True)
class ExpireConfirmation:
    """End a confirmation whose time is over."""

    confirmation_id: UUID


def accept(command: AcceptConfirmation, ctx: Context) -> Accepted:
    found = waiting(ctx, command.confirmation_id)
    note = checked_note(command.note)
    found.may_decide(ctx.meta)
    refuse_decided(found, ctx)
    if isinstance(found, BatchJob):
        answer = approve(ApproveBatchJob(found.id, command.acknowledged_affected_count, None, note), ctx)
        return Accepted(answer.id, {**answer.data, "confirmation_id": str(found.id)}, answer.position)
    workflow = ctx.store.load(Workflow, found.workflow_id, ctx.meta)
    if workflow.content_version != found.workflow_version:
        raise DomainError("workflow.stale", details={"version": workflow.content_version})
    _refuse_changed(ctx, found)
    found.confirm(command.acknowledged_affected_count, note=note, meta=ctx.meta)
    return _carried_out(ctx, found, command.acknowledged_affected_count)


def reject(command: RejectConfirmation, ctx: Context) -> Accepted:
    found = waiting(ctx, command.confirmation_id)
    if isinstance(found, BatchJob):
        if found.status != "rejected" and not ctx.meta.principal.guarded:
            refuse_decided(found, ctx)
        answer = reject_job(RejectBatchJob(found.id, command.reason), ctx)
        return Accepted(answer.id, {**answer.data, "confirmation_id": str(found.id)}, answer.position)
    found.reject(reason=checked_note(command.reason, at="/reason", required=True), meta=ctx.meta)
    position = ctx.store.save(found)
    return Accepted(str(found.id), {"confirmation_id": str(found.id), "status": found.status}, position)


def expire(command: ExpireConfirmation, ctx: Context) -> Accepted:
    if not ctx.store.claim(command.confirmation_id, ctx.meta.now):
        return Accepted(str(command.confirmation_id), {"decided": False})
    found = ctx.store.load(Confirmation, command.confirmation_id, ctx.meta)
    found.expire(meta=ctx.meta)
    ctx.store.save(found)
    return Accepted(str(found.id), {"decided": True})


def waiting(ctx: Context, id: UUID) -> BatchJob | Confirmation:
    """What has this id and waits or waited for a human; anything else is not there."""
    job = ctx.store.find(BatchJob, id, ctx.meta)
    if job is not None and job.held_because is not None:
        return job
    return ctx.store.load(Confirmation, id, ctx.meta)


def refuse_decided(found: BatchJob | Confirmation, ctx: Context) -> None:
    """Refuse what was decided, or whose time is over."""
    if isinstance(found, Confirmation):
        found.refuse_decided(ctx.meta)
    elif found.rejected_with == "approval.expired":
        raise DomainError("approval.expired")
    elif found.status != "held":
        raise DomainError("confirmation.decided", details={"status": found.status})


def _refuse_changed(ctx: Context, found: Confirmation) -> None:
    """Refuse when the schedule or job is no longer as it was: the human would confirm what nobody has shown them."""
    if found.subject_id is None:
        return
    kind = BatchJob if found.asks == "ResumeBatchJob" else Schedule
    subject = cast("BatchJob | Schedule", ctx.store.load(cast("type[Aggregate]", kind), found.subject_id, ctx.meta))
    if state_of(subject) != found.subject_digest:
        raise DomainError("confirmation.stale", details={"status": subject.status})


def _carried_out(ctx: Context, found: Confirmation, count: int) -> Accepted:
    """Do what was asked as the human who confirms it, and record both at once."""
    kind, handle = ASKED[found.asks]
    known = {field.name for field in fields(kind)}
    given = {name: UUID(value) if name.endswith("_id") else value for name, value in found.terms.items()}
    asked = kind(**{name: value for name, value in given.items() if name in known}, acknowledged_affected_count=count)
    within = replace(
        ctx,
        store=cast("Store", _Together(ctx.store, found)),
        policy=ctx.policy.narrowed([found.limits]),
        confirming=Confirming(found.fingerprint, made_by(ctx, found.id), found.limits, found.asked),
    )
    answer = handle(asked, within)
    return Accepted(answer.id, {**answer.data, "confirmation_id": str(found.id)}, answer.position)


class _Together:
    """The store of the command that is confirmed: whatever that saves is appended together with the confirmation."""

    def __init__(self, store: Store, confirmation: Confirmation) -> None:
        self._store = store
        self._confirmation = confirmation

    def save(self, *aggregates: Aggregate) -> int:
        return self._store.save(*aggregates, self._confirmation)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
