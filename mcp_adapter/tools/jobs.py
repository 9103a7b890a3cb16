"""Batch jobs: list, follow, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from aggregates.batch_job.standing import COUNTS, TERMINAL
from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Effect, Tool
from mcp_adapter.tools.fields import (
    After,
    BatchJobId,
    Count,
    IdempotencyKey,
    Reason,
    ScheduleId,
    Token,
    Waiting,
    WorkflowId,
    page_summary,
)
from projections.page import as_id

REASON_SHOWN = 100
"""Characters of a reason in a list; batch-jobs-get has it whole."""

LISTED_AT_ONCE = 40
"""Most jobs of a page; so many, each with everything it can have, are about 6,000 tokens."""

HELD = (
    "It is held, and nobody is contacted, until a person who did not ask for it confirms it; after held_until it is "
    "rejected. Give confirm_url to the user, stop and wait; do not retry: there is no tool for confirming."
)

UNCONFIRMED = (
    "Nothing has changed yet: a person who did not ask for it has to confirm it first; after confirm_until it is given "
    "up. Give confirm_url to the user, stop and wait; do not retry: there is no tool for confirming."
)

Status = Literal[
    "held",
    "queued",
    "running",
    "paused",
    "cancelling",
    "cancelled",
    "completed",
    "completed_with_failures",
    "failed",
    "rejected",
]


class Started(Answer):
    """What every command about a job answers with."""

    batch_job_id: str
    workflow_id: str
    workflow_version: int
    status: str
    acknowledged: int
    frozen: bool
    send_mode: str
    held_until: str | None = None
    held_because: str | None = None
    confirm_url: str | None = None
    confirmation_id: str | None = None
    confirm_until: str | None = None
    retry_of: str | None = None
    reached: int | None = None
    counts: dict[str, int] | None = None


class ListJobs(Arguments):
    workflow_id: WorkflowId | None = None
    schedule_id: ScheduleId | None = None
    status: Status | None = None
    limit: int = Field(20, ge=1, le=LISTED_AT_ONCE)
    after: After | None = None


class JobRow(Row):
    batch_job_id: Text
    workflow_id: Text
    workflow_version: int
    manual: bool
    status: str
    reason: str | None = None
    retry_of: Text | None = None
    schedule_id: Text | None = None
    scheduled_for: Text | None = None
    fired_at: Text | None = None
    late_by_seconds: float | None = None
    held_until: Text | None = None
    approved_by: str | None = None
    acknowledged: int
    enrolled: int | None = None
    counts: dict[str, int]
    reached: int | None = None
    send_mode: str
    requested_at: Text
    finished_at: Text | None = None


class JobList(Answer):
    batch_jobs: list[JobRow]
    next_cursor: str | None = None


class GetJob(Arguments):
    batch_job_id: BatchJobId
    wait_seconds: Waiting = 0


class Job(JobRow, Answer):
    ended: bool
    variables: dict[str, Any]
    requested_by: str
    source: str
    started_at: Text | None = None


class Stop(Arguments):
    batch_job_id: BatchJobId
    reason: Reason
    idempotency_key: IdempotencyKey | None = None


class Resume(Arguments):
    batch_job_id: BatchJobId
    acknowledged_affected_count: Count | None = None
    confirm_token: Token | None = Field(None, description="Of workflows-blast-radius with this batch_job_id.")
    idempotency_key: IdempotencyKey | None = None


def list_jobs(call: Call, given: ListJobs) -> JobList:
    page = call.system.reads.batch_jobs.list(call.principal, **given.model_dump())
    rows = [brief(row) for row in page.data]
    summary = page_summary(len(rows), "batch job", page.next_cursor)
    return JobList(summary=summary, batch_jobs=rows, next_cursor=page.next_cursor)


def get_job(call: Call, given: GetJob) -> Job:
    row = call.system.reads.batch_jobs.get(call.principal, given.batch_job_id)
    ended = row["status"] in TERMINAL
    summary = f"The batch job is {row['status']}: {_tally(row)}."
    if row["status"] == "held":
        summary += f" {HELD}"
    elif not ended:
        summary += " It has not ended; ask again with wait_seconds."
    return Job(**_job(row) | {"summary": summary, "ended": ended})


def pause(call: Call, given: Stop) -> Started:
    command = PauseBatchJob(as_id(given.batch_job_id, "batch_job.not_found"), given.reason)
    data = call.dispatch(command, idempotency_key=given.idempotency_key, reason=given.reason).data
    return _answer(data, " Nobody else is reached until it is resumed.")


def resume(call: Call, given: Resume) -> Started:
    id = as_id(given.batch_job_id, "batch_job.not_found")
    command = ResumeBatchJob(id, given.acknowledged_affected_count, given.confirm_token)
    data = call.dispatch(command, idempotency_key=given.idempotency_key).data
    if data.get("confirmation_id"):
        return Started(summary=UNCONFIRMED, **data)
    return _answer(data, " It goes on over the people who were acknowledged for it.")


def cancel(call: Call, given: Stop) -> Started:
    command = CancelBatchJob(as_id(given.batch_job_id, "batch_job.not_found"), given.reason)
    data = call.dispatch(command, idempotency_key=given.idempotency_key, reason=given.reason).data
    return _answer(data)


def _answer(data: Mapping[str, Any], then: str = "") -> Started:
    reached = data["reached"] or 0
    summary = f"The batch job is {data['status']}; {reached:,} people were reached as far as is recorded.{then}"
    return Started(summary=summary, **data)


def _job(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "batch_job_id": row["id"], "counts": {name: row[name] for name in COUNTS}}


def brief(row: Mapping[str, Any]) -> JobRow:
    """A row of a list: a short reason, and only the counts that are not zero."""
    counts = {name: row[name] for name in COUNTS if row[name]}
    return JobRow(**_job(row) | {"reason": (row["reason"] or "")[:REASON_SHOWN] or None, "counts": counts})


def _tally(row: Mapping[str, Any]) -> str:
    if row["enrolled"] is None:
        return "nobody is enrolled yet"
    parts = ", ".join(f"{row[name]:,} {name.replace('_', ' ')}" for name in COUNTS if row[name])
    reached = "" if row["reached"] is None else f"; {row['reached']:,} were reached or may have been"
    return f"of {row['enrolled']:,} people {parts or 'none yet'}{reached}"


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-list-batch-jobs",
        "List batch jobs",
        "List batch jobs, newest first, of one workflow, of one schedule or of all. A count that is missing is 0.",
        "batch_jobs.list",
        ListJobs,
        JobList,
        READS_ONLY,
        list_jobs,
    ),
    Tool(
        "batch-jobs-get",
        "Follow a batch job",
        "Read one batch job: status and how many people are where. With wait_seconds it answers when the job has "
        "ended or the time is over.",
        "batch_jobs.get",
        GetJob,
        Job,
        READS_ONLY,
        get_job,
        settled=lambda job: bool(job.ended),
    ),
    Tool(
        "batch-jobs-pause",
        "Pause a batch job",
        "Stop a batch job for a while: nobody else is contacted until batch-jobs-resume, what was sent stays sent. "
        "Use it at once when the user has doubts.",
        "PauseBatchJob",
        Stop,
        Started,
        Effect(),
        pause,
    ),
    Tool(
        "batch-jobs-resume",
        "Resume a batch job",
        "Let a paused batch job go on over the people who were acknowledged for it. CONTACTS REAL PEOPLE: tell the "
        "user why it was paused (batch-jobs-get) and how many are left, and wait for an explicit yes in the user's own "
        "turn. What a human or the breaker paused needs the count and token of workflows-blast-radius with "
        "batch_job_id.",
        "ResumeBatchJob",
        Resume,
        Started,
        Effect(destroys=True, reaches_out=True),
        resume,
    ),
    Tool(
        "batch-jobs-cancel",
        "Cancel a batch job",
        "Cancel a batch job for good: nobody else is contacted, what was sent stays sent. Ask the user first, unless "
        "they told you to stop.",
        "CancelBatchJob",
        Stop,
        Started,
        Effect(destroys=True),
        cancel,
    ),
)
