"""What is sent back about what waits for a human."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field


class Confirmable(BaseModel):
    """What an answer says when a human has to confirm first; null where none has to."""

    held_because: Annotated[
        str | None, Field(description="`witnessed`, `agent_runs` or `approval_over`: why a human confirms it.")
    ] = None
    confirm_url: Annotated[
        str | None, Field(description="Where a human learns how to confirm it. It allows nothing by itself.")
    ] = None
    confirmation_id: Annotated[UUID | None, Field(description="What waits, when `status` is `unconfirmed`.")] = None
    confirm_until: Annotated[datetime | None, Field(description="When an unconfirmed request is given up.")] = None


class ConfirmationRow(BaseModel):
    """A held batch job or another request of an agent. `asks` is the command that a human would let happen."""

    id: UUID
    status: Annotated[str, Field(description="waiting, confirmed, rejected, expired or withdrawn.")]
    asks: str
    held_because: str
    acknowledged: Annotated[int, Field(description="The number of people that it was asked for.")]
    workflow_id: UUID
    workflow_version: int
    batch_job_id: UUID | None
    schedule_id: UUID | None
    send_mode: str
    requested_by: str
    source: str
    via: Annotated[str | None, Field(description="The route or tool through which it was asked for.")]
    client: str | None
    why: str | None
    requested_at: datetime
    expires_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None


class ConfirmationAnswer(BaseModel):
    """What a human reads before they confirm: what was asked, by whom, and whom it would reach at this moment."""

    confirmation_id: UUID
    status: Annotated[str, Field(description="waiting, confirmed, rejected, expired or withdrawn.")]
    asks: str
    held_because: str | None
    acknowledged: Annotated[int, Field(description="The number to confirm.")]
    affected: Annotated[int | None, Field(description="The number of people now; null if it cannot happen now.")]
    same_people: Annotated[bool, Field(description="Whether they are the people that it was asked for.")]
    excluded: Annotated[dict[str, int], Field(description="People who match now and are left out, by reason.")]
    cannot: Annotated[str | None, Field(description="The code with which it would be refused now, if it would.")]
    workflow_id: UUID
    workflow_name: str
    workflow_version: int
    workflow_status: str
    batch_job_id: UUID | None
    schedule_id: UUID | None
    terms: Annotated[dict[str, Any], Field(description="What the command was given, and what it would answer.")]
    send_mode: str
    requested_by: str
    source: str
    via: Annotated[str | None, Field(description="The route or tool through which it was asked for.")]
    client: str | None
    why: str | None
    requested_at: datetime
    expires_at: datetime | None


class ConfirmationDecided(BaseModel):
    """What came of a decision: `status` is that of the batch job or schedule, or `rejected`."""

    position: Annotated[int, Field(description="Place in the log.")]
    confirmation_id: UUID
    status: str
    batch_job_id: UUID | None = None
    schedule_id: UUID | None = None
    workflow_id: UUID | None = None
    acknowledged: int | None = None
    send_mode: str | None = None
