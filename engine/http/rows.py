"""What lists and look-ups send back. Rows mirror the views; ids and instants are texts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ScheduleRow(BaseModel):
    id: UUID
    workflow_id: UUID
    status: str
    revision: int
    rrule: str
    starts_at: str
    timezone: str
    exdates: list[str]
    variables: dict[str, Any]
    overlap: str
    catch_up: str
    catch_up_window_minutes: int
    rate: Annotated[str | None, Field(description="The most that each of its jobs sends, such as 100/minute.")]
    breaker: Annotated[dict[str, Any] | None, Field(description="When each of its jobs pauses itself.")]
    workflow_version: Annotated[int | None, Field(description="The content that the standing approval is for.")]
    acknowledged_count: int
    acknowledged_by: str
    max_growth: float | None
    ceiling: Annotated[int | None, Field(description="An occurrence that would reach more people is held.")]
    approval_expires_at: datetime | None
    next_occurrence: Annotated[datetime | None, Field(description="Null while it is not active.")]
    last_occurrence: Annotated[datetime | None, Field(description="The last that was fired or held.")]
    note: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime


class OccurrenceRow(BaseModel):
    """What became of one planned instant: fired, held, skipped or buffered, and why."""

    schedule_id: UUID
    scheduled_for: datetime
    state: str
    reason: str | None
    batch_job_id: UUID | None
    late_by_seconds: Annotated[float | None, Field(description="How late it was decided.")]
    decided_at: datetime


class WorkflowRow(BaseModel):
    id: UUID
    name: str
    description: str
    status: str
    version: Annotated[int, Field(description="Counts contents; an edit names it.")]
    revision: Annotated[int, Field(description="Counts every change; it is the ETag.")]
    trigger_type: str
    agent_runs: Annotated[str, Field(description="Whether agents run it by hand: never, confirmed or free.")]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class WorkflowAnswer(WorkflowRow):
    trigger: dict[str, Any] | None
    steps: list[Any]
    edges: list[Any]
    variables: list[Any]
    purpose: str = "marketing"
    topic: str = ""
    schedules: list[ScheduleRow]


class ExcludedRow(BaseModel):
    person_id: int
    distinct_id: str
    reason: str


class BatchJobRow(BaseModel):
    """A job with the counts of its latest milestone: enrolled = the sum of the seven counts."""

    id: UUID
    workflow_id: UUID
    workflow_version: int
    manual: Annotated[bool, Field(description="Whether it is a manual run: a batch of one, without a person.")]
    retry_of: Annotated[UUID | None, Field(description="The job whose failed runs these people had.")]
    rate: Annotated[str | None, Field(description="The most that is sent, such as 100/minute.")]
    breaker: Annotated[dict[str, Any] | None, Field(description="When the job pauses itself.")]
    schedule_id: UUID | None
    scheduled_for: Annotated[datetime | None, Field(description="The occurrence that it was made for.")]
    fired_at: datetime | None
    late_by_seconds: float | None
    status: str
    reason: str | None
    frozen: Annotated[bool, Field(description="Whether its people were kept when they were sized.")]
    held_until: Annotated[datetime | None, Field(description="When a held job is given up.")]
    approved_by: str | None
    revision: int
    send_mode: str
    variables: dict[str, Any]
    acknowledged: int
    enrolled: int | None
    delivered: int
    skipped: int
    failed: int
    exited: int
    waiting: int
    in_progress: int
    pending: int
    reached: Annotated[
        int | None,
        Field(description="For how many an effect outside was made or may have been; null: not counted."),
    ]
    requested_by: str
    source: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


class BatchJobAnswer(BatchJobRow):
    outcome_unknown: Annotated[int, Field(description="How many of those who wait do so for a decision: `/unknown`.")]


class UnknownRow(BaseModel):
    """A run that waits for somebody to say what became of the effect at its step."""

    run_id: str
    batch_job_id: UUID
    person_id: int | None
    distinct_id: str | None
    step_id: str
    attempts: int
    reason: Annotated[str | None, Field(description="What is known of the last attempt.")]
    since: datetime


class RunRow(BaseModel):
    """One person's path, or a manual run, which has no person. A person whose turn has not come is `pending`."""

    run_id: str
    batch_job_id: UUID
    workflow_id: Annotated[UUID | None, Field(description="Null until the views have heard of the job.")]
    workflow_version: int | None
    manual: bool
    requested_at: datetime | None
    batch_job_status: str
    person_id: int | None
    distinct_id: str | None
    status: str
    reason: str | None
    at_step: str | None
    wake_at: datetime | None
    reached: Annotated[bool, Field(description="Whether an effect outside was made, or may have been.")]
    steps: Annotated[list[Any], Field(description="What it went through; in a list without what the steps gave.")]
    variables: Annotated[dict[str, Any] | None, Field(description="What steps have set for this person.")]
    updated_at: datetime | None


