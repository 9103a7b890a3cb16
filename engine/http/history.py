"""The log, and states of the past."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, Field

from engine.http.answers import PageAnswer
from engine.http.caller import After, Here, Limit, PathId, StreamFilter
from engine.http.route import StrictRoute, grant
from engine.http.schemas import instant
from projections.page import Page

log = APIRouter(prefix="/api/v1/log", tags=["log"], route_class=StrictRoute)
streams = APIRouter(prefix="/api/v1/streams", tags=["log"], route_class=StrictRoute)

Source = Literal["web", "api", "mcp", "cli", "scheduler", "system"]
Since = Annotated[datetime | None, BeforeValidator(instant), Query(description="Recorded at or after this instant.")]
Until = Annotated[datetime | None, BeforeValidator(instant), Query(description="Recorded before this instant.")]
Time = Annotated[
    datetime | None, BeforeValidator(instant), Query(description="As it was at this instant; or give a position.")
]


def _place(description: str) -> Any:
    return Query(ge=1, lt=2**53, description=description)


class EventRow(BaseModel):
    """A recorded fact, or (`call.refused.v1`) a call that was refused: who, when, by which way, and what."""

    position: int
    recorded_at: datetime
    topic: str
    kind: Annotated[
        str, Field(description="Of the stream: workflow, schedule, batch_job, key, project, cohort, refusal.")
    ]
    stream_id: UUID
    version: Annotated[int, Field(description="Place of the event in its stream.")]
    actor: Annotated[str, Field(description="The key's id, or the part of the engine.")]
    source: str
    on_behalf_of: str | None
    owner: Annotated[str | None, Field(description="The user who answers for that key.")]
    via: Annotated[str | None, Field(description="The route, the tool, or the part of the engine.")]
    client: Annotated[str | None, Field(description="As the program calls itself; it proves nothing.")]
    request_id: str | None
    correlation_id: str | None
    reason: str | None
    data: Annotated[dict[str, Any], Field(description="What the event itself says, as it was recorded.")]


class MomentAnswer(BaseModel):
    """Where a state stands: the last event that it is made of."""

    position: int
    version: int
    recorded_at: datetime


class StateAnswer(MomentAnswer):
    stream_id: UUID
    kind: str
    state: dict[str, Any]


class ChangeAnswer(BaseModel):
    pointer: Annotated[str, Field(description="JSON pointer into the state.")]
    before: Any = None
    after: Any = None


class DiffAnswer(BaseModel):
    """Objects are compared field by field, anything else as a whole; null is also what is not there."""

    stream_id: UUID
    kind: str
    before: MomentAnswer
    after: MomentAnswer
    changes: list[ChangeAnswer]


@log.get("", response_model=PageAnswer[EventRow], openapi_extra=grant("log.read"))
def read_log(
    caller: Here,
    *,
    stream_id: StreamFilter = None,
    topic: Annotated[str | None, Query(max_length=200, description="How the topic begins: `schedule.`")] = None,
    actor: Annotated[str | None, Query(max_length=200, description="Only by this key.")] = None,
    source: Source | None = None,
    refused: Annotated[bool, Query(description="Only calls that were refused.")] = False,
    since: Since = None,
    until: Until = None,
    from_position: Annotated[int | None, _place("Oldest first, from here on; else the newest first.")] = None,
    limit: Limit = 20,
    after: After = None,
) -> Page:
    """What was done and what was refused, by whom, the newest first or from a position on."""
    return caller.reads.log.read(
        caller.principal,
        stream_id=stream_id,
        topic=topic,
        actor=actor,
        source=source,
        refused=refused,
        since=since,
        until=until,
        from_position=from_position,
        limit=limit,
        after=after,
    )


@log.get("/{position}", response_model=EventRow, openapi_extra=grant("log.get"))
def get_event(caller: Here, position: PathId) -> dict[str, Any]:
    """One event by its position."""
    return caller.reads.log.get(caller.principal, position)


@streams.get("/{stream_id}/state", response_model=StateAnswer, openapi_extra=grant("state.at"))
def get_state_at(
    caller: Here,
    stream_id: PathId,
    position: Annotated[int | None, _place("As it was when the log stood here.")] = None,
    time: Time = None,
) -> dict[str, Any]:
    """A workflow, schedule, batch job, key, cohort or the project as it was at a position or a time; else as it is.

    The events up to there are folded with the code of today. What had not begun then is a 404 `stream.not_begun`.
    """
    return caller.system.replay.state_at(caller.principal, stream_id, position=position, time=time)


@streams.get("/{stream_id}/diff", response_model=DiffAnswer, openapi_extra=grant("state.diff"))
def get_state_diff(
    caller: Here,
    stream_id: PathId,
    from_position: Annotated[int, _place("Where the log stood before.")],
    to_position: Annotated[int | None, _place("Where it stood afterwards; else now.")] = None,
) -> dict[str, Any]:
    """What is different in a state between two positions of the log."""
    return caller.system.replay.diff(caller.principal, stream_id, from_position=from_position, to_position=to_position)
