"""What is sent back by commands and by whatever is no list: refusals, pages, sizings, health."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

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


class PageAnswer(BaseModel, Generic[R]):
    """Some rows. `next_cursor` is null on the last page; `as_of_position` is null for what no view holds."""

    data: list[R]
    next_cursor: str | None
    as_of_position: int | None


class FindingAnswer(ErrorAnswer):
    """Something to know about saved content: here only warnings."""


class Accepted(BaseModel):
    """What every command answers."""

    position: Annotated[int, Field(description="Place in the log; 0 if this recorded nothing there.")]


class WorkflowAccepted(Accepted):
    workflow_id: UUID
    status: str
    version: int
    revision: int
    findings: list[FindingAnswer]


class SizingAnswer(BaseModel):
    """Whom a workflow would reach now. `matched` less everyone excluded is `affected`."""

    workflow_id: UUID
    workflow_version: int
    workflow_status: str
    matched: int
    excluded: Annotated[dict[str, int], Field(description="People who match and are left out, by reason.")]
    affected: int
    total: Annotated[int, Field(description="Everybody in the project.")]
    limit: int
    everyone: Annotated[bool, Field(description="Whether there is no condition at all.")]
    missing_variables: dict[str, int]
    sample: Annotated[list[dict[str, Any]], Field(description="A few of the affected people, masked.")]
    send_mode: str
    confirm_token: str
    expires_at: datetime


class ExcludedAnswer(BaseModel):
    workflow_id: UUID
    excluded: list[ExcludedRow]


class ScheduleAccepted(Accepted):
    schedule_id: UUID
    workflow_id: UUID
    status: str
    rrule: str
    starts_at: str
    timezone: str


class BatchJobAccepted(Accepted):
    batch_job_id: UUID
    workflow_id: UUID
    workflow_version: int
    status: str
    acknowledged: int
    send_mode: str
    counts: Annotated[dict[str, int] | None, Field(description="Who had been reached already, once it runs.")] = None


class ImportAnswer(Accepted):
    """What an import did, or would do. Rows = inserted + updated + unchanged, unless a dry run rejects some."""

    rows: int
    inserted: int
    updated: int
    unchanged: int
    rejected: Annotated[list[dict[str, Any]], Field(description="The first faults: line, column, code, reason.")]
    total_rejected: int
    dry_run: bool


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


class KeyRevoked(Accepted):
    key_id: str
    revoked: bool


class PolicyAnswer(BaseModel):
    max_audience: int
    approval_over: int | None
    send_mode: str
    token_minutes: int


class LiveAnswer(BaseModel):
    status: str


class ReadyAnswer(BaseModel):
    """`broker` may be away: work that was accepted waits in the log and loses nothing."""

    status: str
    database: str
    broker: str
