"""Batches: size an audience, run a workflow over it.

The texts here are what makes an agent stop between the number and the run; the server's guard does not rest on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from aggregates.errors import DomainError
from commands.batch_job import RunBatch, SizeAudience
from commands.resume import SizeOpen
from mcp_adapter.schemas import Answer, Arguments, Row
from mcp_adapter.tool import READS_ONLY, Call, Effect, Question, Tool
from mcp_adapter.tools.fields import (
    BatchJobId,
    BreakerGiven,
    Count,
    Exdates,
    IdempotencyKey,
    Lifted,
    Rate,
    ScheduleId,
    Term,
    Token,
    Values,
    WorkflowId,
)
from mcp_adapter.tools.jobs import HELD, Started
from projections.page import as_id


class ScheduleGiven(Arguments):
    """The recurrence as the schedule tool will be given it."""

    schedule_id: ScheduleId | None = None
    rrule: Term | None = None
    starts_at: Term | None = None
    timezone: Term | None = None
    exdates: Exdates | None = None
    max_growth: float | None = None
    lifted: Lifted = []


class BlastRadius(Arguments):
    workflow_id: WorkflowId
    variables: Values | None = None
    freeze: bool = Field(
        False, description="Keep these people until expires_at, for one batch over exactly them; not for schedules."
    )
    rate: Rate | None = Field(None, description="As the batch or the schedule will be given.")
    breaker: BreakerGiven | None = None
    schedule: ScheduleGiven | None = Field(
        None, description="For a schedule tool: what it will be given. With schedule_id only what changes."
    )
    inputs: dict[str, Any] | None = Field(None, description="For workflows-run of a manual workflow: its inputs.")
    batch_job_id: BatchJobId | None = Field(None, description="For batch-jobs-resume: counts who is left.")


class PolicyRow(Row):
    """What this key may do; approval_over is missing if no batch waits for a second person."""

    max_audience: int
    approval_over: int | None = None
    max_growth: float
    minimum_interval_minutes: int
    send_mode: str
    per_person: dict[str, int] | None = None
    token_minutes: int
    approval_hours: int
    max_sends: int
    notify_addresses: list[str]
    reach_per_day: int | None = None
    max_churn: float | None = None
    send_rate: str | None = None
    confirmation: str


class Sized(Answer):
    workflow_id: str
    workflow_version: int
    workflow_status: str
    affected: int
    deliveries: dict[str, int]
    per_person: int
    reaches: str
    frozen: bool
    matched: int
    excluded: dict[str, int]
    total: int
    limit: int
    everyone: bool
    missing_variables: dict[str, int]
    sample: list[dict[str, Any]]
    send_mode: str
    confirmation: str
    reached_before: int | None = None
    budget_left: int | None = None
    held_because: str | None = None
    next: str
    policy: PolicyRow
    confirm_token: str
    expires_at: str
    findings: list[dict[str, Any]]


class Run(Arguments):
    REQUIRED = ("confirm_token",)

    workflow_id: WorkflowId
    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    variables: Values = {}
    rate: Rate | None = None
    breaker: BreakerGiven | None = None
    idempotency_key: IdempotencyKey | None = None


def size(call: Call, given: BlastRadius) -> Sized:
    if given.batch_job_id is not None:
        return _size_rest(call, given.batch_job_id)
    fields = given.model_dump(exclude={"workflow_id", "batch_job_id"})
    if given.schedule is not None and given.schedule.schedule_id is not None:
        fields["schedule"]["schedule_id"] = as_id(given.schedule.schedule_id, "schedule.not_found")
    command = SizeAudience(as_id(given.workflow_id, "workflow.not_found"), **fields)
    data = call.dispatch(command).data
    return Sized(summary=_sized_summary(data), **_known(data))


def _known(data: Mapping[str, Any]) -> dict[str, Any]:
    """What of a sizing an agent is told: not where something waits that nobody has asked for yet."""
    return {name: data[name] for name in Sized.model_fields if name in data}


def _size_rest(call: Call, batch_job_id: str) -> Sized:
    """Whom resuming a paused job would reach: those who have no outcome yet."""
    none: dict[str, Any] = {"frozen": False, "excluded": {}, "everyone": False, "missing_variables": {}}
    none |= {"sample": [], "findings": []}
    data = {**call.dispatch(SizeOpen(as_id(batch_job_id, "batch_job.not_found"))).data, **none}
    rest = data["affected"]
    if rest == 0:
        summary = "Not resumed. Nobody of it is left."
    else:
        summary = (
            f"Not resumed. {rest:,} people of it have no outcome yet. It reaches {data['reaches']}"
            f"{_circumstances(data)} {_stop(data)}"
        )
    return Sized(summary=summary, matched=rest, total=rest, **_known(data))


def run(call: Call, given: Run) -> Started:
    data = call.dispatch(_run_command(given), idempotency_key=given.idempotency_key).data
    then = HELD if data["status"] == "held" else "Follow it with batch-jobs-get."
    return Started(summary=f"The batch job over {data['acknowledged']:,} people is {data['status']}. {then}", **data)


def ask_to_run(call: Call, given: Run) -> Question | None:
    """The question before a run that would start a job now."""
    rehearsal = call.rehearse(_run_command(given), idempotency_key=given.idempotency_key)
    if rehearsal.done:
        return None
    data = rehearsal.answer.data
    people = data["acknowledged"]
    told = f"Run {_named(call, given.workflow_id)} over {people:,} people now? They are real, and it cannot be undone."
    if data["send_mode"] == "capture":
        told += " Send mode is capture: nothing would leave the server."
    if data["status"] == "held":
        told += " It will wait until a person who did not ask for it confirms it."
    return Question(told, people)


def _run_command(given: Run) -> RunBatch:
    return RunBatch(
        as_id(given.workflow_id, "workflow.not_found"),
        given.acknowledged_affected_count,
        given.confirm_token,
        given.variables,
        given.rate,
        given.breaker.model_dump() if given.breaker else None,
    )


def _named(call: Call, workflow_id: str) -> str:
    """The workflow as a human knows it; by its id for a key that may run it and not read it."""
    try:
        name = call.system.reads.workflows.get(call.principal, workflow_id)["name"]
    except DomainError:
        return f"workflow {workflow_id}"
    return f'workflow "{"".join(letter for letter in name if letter.isprintable())}"'


def _sized_summary(data: Mapping[str, Any]) -> str:
    affected, limit = data["affected"], data["limit"]
    excluded = sum(data["excluded"].values())
    who = "everyone: " if data["everyone"] else ""
    counted = f"{who}{affected:,} of {data['total']:,} people ({data['matched']:,} match, {excluded:,} excluded)"
    if data["findings"]:
        counted += "; `findings` name conditions that fit no person: correct them, or tell the user"
    if affected == 0:
        return f"Nobody would be contacted now ({counted}); a batch would be refused."
    if affected > limit:
        return (
            f"Would contact {counted}; this key may reach at most {limit:,} at once, so a batch would be refused. Tell "
            "the user both numbers, and do not ask for a yes."
        )
    left = data["budget_left"]
    if left is not None and affected > left:
        return (
            f"Would contact {counted}; this key may reach {left:,} more people today, so a batch would be refused. "
            "Tell the user both numbers, and do not ask for a yes."
        )
    return f"Not started. Would contact {counted}. It reaches {data['reaches']}{_circumstances(data)} {_stop(data)}"


def _stop(data: Mapping[str, Any]) -> str:
    return f"Show the user {data['affected']:,} and stop: go on only after their explicit yes in their own turn."


def _circumstances(data: Mapping[str, Any]) -> str:
    """What else the user has to know before they say yes."""
    told = ""
    if data["send_mode"] == "capture":
        told += " Send mode is capture: nothing would leave this server."
    if data["frozen"]:
        told += " These people are kept until expires_at: the batch reaches exactly them, minus who opts out meanwhile."
    if data["reached_before"]:
        told += f" {data['reached_before']:,} of them have been reached by this version before: say so."
    return f"{told} {data['next']}"


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-blast-radius",
        "Count whom a workflow would reach",
        "Count whom a batch workflow would reach at this moment. Contacts nobody. Call it before workflows-run-batch "
        "or a schedule tool, with the variables, rate, breaker or schedule that you will give it; then show the user "
        "`affected`, the exclusions and that real people will be contacted, and STOP. Wait for an explicit yes in the "
        "user's own turn; never size and run in one turn. Until expires_at confirm_token buys that one batch job over "
        "exactly these people, or that change of a schedule, and nothing else.",
        "SizeAudience",
        BlastRadius,
        Sized,
        READS_ONLY,
        size,
    ),
    Tool(
        "workflows-run-batch",
        "Run a batch over real people",
        "Run an active batch workflow once. CONTACTS REAL PEOPLE and cannot be undone. Needs workflows-blast-radius in "
        "an earlier turn: show the user that number, stop, and wait for an explicit yes in the user's own turn. If it "
        "is refused as audience.drift, do the same again with the new number; never pass a number that the user has "
        "not confirmed. Answers at once; the same call again answers with the same job. One that is held waits for a "
        "second person: tell the user, never retry.",
        "RunBatch",
        Run,
        Started,
        Effect(destroys=True, reaches_out=True),
        run,
        asks=ask_to_run,
    ),
)
