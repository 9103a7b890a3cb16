"""Manual runs under the guard: a run that can send is an audience of one, at the addresses of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aggregates.batch_job.standing import ONE_RUN
from aggregates.errors import DomainError, invalid
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from aggregates.workflow.triggers import ManualTrigger
from commands.binding import bought_job, bound_to, counted, keep_claims, new_token
from commands.budget import left, within_budget
from commands.confirm import BATCH, Kept, acknowledge_run, who
from commands.context import Accepted, Context
from commands.outlook import outlook
from commands.reach import reach_of


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


def size_run(ctx: Context, workflow: Workflow, given: Mapping[str, Any]) -> Accepted:
    """Count the one run of a manual workflow with these inputs, or say why it would reach nobody."""
    version, definition = manual_definition(workflow, None)
    inputs, variables = started_with(definition, given)
    excluded = refusals(ctx, definition, inputs)
    affected = 0 if excluded else 1
    run = _asked(version, inputs, affected)
    claims = bound_to(ctx, workflow, who(None, run), variables, BATCH) | counted(ctx, affected, run.fingerprint)
    token = new_token(ctx)
    keep_claims(ctx, token, claims)
    over = left(ctx, workflow.id, affected)[1]
    data = {
        **outlook(
            ctx,
            workflow,
            definition,
            claims,
            token,
            kind="run",
            version=version,
            held_because=_waits(ctx, workflow, version, over, confirmed=True) if definition.external else None,
            waits_as=bought_job(ctx, token),
        ),
        "matched": 1,
        "excluded": excluded,
        "frozen": False,
        "total": 1,
        "everyone": False,
        "missing_variables": {},
        "sample": [],
        "reached_before": None,
        "findings": [],
    }
    return Accepted(str(workflow.id), data)


def held_because(
    ctx: Context,
    workflow: Workflow,
    definition: Definition,
    *,
    version: int,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any],
    count: int | None,
    token: str | None,
    spent: bool,
) -> str | None:
    """Why a run has to wait for a human, None if it need not; refused when it may not be.

    Raises `workflow.agent_runs_never`, `idempotency.missing`, `audience.empty`, `audience.over_budget`,
    `audience.drift`, `confirm.*` and `scope.missing`.
    """
    if not definition.external:
        return None
    guarded = ctx.meta.principal.guarded
    if guarded and workflow.agent_runs == "never":
        raise DomainError("workflow.agent_runs_never")
    if guarded and ctx.meta.idempotency_key is None:
        raise DomainError("idempotency.missing")
    known = "person:read" in ctx.meta.principal.scopes
    if known:
        refuse_excluded(ctx, definition, inputs)
    over = within_budget(ctx, workflow.id, 1)
    if token is not None or count is not None:
        asked = _asked(version, inputs, 1)
        acknowledge_run(ctx, workflow, asked, count=count, token=token, variables=variables, spent=spent)
    held = _waits(ctx, workflow, version, over, confirmed=token is not None)
    if not known and held is None and definition.input_addresses(inputs):
        # Whether an address has opted out is something about a person, and how the run ends would tell it.
        raise DomainError("scope.missing", "This needs the scope person:read.", details={"missing": ["person:read"]})
    return held


def refuse_run(ctx: Context, workflow: Workflow, definition: Definition, inputs: Mapping[str, Any], count: Any) -> None:
    """Refuse a human's confirmation of a held run unless it says one, and its addresses may still be written to."""
    run = Kept(ONE_RUN.count, ONE_RUN.fingerprint)
    acknowledge_run(ctx, workflow, run, count=count, token=None, variables={}, spent=False)
    refuse_excluded(ctx, definition, inputs)


def refusals(ctx: Context, definition: Definition, inputs: Mapping[str, Any]) -> dict[str, int]:
    """Why a run with these inputs would reach nobody, as a sizing says it; empty when it would."""
    given = definition.input_addresses(inputs)
    if not definition.external or not given:
        return {}
    refused = ctx.people.refused_addresses(ctx.meta.principal.project_id, given, reach_of(definition, ctx.policy))
    return {min(refused.values()): 1} if refused else {}


def refuse_excluded(ctx: Context, definition: Definition, inputs: Mapping[str, Any]) -> None:
    """Refuse a run to an address that nothing is sent to."""
    excluded = refusals(ctx, definition, inputs)
    if excluded:
        raise DomainError("audience.empty", "Nothing is sent to that address.", details={"excluded": excluded})


def _waits(ctx: Context, workflow: Workflow, version: int, over: str | None, *, confirmed: bool) -> str | None:
    """Why a run that can send waits for a human; `over` is what the policy says of so many runs in a day."""
    if not ctx.meta.principal.guarded:
        return None
    # `free` was said of the content of the day: an older version was never looked at for it.
    if workflow.agent_runs == "confirmed" or version != workflow.content_version:
        if ctx.witnessed:
            return "witnessed"
        if not confirmed and ctx.policy.send_mode == "live":
            return "agent_runs"
    return over


def _asked(version: int, inputs: Mapping[str, Any], count: int) -> Kept:
    """A run as an audience of one, bound to what it would be started with."""
    what = digest([version, dict(inputs)])
    return Kept(count, what, inputs=what)
