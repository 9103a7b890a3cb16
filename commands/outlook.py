"""What every sizing answers beside its numbers: what is left to the caller, and what becomes of the request as of now.

Held or not is decided by the guard; here its answer is only foretold, in words that fit whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from commands.budget import a_day, left
from commands.context import Context
from commands.sends import sends_answer

Kind = Literal["batch", "schedule", "rest", "run"]
"""What a sizing is for: a new batch job, a schedule, the rest of a paused job, one run of a manual workflow."""

APPROVER = (
    "a person with the scopes batch:approve and person:read who did not ask for it: another owner, and no key that "
    "made this key or was made by it"
)
"""Who may confirm what is held: another head than the caller, as `aggregates.lineage.one_head` compares them."""

HELD: Mapping[str, str] = {
    "witnessed": "a human confirms what an agent asks for",
    "agent_runs": "a human confirms an agent's runs of this workflow",
    "approval_over": "more people within a day than run without a second person",
}
"""Why something is held, in words."""


def outlook(
    ctx: Context,
    workflow: Workflow,
    definition: Definition,
    claims: Mapping[str, Any],
    token: str,
    *,
    kind: Kind,
    version: int,
    held_because: str | None,
    waits_as: UUID | None,
) -> dict[str, Any]:
    """The part that all sizings have in common. `waits_as` is the id under which the request would wait for a human."""
    people = claims["count"]
    budget_left, _ = left(ctx, workflow.id, people)
    waits = held_because is not None and (kind != "schedule" or held_because == "witnessed")
    return {
        "workflow_id": str(workflow.id),
        "workflow_version": version,
        "workflow_status": workflow.status,
        "affected": people,
        "limit": ctx.policy.max_audience,
        "budget_left": budget_left,
        "held_because": held_because,
        "confirm_url": ctx.confirm_url(waits_as) if waits and waits_as else None,
        "next": _next(ctx, workflow, _refused(ctx, workflow, kind, people, budget_left), kind, held_because),
        **sends_answer(definition, people),
        "send_mode": ctx.policy.send_mode,
        "confirmation": ctx.policy.asked_confirmation,
        "policy": ctx.policy.as_data(),
        "confirm_token": token,
        "expires_at": datetime.fromtimestamp(claims["expires_at"], UTC).isoformat(),
    }


def _next(ctx: Context, workflow: Workflow, refusal: str | None, kind: Kind, held_because: str | None) -> str:
    if workflow.status != "active":
        return f"The workflow is {workflow.status}, not active: it would be refused."
    if refusal is not None:
        return f"It would be refused: {refusal}."
    if held_because is not None:
        return _held(ctx, kind, held_because)
    if ctx.meta.principal.guarded:
        return "It would begin at once; it needs a human's yes to this number, and the number with the confirm_token."
    return "It would begin at once, with this number; nobody else has to agree."


def _refused(ctx: Context, workflow: Workflow, kind: Kind, people: int, budget_left: int | None) -> str | None:
    principal = ctx.meta.principal
    if kind == "run" and principal.guarded and workflow.agent_runs == "never":
        return "agents may not run this workflow, and only a person can allow it"
    if people == 0:
        return "nobody would be reached"
    if people > ctx.policy.max_audience:
        return f"at most {ctx.policy.max_audience:,} people at once"
    if kind == "rest":
        # Its people were counted when the job was asked for.
        return None
    room = a_day(ctx) if kind == "schedule" else budget_left
    return None if room is None or people <= room else f"at most {room:,} people more within a day"


def _held(ctx: Context, kind: Kind, why: str) -> str:
    if kind == "schedule" and why != "witnessed":
        return f"It would begin at once; each occurrence is held ({HELD[why]}) until it is confirmed by {APPROVER}."
    return (
        f"It would be held ({HELD[why]}) and reach nobody until it is confirmed, at confirm_url once it is asked for "
        f"and within {ctx.policy.approval_hours:,} hours, by {APPROVER}."
    )
