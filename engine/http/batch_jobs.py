"""Batch jobs: how far they are, who was reached, approve or reject what is held, pause, resume, cancel."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from commands.approval import ApproveBatchJob, DecideStep, RejectBatchJob
from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from commands.resume import SizeOpen
from commands.retry import RetryFailed, SizeFailed
from engine.http.answers import BatchJobAccepted, FailedSizingAnswer, PageAnswer
from engine.http.caller import After, Commanding, Here, Limit, PathId, Position, ScheduleFilter, WorkflowFilter, id_of
from engine.http.failure_rows import FailuresAnswer
from engine.http.orders import ResumeBatchJobBody, RetryFailedBody
from engine.http.route import StrictRoute, grant
from engine.http.rows import BatchJobAnswer, BatchJobRow, RunRow, UnknownRow
from engine.http.schemas import (
    ApproveBatchJobBody,
    CancelBody,
    DecideStepBody,
    GivenReasonBody,
    NoFields,
)
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
    schedule_id: ScheduleFilter = None,
    status: JobStatus | None = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """The newest first, of all workflows or of one, or of one schedule."""
    return caller.reads_at(min_position).batch_jobs.list(
        caller.principal, workflow_id=workflow_id, schedule_id=schedule_id, status=status, limit=limit, after=after
    )


@router.get("/{batch_job_id}", response_model=BatchJobAnswer, openapi_extra=grant("batch_jobs.get"))
def get_batch_job(caller: Here, batch_job_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """One job with its counts."""
    return caller.reads_at(min_position).batch_jobs.get(caller.principal, batch_job_id)


@router.post(
    "/{batch_job_id}/approve", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("ApproveBatchJob")
)
def approve_batch_job(
    caller: Commanding, batch_job_id: PathId, body: ApproveBatchJobBody, response: Response
) -> dict[str, Any]:
    """Let a held job run, after confirming its audience of today. Real people are contacted.

    Whoever asked for the job cannot approve it, and no agent can.
    """
    command = ApproveBatchJob(id_of(batch_job_id), **body.model_dump())
    return caller.answer(command, response, reason=body.note or None)


@router.post("/{batch_job_id}/reject", response_model=BatchJobAccepted, openapi_extra=grant("RejectBatchJob"))
def reject_batch_job(
    caller: Commanding, batch_job_id: PathId, body: GivenReasonBody, response: Response
) -> dict[str, Any]:
    """Turn a held job down: it never reaches anybody."""
    return caller.answer(RejectBatchJob(id_of(batch_job_id), body.reason), response, reason=body.reason)


@router.post(
    "/{batch_job_id}/steps/{step_id}/decide",
    status_code=202,
    response_model=BatchJobAccepted,
    openapi_extra=grant("DecideStep"),
)
def decide_step(
    caller: Commanding, batch_job_id: PathId, step_id: PathId, body: DecideStepBody, response: Response
) -> dict[str, Any]:
    """Answer an approval step for everybody in a job who stands or will stand at it."""
    command = DecideStep(id_of(batch_job_id), step_id, **body.model_dump())
    return caller.answer(command, response, reason=body.note or None)


@router.post(
    "/{batch_job_id}/pause", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("PauseBatchJob")
)
def pause_batch_job(
    caller: Commanding, batch_job_id: PathId, body: GivenReasonBody, response: Response
) -> dict[str, Any]:
    """Stop a job for a while: nobody else is reached until it is resumed."""
    return caller.answer(PauseBatchJob(id_of(batch_job_id), body.reason), response, reason=body.reason)


@router.post(
    "/{batch_job_id}/resume", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("ResumeBatchJob")
)
def resume_batch_job(
    caller: Commanding, batch_job_id: PathId, response: Response, body: ResumeBatchJobBody | None = None
) -> dict[str, Any]:
    """Let a paused job go on, over the people who were acknowledged for it and nobody else.

    An agent needs the count and token of `/unfinished` for what a human or the breaker paused.
    """
    proof = (body or ResumeBatchJobBody()).model_dump()
    return caller.answer(ResumeBatchJob(id_of(batch_job_id), **proof), response)


@router.post(
    "/{batch_job_id}/cancel", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("CancelBatchJob")
)
def cancel_batch_job(
    caller: Commanding, batch_job_id: PathId, response: Response, body: CancelBody | None = None
) -> dict[str, Any]:
    """Stop a job. What was sent stays sent, and is counted in the answer; nobody else is reached."""
    reason = (body or CancelBody()).reason
    return caller.answer(CancelBatchJob(id_of(batch_job_id), reason), response, reason=reason)


@router.post("/{batch_job_id}/blast-radius", response_model=FailedSizingAnswer, openapi_extra=grant("SizeFailed"))
def size_failed(caller: Here, batch_job_id: PathId, body: NoFields | None = None) -> Any:
    """Count the failed runs of an ended job. Contacts nobody. The token in the answer buys one retry of them."""
    return caller.dispatch(SizeFailed(id_of(batch_job_id))).data


@router.post("/{batch_job_id}/unfinished", response_model=FailedSizingAnswer, openapi_extra=grant("SizeOpen"))
def size_unfinished(caller: Here, batch_job_id: PathId, body: NoFields | None = None) -> Any:
    """Count the people of a paused job who have no outcome yet. Contacts nobody. The token buys one resume."""
    return caller.dispatch(SizeOpen(id_of(batch_job_id))).data


@router.post(
    "/{batch_job_id}/retry-failed", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("RetryFailed")
)
def retry_failed(caller: Commanding, batch_job_id: PathId, body: RetryFailedBody, response: Response) -> dict[str, Any]:
    """Run the workflow again for exactly the people whose runs of an ended job failed. Real people are contacted.

    They begin at the first step. Asking twice gives the same job; `Location` is that job.
    """
    answer = caller.answer(RetryFailed(id_of(batch_job_id), **body.model_dump()), response)
    response.headers["Location"] = f"/api/v1/batch-jobs/{answer['batch_job_id']}"
    return answer


@router.get("/{batch_job_id}/unknown", response_model=PageAnswer[UnknownRow], openapi_extra=grant("runs.unknown"))
def list_unknown(
    caller: Here, batch_job_id: PathId, *, limit: Limit = 20, after: After = None, min_position: Position = 0
) -> Page:
    """Runs that wait for a person to say what became of an effect: nobody knows whether it arrived."""
    return caller.reads_at(min_position).runs.unknown(
        caller.principal, batch_job_id=id_of(batch_job_id), limit=limit, after=after
    )


@router.get("/{batch_job_id}/failures", response_model=FailuresAnswer, openapi_extra=grant("failures.of_job"))
def list_failures(caller: Here, batch_job_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """How many runs of a job failed, by step, reason and host. Also while it is at work, with the attempts so far."""
    return caller.reads_at(min_position).failures.of_job(caller.principal, batch_job_id)


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
        caller.principal, batch_job_id=id_of(batch_job_id), status=status, limit=limit, after=after
    )