class RunResultAnswer(BaseModel):
    """What a run came to; `output` is null and `next` says what to do while it has not finished."""

    run_id: str
    batch_job_id: UUID
    workflow_id: UUID | None
    workflow_version: int | None
    status: str
    reason: str | None
    reached: Annotated[bool, Field(description="Whether an effect outside was made, or may have been.")]
    finished: bool
    output: Annotated[
        dict[str, Any] | None, Field(description="`variables` that it ended with, `steps`: what each step gave.")
    ]
    next: str | None
    updated_at: datetime | None


class TraceRow(BaseModel):
    """One step that a run went through. `at` is told for manual runs and for what was sent."""

    model_config = ConfigDict(extra="allow")

    number: int
    step: str
    outcome: str


class PersonRow(BaseModel):
    id: int
    distinct_id: str
    email: str | None
    address: Annotated[str | None, Field(description="The email in the form that is compared; null for none.")]
    properties: dict[str, Any]
    opted_out_at: datetime | None
    created_at: datetime
    updated_at: datetime


class OptOutRow(BaseModel):
    topic: Annotated[str, Field(description="What was left; empty for everything.")]
    reason: str
    source: str
    at: datetime
    by: Annotated[Literal["person", "address"], Field(description="Whether the person left, or the address.")]


class PersonAnswer(PersonRow):
    opt_outs: list[OptOutRow]
    suppressed: Annotated[str | None, Field(description="Why nothing may be sent to the address; null if it may.")]


class CohortRow(BaseModel):
    id: UUID
    name: str
    description: str
    kind: str
    created_at: datetime
    updated_at: datetime


class CohortAnswer(CohortRow):
    conditions: list[Any]
    members: Annotated[int | None, Field(description="How many a static cohort has.")]


class KeyRow(BaseModel):
    id: str
    name: str
    scopes: list[str]
    agent: bool
    limits: Annotated[dict[str, Any], Field(description="What the key narrows of the policy.")]
    rate_per_minute: int | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    owner: Annotated[str | None, Field(description="The user who answers for it.")]
    made_by: Annotated[str | None, Field(description="The key that made it; null if that was not recorded.")]
    made_via: Annotated[str | None, Field(description="By which route or command.")]
    chain: Annotated[list[str], Field(description="The keys that made it, oldest first; empty for one that begins.")]
    changed_at: datetime | None
    changed_by: str | None
    revoked_by: str | None
    stream_id: Annotated[UUID, Field(description="Where the log tells of it.")]


class ComponentRow(BaseModel):
    """A step type: what an author needs to know to choose it."""

    id: Annotated[str, Field(description="What a step's `type` says.")]
    kind: Annotated[
        Literal["action", "timing", "decision", "end"],
        Field(description="What it does to a run: something happens, it waits, its way is chosen, it is over."),
    ]
    name: str
    category: str
    description: str
    external: Annotated[bool, Field(description="Whether it has an effect outside.")]
    waits: Annotated[bool, Field(description="Whether people may wait here.")]
    sends_email: Annotated[bool, Field(description="Whether people without an address of their own are excluded.")]
    needs_person: Annotated[bool, Field(description="Whether manual runs, which have no person, cannot use it.")]
    ports: Annotated[list[str], Field(description="The ways out, as in the first example.")]
    ports_vary: Annotated[bool, Field(description="Whether the config decides which ways out there are.")]
    distribution: Annotated[str | None, Field(description="The package that brought it; null for what ships.")]


class Component(ComponentRow):
    """A step type: what an author needs to know to write such a step."""

    config_schema: Annotated[dict[str, Any], Field(description="JSON Schema (2020-12) of the step's config.")]
    examples: Annotated[list[dict[str, Any]], Field(description="Configs, each valid as it stands.")]


class ViewRow(BaseModel):
    name: str
    position: int
    updated_at: datetime
    stopped: str | None
