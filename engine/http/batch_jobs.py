"""Batch jobs: how far they are, who was reached, cancel."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from commands.batch_job import CancelBatchJob
from engine.http.answers import BatchJobAccepted, PageAnswer
from engine.http.caller import After, Commanding, Here, Limit, PathId, Position, WorkflowFilter, id_of
from engine.http.route import StrictRoute, grant
from engine.http.rows import BatchJobRow, RunRow
from engine.http.schemas import CancelBody
from projections.page import Page

router = APIRouter(prefix="/api/v1/batch-jobs", tags=["batch jobs"], route_class=StrictRoute)

JobStatus = Literal[
    "held",
    "queued",
    "enrolling",
    "running",
    "paused",
    "cancelling",
    "cancelled",
    "completed",
    "completed_with_failures",
    "failed",
    "rejected",
]
RunStatus = Literal["pending", "in_progress", "waiting", "delivered", "skipped", "failed", "exited"]


@router.get("", response_model=PageAnswer[BatchJobRow], openapi_extra=grant("batch_jobs.list"))
def list_batch_jobs(
    caller: Here,
    *,
    workflow_id: WorkflowFilter = None,
    status: JobStatus | None = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """The newest first, of all workflows or of one."""
    return caller.reads_at(min_position).batch_jobs.list(
        caller.principal, workflow_id=workflow_id, status=status, limit=limit, after=after
    )


@router.get("/{batch_job_id}", response_model=BatchJobRow, openapi_extra=grant("batch_jobs.get"))
def get_batch_job(caller: Here, batch_job_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """One job with its counts."""
    return caller.reads_at(min_position).batch_jobs.get(caller.principal, batch_job_id)


@router.post(
    "/{batch_job_id}/cancel", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("CancelBatchJob")
)
def cancel_batch_job(
    caller: Commanding, batch_job_id: PathId, response: Response, body: CancelBody | None = None
) -> dict[str, Any]:
    """Stop a job. What was sent stays sent, and is counted in the answer; nobody else is reached."""
    reason = (body or CancelBody()).reason
    return caller.answer(CancelBatchJob(id_of(batch_job_id), reason), response, reason=reason)


@router.get("/{batch_job_id}/runs", response_model=PageAnswer[RunRow], openapi_extra=grant("runs.list"))
def list_runs(
    caller: Here,
    batch_job_id: PathId,
    *,
    status: RunStatus | None = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """Who got it, who did not, and why: one row for each enrolled person, by ascending person id."""
    return caller.reads_at(min_position).runs.list(
        caller.principal, id_of(batch_job_id), status=status, limit=limit, after=after
    )
