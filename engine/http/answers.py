"""What is sent back by commands and by whatever is no list: refusals, pages, sizings, health."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from engine.http.confirmation_rows import Confirmable
from engine.http.rows import ExcludedRow

R = TypeVar("R", bound=BaseModel)


class ErrorAnswer(BaseModel):
    """One thing wrong with a request."""

    pointer: Annotated[str, Field(description="JSON pointer into the body; `/name` of a parameter or header.")]
    code: str
    message: str
    got: Any = None
    expected: Any = None
    example: Any = None
    severity: str = "error"


class ProblemAnswer(BaseModel):
    """A refusal (RFC 9457). `code` is stable; `next` says what to do."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[ErrorAnswer]
    next: list[str]
    request_id: str
    details: dict[str, Any]
    batch_job_id: Annotated[UUID | None, Field(description="The job that is there already, if one is why.")] = None
    schedule_id: Annotated[UUID | None, Field(description="The schedule that is there already, if one is why.")] = None


class PageAnswer(BaseModel, Generic[R]):
    """Some rows. `next_cursor` is null on the last page; `as_of_position` is null for what no view holds."""

    data: list[R]
    next_cursor: str | None
    as_of_position: int | None


class FindingAnswer(ErrorAnswer):
    """Something to know about saved content: here only warnings."""


class Accepted(BaseModel):
    """What every command answers."""

    position: Annotated[int, Field(description="Place in the log: of what this recorded, else where it stood already.")]
    changed: Annotated[bool, Field(description="Whether this recorded anything. False: it was so already.")]


class WorkflowAccepted(Accepted):
    workflow_id: UUID
    status: str
    version: int
    revision: int
    findings: list[FindingAnswer]
    paused_jobs: Annotated[list[UUID], Field(description="Paused by this; after enabling, still by an earlier stop.")]


class AgentRunsSet(WorkflowAccepted):
    agent_runs: str


class RunAccepted(Confirmable, Accepted):
    """A run that was started or cancelled; `status` is how it stands at this moment."""

    run_id: str
    batch_job_id: UUID
    workflow_id: UUID
    workflow_version: int
    status: str
    batch_job_status: str
    send_mode: str
    held_until: Annotated[datetime | None, Field(description="When a held run is given up.")] = None


class UnknownAccepted(RunAccepted):
    """What was decided about an unknown outcome."""

    decision: str
    unknown_left: Annotated[int, Field(description="How many runs of the job wait for such a decision.")]


class PolicyAnswer(BaseModel):
    """What may be done; `approval_over` null means that no job waits for a second person."""

    max_audience: Annotated[int, Field(description="The largest audience of one batch job.")]
    approval_over: int | None
    max_growth: Annotated[float, Field(description="Most that a schedule's audience may grow, as a share.")]
    minimum_interval_minutes: Annotated[int, Field(description="Least time between two occurrences of a schedule.")]
    send_mode: str
    per_person: Annotated[
        dict[str, int] | None, Field(description="Most `messages` to one person in so many `days`; null: no such cap.")
    ] = None
    token_minutes: Annotated[int, Field(description="How long a confirm token is good.")]
    approval_hours: Annotated[int, Field(description="How long a held job waits for somebody to decide.")]
    max_sends: Annotated[int, Field(description="Most sending steps on any path of a workflow.")]
    notify_addresses: Annotated[list[str], Field(description="The only addresses that an email step may name.")]
    reach_per_day: Annotated[
        int | None, Field(description="People that a key may reach in a day; null: an agent's max_audience.")
    ]
    max_churn: Annotated[
        float | None, Field(description="Share of an occurrence that may not be confirmed; null: for agents 0.5.")
    ]
    send_rate: Annotated[str | None, Field(description="The most that all jobs of the project send together.")] = None
    confirmation: Annotated[str, Field(description="Asked of agents: `relayed` count and token, or `witnessed`.")]


class PolicyLevels(PolicyAnswer):
    """The caller's policy, and what of the installation's its project and its key narrow."""

    narrowed_by: Annotated[dict[str, dict[str, Any]], Field(examples=[{"project": {"max_audience": 500}, "key": {}}])]
    set_by: Annotated[str | None, Field(description="Who set what the project narrows; null if that is not recorded.")]
    set_at: datetime | None


