"""Schedules: attach a recurrence to a batch workflow, revise, pause, resume, detach; before and after its times."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from commands.preview import PREVIEWED_AT_ONCE, PreviewSchedule
from commands.schedule import (
    AttachSchedule,
    DetachSchedule,
    PauseSchedule,
    ResumeSchedule,
    ReviseSchedule,
)
from engine.http.answers import PageAnswer
from engine.http.caller import After, Commanding, Here, Limit, PathId, Position, WorkflowFilter, id_of
from engine.http.route import StrictRoute, grant
from engine.http.rows import OccurrenceRow, ScheduleRow
from engine.http.schedule_answers import PreviewAnswer, ScheduleAccepted
from engine.http.schemas import (
    AttachScheduleBody,
    NoteBody,
    PauseScheduleBody,
    PreviewBody,
    ResumeScheduleBody,
    ReviseScheduleBody,
)
from projections.page import Page

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"], route_class=StrictRoute)
of_workflow = APIRouter(prefix="/api/v1/workflows", tags=["schedules"], route_class=StrictRoute)


@of_workflow.post(
    "/{workflow_id}/schedules",
    status_code=201,
    response_model=ScheduleAccepted,
    responses={202: {"model": ScheduleAccepted, "description": "A human has to confirm it: see `confirm_url`."}},
    openapi_extra=grant("AttachSchedule"),
)
def attach_schedule(
    caller: Commanding, workflow_id: PathId, body: AttachScheduleBody, response: Response
) -> dict[str, Any]:
    """Repeat a batch workflow. Real people are contacted at every occurrence; the count is a standing approval."""
    answer = caller.answer(AttachSchedule(workflow_id=id_of(workflow_id), **body.model_dump()), response)
    if answer.get("confirmation_id"):
        response.status_code = 202
        response.headers["Location"] = f"/api/v1/confirmations/{answer['confirmation_id']}"
    else:
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


@router.post("/preview", response_model=PreviewAnswer, openapi_extra=grant("PreviewSchedule"))
def preview_recurrence(caller: Here, body: PreviewBody) -> Any:
    """The next occurrences of a recurrence that is nowhere yet. Records nothing, contacts nobody."""
    return caller.dispatch(PreviewSchedule(**body.model_dump())).data


@router.get("/{schedule_id}", response_model=ScheduleRow, openapi_extra=grant("schedules.get"))
def get_schedule(caller: Here, schedule_id: PathId, min_position: Position = 0) -> dict[str, Any]:
    """One schedule."""
    return caller.reads_at(min_position).schedules.get(caller.principal, schedule_id)


@router.patch("/{schedule_id}", response_model=ScheduleAccepted, openapi_extra=grant("ReviseSchedule"))
def revise_schedule(
    caller: Commanding, schedule_id: PathId, response: Response, body: ReviseScheduleBody | None = None
) -> dict[str, Any]:
    """Change a schedule. One that is active needs a fresh acknowledgement; one that is paused needs it to resume."""
    changes = (body or ReviseScheduleBody()).model_dump()
    return caller.answer(ReviseSchedule(id_of(schedule_id), **changes), response)


@router.get("/{schedule_id}/preview", response_model=PreviewAnswer, openapi_extra=grant("PreviewSchedule"))
def preview_schedule(
    caller: Here, schedule_id: PathId, count: Annotated[int, Query(ge=1, le=PREVIEWED_AT_ONCE)] = 10
) -> Any:
    """The next occurrences of a schedule, paused or not. Records nothing, contacts nobody."""
    found = caller.dispatch(PreviewSchedule(id_of(schedule_id), count=count))
    return {"schedule_id": found.id, **found.data}


@router.get(
    "/{schedule_id}/occurrences",
    response_model=PageAnswer[OccurrenceRow],
    openapi_extra=grant("schedules.occurrences"),
)
def list_occurrences(
    caller: Here,
    schedule_id: PathId,
    *,
    state: Literal["fired", "held", "skipped", "buffered"] | None = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """What became of its times so far, the latest first."""
    return caller.reads_at(min_position).schedules.occurrences(
        caller.principal, schedule_id, state=state, limit=limit, after=after
    )


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
