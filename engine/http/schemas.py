"""What may be sent. Closed and strict: no unknown field, and `"5"` is not 5.

What only the product can judge (content, variables, conditions, rules) is taken as plain JSON and judged there, once,
for every door; here are types and bounds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field

from aggregates.values import NAME_LIMIT
from commands.confirm import COUNT_LIMIT
from commands.schedule import NOTE_LIMIT
from commands.workflow import DESCRIPTION_LIMIT

EXAMPLE_TRIGGER = {
    "type": "batch",
    "filters": {"properties": [{"type": "person", "key": "plan", "operator": "exact", "value": ["pro", "team"]}]},
}
EXAMPLE_STEPS = [
    {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}},
    {"id": "note", "name": "Note", "type": "capture", "config": {"message": "Hello {{ person.email }}"}},
]
EXAMPLE_EDGES = [{"from": "wait", "to": "note", "branch": "next"}]
EXAMPLE_VARIABLES = [{"key": "discount", "type": "number", "default": 10}]


def _instant(value: Any) -> Any:
    """A text with an offset; pydantic would take numbers too."""
    if not isinstance(value, str):
        raise ValueError("An instant is a text: 2027-01-31T00:00:00Z.")  # noqa: TRY004  # pydantic wants this one
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("An instant is written as 2027-01-31T00:00:00Z.") from error
    if instant.tzinfo is None:
        raise ValueError("An instant has an offset: 2027-01-31T00:00:00Z.")
    return instant


Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT, examples=["Spring launch"])]
Description = Annotated[str, Field(max_length=DESCRIPTION_LIMIT)]
Reason = Annotated[str, Field(max_length=NOTE_LIMIT, examples=["wrong audience"])]
Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT, description="The number that a human confirmed.", examples=[1234])]
Token = Annotated[
    str, Field(max_length=4_096, description="`confirm_token` of the sizing. Asked of agents; good for one request.")
]
Trigger = Annotated[dict[str, Any], Field(examples=[EXAMPLE_TRIGGER])]
Steps = Annotated[list[Any], Field(examples=[EXAMPLE_STEPS])]
Edges = Annotated[list[Any], Field(examples=[EXAMPLE_EDGES])]
Variables = Annotated[list[Any], Field(examples=[EXAMPLE_VARIABLES])]
Values = Annotated[
    dict[str, Any], Field(description="Values for the workflow's variables.", examples=[{"discount": 20}])
]
Cap = Annotated[int, Field(ge=1, le=10**9)]


class Body(BaseModel):
    """What every body has in common."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NoFields(Body):
    """An empty object; sending nothing is the same."""


class CreateWorkflowBody(Body):
    """A new draft. Every problem of its content is reported at once."""

    name: Name
    description: Description = ""
    trigger: Trigger | None = None
    steps: Steps = Field(default_factory=list)
    edges: Edges = Field(default_factory=list)
    variables: Variables = Field(default_factory=list)


class EditWorkflowBody(Body):
    """A change of a draft; what is left out stays as it is."""

    version: Annotated[int, Field(ge=0, le=COUNT_LIMIT, description="The version that the edit was made against.")]
    name: Name | None = None
    description: Description | None = None
    trigger: Trigger | None = None
    steps: Steps | None = None
    edges: Edges | None = None
    variables: Variables | None = None


class ReasonBody(Body):
    """Why; it goes into the log."""

    reason: Reason | None = None


class SizeBody(Body):
    """With which variables the workflow would run; the confirm token is made for exactly these."""

    variables: Values = Field(default_factory=dict)


class RunBatchBody(Body):
    """An order to contact exactly the people who were acknowledged."""

    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    variables: Values = Field(default_factory=dict)


class CancelBody(Body):
    """Why; it goes into the log."""

    reason: Annotated[str, Field(min_length=1, max_length=NOTE_LIMIT)] = "cancelled by request"


class AttachScheduleBody(Body):
    """A recurrence; the acknowledged count becomes its standing approval."""

    rrule: Annotated[str, Field(min_length=1, max_length=1_000, examples=["FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"])]
    starts_at: Annotated[
        str, Field(max_length=64, description="Local wall time in `timezone`.", examples=["2027-01-04T09:00:00"])
    ]
    timezone: Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])] = "UTC"
    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    variables: Values = Field(default_factory=dict)


class PauseScheduleBody(Body):
    """Why it is paused; required."""

    note: Annotated[str, Field(min_length=1, max_length=NOTE_LIMIT)]


class ResumeScheduleBody(Body):
    """A fresh acknowledgement: the audience may have changed while the schedule stood still."""

    acknowledged_affected_count: Count
    confirm_token: Token | None = None


class NoteBody(Body):
    """Why, if you like."""

    note: Annotated[str, Field(max_length=NOTE_LIMIT)] = ""


class CreateCohortBody(Body):
    """A named set of people."""

    name: Name
    kind: Literal["static", "dynamic", "behavioral"]
    description: Annotated[str, Field(max_length=2_000)] = ""
    conditions: Annotated[list[Any], Field(examples=[EXAMPLE_TRIGGER["filters"]])] = Field(default_factory=list)
    members: Annotated[list[str], FailFast(), Field(description="Distinct ids of a static cohort.")] = Field(
        default_factory=list
    )


class CreateKeyBody(Body):
    """A key for a service, a person or an agent."""

    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=100, examples=[["workflow:read"]])]
    agent: Annotated[bool, Field(description="For an agent: asks for confirm tokens, can never approve.")] = False
    max_audience: Annotated[Cap | None, Field(description="The largest audience that this key may reach.")] = None
    rate_per_minute: Annotated[Cap | None, Field(description="Requests that it may make in a minute.")] = None
    expires_at: Annotated[datetime, BeforeValidator(_instant)] | None = None
