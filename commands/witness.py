"""What a guarded principal asks for under `witnessed`: kept as a confirmation until a human decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.confirmation.aggregate import Confirmation
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.seen import refuse_unseen
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from commands.binding import bought_job, claims_of
from commands.confirm import Acknowledged
from commands.context import Accepted, Context

UNCONFIRMED = "unconfirmed"
"""The status in the answer to what a human has to confirm first."""

PROOF = ("acknowledged_affected_count", "confirm_token")
"""What a request brings and a confirmation does not keep: the human brings their own."""


def asked_before(ctx: Context, command: Any) -> Accepted | None:
    """The answer to the same request with the same token; None when this is the first."""
    id = bought_job(ctx, command.confirm_token)
    earlier = ctx.store.find(Confirmation, id, ctx.meta) if id else None
    if earlier is None or earlier.request_digest != _digest(ctx, command):
        return None
    return _answer(ctx, earlier, ctx.store.save(earlier))


def ask_human(
    ctx: Context,
    command: Any,
    workflow: Workflow,
    proof: Acknowledged,
    *,
    subject_id: UUID | None = None,
    stood: str = "",
    outcome: Mapping[str, Any],
) -> Accepted:
    """Keep what was asked; it takes effect when a human confirms it. `outcome` is what it would answer then.

    `stood` is the `state_of` its subject before. The confirmation's id comes from the token: the same request is one.
    """
    terms = {name: value for name, value in asdict(command).items() if name not in PROOF}
    made = Confirmation.request(
        bought_job(ctx, command.confirm_token) or ctx.ids.new(),
        asks=type(command).__name__,
        workflow_id=workflow.id,
        workflow_version=workflow.content_version,
        subject_id=subject_id,
        subject_digest=stood,
        terms={name: str(value) if isinstance(value, UUID) else value for name, value in terms.items()},
        acknowledgement=proof.acknowledgement,
        send_mode=proof.policy.send_mode,
        outcome=outcome,
        request_digest=_digest(ctx, command),
        expires_at=waits_until(ctx),
        meta=ctx.meta,
    )
    return _answer(ctx, made, ctx.store.save(made))


def waits_until(ctx: Context) -> datetime:
    """When what waits for a human from now on is given up."""
    return ctx.meta.now + timedelta(hours=ctx.policy.approval_hours)


def made_by(ctx: Context, confirmation_id: UUID) -> UUID:
    """The id of what comes of a confirmation, if it makes something."""
    return ctx.ids.derived("confirmed", confirmation_id)


def state_of(subject: Schedule | BatchJob | None) -> str:
    """What stands for how a schedule or a batch job is, as far as a human confirms it; empty for none."""
    match subject:
        case Schedule():
            approval = subject.approval.as_data() if subject.approval else None
            return digest(["schedule", subject.terms.as_data(), approval])
        case BatchJob():
            return digest(["batch_job", subject.pauses])
        case None:
            return ""


def require_seen(ctx: Context, schedule: Schedule, token: str | None) -> None:
    """Refuse a person's number for terms that they were not shown; a token of its sizing stands for these terms.

    Of an agent's request a human is shown the terms with the confirmation.
    """
    claims = claims_of(ctx, token)
    shown = claims is not None and claims.get("schedule") == state_of(schedule)
    if not (shown or ctx.confirming or ctx.meta.principal.guarded):
        refuse_unseen(schedule.seen, schedule.terms, schedule.revisers, ctx.meta)


def _digest(ctx: Context, command: Any) -> str:
    return digest([type(command).__name__, asdict(command), ctx.meta.principal.id])


def _answer(ctx: Context, asked: Confirmation, position: int) -> Accepted:
    told = {
        "status": UNCONFIRMED if asked.status == "requested" else asked.status,
        "confirmation_id": str(asked.id),
        "confirm_url": ctx.confirm_url(asked.id),
        "confirm_until": asked.due_at.isoformat() if asked.due_at else None,
    }
    # Nothing fires before: when it would is for the human to read.
    stands = {"next_occurrence": None} if "next_occurrence" in asked.outcome else {}
    return Accepted(str(asked.id), {**asked.outcome, **stands, **told}, position)