class AnySizingAnswer(BaseModel):
    """What every sizing tells beside its counts."""

    workflow_id: UUID
    workflow_version: int
    workflow_status: str
    affected: Annotated[int, Field(description="The count to acknowledge.")]
    deliveries: Annotated[dict[str, int], Field(description="Most messages that one person gets, by step type.")]
    per_person: Annotated[int, Field(description="Most messages that one person gets in all.")]
    reaches: Annotated[str, Field(description="The same in words, and whether a receiver may tell others.")]
    limit: int
    reached_before: Annotated[
        int | None, Field(description="Of them, people whom this version has reached before; null: unknown.")
    ]
    budget_left: Annotated[
        int | None, Field(description="People that the caller may still reach today; null: no budget.")
    ]
    held_because: Annotated[
        str | None, Field(description="`witnessed`, `agent_runs` or `approval_over`: why it would be held, as of now.")
    ]
    confirm_url: Annotated[
        str | None, Field(description="Where a human confirms it once it is asked for with this token; null: nowhere.")
    ]
    next: Annotated[str, Field(description="What would become of it now: begun, held for whom, or refused.")]
    send_mode: str
    confirmation: Annotated[str, Field(description="What an agent needs: `relayed` or `witnessed`.")]
    policy: PolicyAnswer
    confirm_token: str
    expires_at: datetime


class SizingAnswer(AnySizingAnswer):
    """Whom a workflow would reach now. `matched` less everyone excluded is `affected`."""

    matched: int
    excluded: Annotated[dict[str, int], Field(description="People who match and are left out, by reason.")]
    total: Annotated[int, Field(description="Everybody in the project.")]
    everyone: Annotated[bool, Field(description="Whether there is no condition at all.")]
    missing_variables: dict[str, int]
    sample: Annotated[list[dict[str, Any]], Field(description="A few of the affected people, masked.")]
    frozen: Annotated[bool, Field(description="Whether these people are kept until the token expires.")]
    findings: Annotated[list[dict[str, Any]], Field(description="Conditions that name what no person has.")]
    schedule: Annotated[dict[str, Any] | None, Field(description="Terms of the named schedule; what `changed`.")] = None


class FailedSizingAnswer(AnySizingAnswer):
    """Whom a retry of the failed runs of a job would reach, or the resuming of a paused one."""

    batch_job_id: UUID
    left: Annotated[dict[str, int], Field(description="How many of them would be skipped, by reason.")]


class ExcludedAnswer(BaseModel):
    workflow_id: UUID
    excluded: list[ExcludedRow]


class BatchJobAccepted(Confirmable, Accepted):
    batch_job_id: UUID
    workflow_id: UUID
    workflow_version: int
    status: str
    acknowledged: int
    frozen: bool
    send_mode: str
    held_until: Annotated[datetime | None, Field(description="When a held job is given up.")] = None
    retry_of: Annotated[UUID | None, Field(description="The job whose failed runs these people had.")] = None
    reached: Annotated[
        int | None,
        Field(description="How many were reached already, or may have been; null if an older version did not count."),
    ]
    counts: Annotated[dict[str, int] | None, Field(description="Where its people are, once it runs.")] = None


class ImportAnswer(Accepted):
    """What an import did, or would do. Rows = inserted + updated + unchanged, unless a dry run rejects some.

    What depends on who was there before is null for a key without person:read.
    """

    rows: int
    inserted: int | None
    updated: int | None
    unchanged: int | None
    addresses_changed: int | None
    sha256: str
    rejected: Annotated[list[dict[str, Any]], Field(description="The first faults: line, column, code, reason.")]
    total_rejected: int
    dry_run: bool
    columns: Annotated[
        list[dict[str, Any]], Field(description="What each column of a CSV became: column, becomes (null: left out).")
    ]
    warnings: Annotated[list[dict[str, Any]], Field(description="Taken, and worth a look: column, code, reason.")]


class CohortAccepted(Accepted):
    cohort_id: UUID
    name: str
    kind: str
    members: int | None


class KeyAccepted(Accepted):
    key_id: str
    key: Annotated[str | None, Field(description="The plain text; a repeated request gets the answer without it.")] = (
        None
    )
    scopes: list[str]
    owner: Annotated[str | None, Field(description="The user who answers for it: the maker's.")]
    chain: Annotated[list[str], Field(description="The keys that made it, oldest first.")]


class KeyChanged(Accepted):
    """All that the key is from now on."""

    key_id: str
    name: str
    scopes: list[str]
    agent: bool
    limits: Annotated[dict[str, Any], Field(description="What the key narrows of the policy.")]
    rate_per_minute: int | None
    expires_at: datetime | None
    owner: str | None
    chain: list[str]


class KeyRevoked(Accepted):
    key_id: str
    revoked: bool


class PolicyAccepted(Accepted):
    limits: Annotated[dict[str, Any], Field(description="All that the project narrows from now on.")]
