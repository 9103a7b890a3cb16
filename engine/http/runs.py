"""Runs: one person's path in a batch job, or a manual run: how it stands, what it came to, what it went through."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BeforeValidator

from commands.runs import CancelRun
from commands.unknown import DecideUnknown
from engine.http.answers import PageAnswer, RunAccepted, UnknownAccepted
from engine.http.caller import After, Commanding, Here, JobFilter, Limit, PathId, Position, WorkflowFilter
from engine.http.orders import DecideUnknownBody
from engine.http.route import StrictRoute, grant
from engine.http.rows import RunResultAnswer, RunRow, TraceRow
from engine.http.schemas import GivenReasonBody, instant
from projections.page import Page

router = APIRouter(prefix="/api/v1/runs", tags=["runs"], route_class=StrictRoute)

RunStatus = Literal["pending", "in_progress", "waiting", "delivered", "skipped", "failed", "exited"]

Since = Annotated[datetime | None, BeforeValidator(instant), Query(description="Asked for at or after this instant.")]
Until = Annotated[datetime | None, BeforeValidator(instant), Query(description="Asked for before this instant.")]


@router.get("", response_model=PageAnswer[RunRow], openapi_extra=grant("runs.list"))
def search_runs(
    caller: Here,
    *,
    batch_job_id: JobFilter = None,
    workflow_id: WorkflowFilter = None,
    person_id: Annotated[int | None, Query(ge=1, lt=2**63, description="Only of this person.")] = None,
    status: RunStatus | None = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """Runs of all batch jobs and manual ones: those of the newest job first, within a job by ascending person id."""
    return caller.reads_at(min_position).runs.list(
        caller.principal,
        batch_job_id=batch_job_id,
        workflow_id=workflow_id,
        person_id=person_id,
        status=status,
        since=since,
        until=until,
        limit=limit,
        after=after,
    )


@router.get("/{run_id}", response_model=RunRow, openapi_extra=grant("runs.get"))
def get_run(caller: Here, run_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """One run; its id is `<batch job id>.<person id>`, and `<batch job id>.0` of a manual run."""
    return caller.reads_at(min_position).runs.get(caller.principal, run_id)


@router.get("/{run_id}/result", response_model=RunResultAnswer, openapi_extra=grant("runs.result"))
def get_run_result(caller: Here, run_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """What the run came to. Answers at once: a run that has not finished is told as such."""
    return caller.reads_at(min_position).runs.result(caller.principal, run_id)


@router.get("/{run_id}/trace", response_model=PageAnswer[TraceRow], openapi_extra=grant("runs.trace"))
def get_run_trace(
    caller: Here,
    run_id: PathId,
    *,
    step: Annotated[str | None, Query(max_length=200, description="Only this step.")] = None,
    outcome: Annotated[str | None, Query(max_length=200, description="Only with this outcome.")] = None,
    limit: Limit = 50,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """What the run went through, in order."""
    return caller.reads_at(min_position).runs.trace(
        caller.principal, run_id, step=step, outcome=outcome, limit=limit, after=after
    )


@router.post("/{run_id}/cancel", status_code=202, response_model=RunAccepted, openapi_extra=grant("CancelRun"))
def cancel_run(caller: Commanding, run_id: PathId, body: GivenReasonBody, response: Response) -> dict[str, Any]:
    """Do nothing more for one run. What was sent stays sent; the others of its batch job go on."""
    return caller.answer(CancelRun(run_id, body.reason), response, reason=body.reason)


@router.post(
    "/{run_id}/decide-unknown", status_code=202, response_model=UnknownAccepted, openapi_extra=grant("DecideUnknown")
)
def decide_unknown(caller: Commanding, run_id: PathId, body: DecideUnknownBody, response: Response) -> dict[str, Any]:
    """Say what became of an effect that must not be repeated blindly. No agent can.

    `delivered` lets the run go on, `retry` sends again with the same key, `failed` ends the run.
    """
    command = DecideUnknown(run_id, **body.model_dump())
    return caller.answer(command, response, reason=body.note or None)
