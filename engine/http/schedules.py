"""Schedules: attach a recurrence to a batch workflow, pause, resume, detach."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from commands.schedule import AttachSchedule, DetachSchedule, PauseSchedule, ResumeSchedule
from engine.http.answers import PageAnswer, ScheduleAccepted
from engine.http.caller import After, Commanding, Here, Limit, PathId, Position, WorkflowFilter, id_of
from engine.http.route import StrictRoute, grant
from engine.http.rows import ScheduleRow
from engine.http.schemas import AttachScheduleBody, NoteBody, PauseScheduleBody, ResumeScheduleBody
from projections.page import Page

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"], route_class=StrictRoute)
of_workflow = APIRouter(prefix="/api/v1/workflows", tags=["schedules"], route_class=StrictRoute)


@of_workflow.post(
    "/{workflow_id}/schedules", status_code=201, response_model=ScheduleAccepted, openapi_extra=grant("AttachSchedule")
)
def attach_schedule(
    caller: Commanding, workflow_id: PathId, body: AttachScheduleBody, response: Response
) -> dict[str, Any]:
    """Repeat a batch workflow. Real people are contacted at every occurrence; the count is a standing approval."""
    answer = caller.answer(AttachSchedule(workflow_id=id_of(workflow_id), **body.model_dump()), response)
    response.headers["Location"] = f"{router.prefix}/{answer['schedule_id']}"
    return answer


@router.get("", response_model=PageAnswer[ScheduleRow], openapi_extra=grant("schedules.list"))
def list_schedules(
    caller: Here,
    *,
    workflow_id: WorkflowFilter = None,
    status: Literal["active", "paused", "completed", "detached"] | None = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """The newest first."""
    return caller.reads_at(min_position).schedules.list(
        caller.principal, workflow_id=workflow_id, status=status, limit=limit, after=after
    )


@router.get("/{schedule_id}", response_model=ScheduleRow, openapi_extra=grant("schedules.get"))
def get_schedule(caller: Here, schedule_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """One schedule."""
    return caller.reads_at(min_position).schedules.get(caller.principal, schedule_id)


@router.post("/{schedule_id}/pause", response_model=ScheduleAccepted, openapi_extra=grant("PauseSchedule"))
def pause_schedule(
    caller: Commanding, schedule_id: PathId, body: PauseScheduleBody, response: Response
) -> dict[str, Any]:
    """Stop a schedule from firing until it is resumed."""
    return caller.answer(PauseSchedule(id_of(schedule_id), body.note), response, reason=body.note)


@router.post("/{schedule_id}/resume", response_model=ScheduleAccepted, openapi_extra=grant("ResumeSchedule"))
def resume_schedule(
    caller: Commanding, schedule_id: PathId, body: ResumeScheduleBody, response: Response
) -> dict[str, Any]:
    """Let a paused schedule fire again; needs a fresh acknowledgement."""
    return caller.answer(ResumeSchedule(id_of(schedule_id), **body.model_dump()), response)


@router.post("/{schedule_id}/detach", response_model=ScheduleAccepted, openapi_extra=grant("DetachSchedule"))
def detach_schedule(
    caller: Commanding, schedule_id: PathId, response: Response, body: NoteBody | None = None
) -> dict[str, Any]:
    """End a schedule for good."""
    note = body.note if body else ""
    return caller.answer(DetachSchedule(id_of(schedule_id), note), response, reason=note or None)
