"""What may be sent. Closed and strict: no unknown field, and `"5"` is not 5.

What only the product can judge (content, variables, conditions, rules) is taken as plain JSON and judged there, once,
for every door; here are types and bounds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from aggregates.pace import MOST_ATTEMPTS
from aggregates.values import NAME_LIMIT, parse_instant
from commands.binding import TOKEN_LIMIT
from commands.confirm import COUNT_LIMIT
from commands.notes import NOTE_LIMIT
from commands.preview import PREVIEWED_AT_ONCE
from commands.simulation import MOST_PEOPLE, SAMPLE
from commands.workflow import DESCRIPTION_LIMIT
from engine.http.examples import (
    EXAMPLE_CONDITIONS,
    EXAMPLE_EDGES,
    EXAMPLE_STEPS,
    EXAMPLE_TRIGGER,
    EXAMPLE_VARIABLES,
)
from engine.http.terms import CatchUp, Exdates, Expiry, Growth, Lifted, Overlap, Rate, Rule, Start, Window, Zone


def instant(value: Any) -> Any:
    """A text with an offset, in UTC; pydantic would take numbers too."""
    if not isinstance(value, str):
        raise ValueError("An instant is a text: 2027-01-31T00:00:00Z.")  # noqa: TRY004  # pydantic wants this one
    return parse_instant(value)


Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT, examples=["Spring launch"])]
Description = Annotated[str, Field(max_length=DESCRIPTION_LIMIT)]
Reason = Annotated[str, Field(max_length=NOTE_LIMIT, examples=["wrong audience"])]
Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT, description="The number that a human confirmed.", examples=[1234])]
Token = Annotated[
    str,
    Field(max_length=TOKEN_LIMIT, description="`confirm_token` of the sizing. Asked of agents; good for one request."),
]
Trigger = Annotated[dict[str, Any], Field(examples=[EXAMPLE_TRIGGER])]
Steps = Annotated[list[Any], Field(examples=[EXAMPLE_STEPS])]
Edges = Annotated[list[Any], Field(examples=[EXAMPLE_EDGES])]
Variables = Annotated[list[Any], Field(examples=[EXAMPLE_VARIABLES])]
Values = Annotated[
    dict[str, Any], Field(description="Values for the workflow's variables.", examples=[{"discount": 20}])
]
Note = Annotated[str, Field(max_length=NOTE_LIMIT)]
Why = Annotated[str, Field(min_length=1, max_length=NOTE_LIMIT)]


Purpose = Annotated[str, Field(max_length=20, description="`marketing`, or `transactional`: not for agents.")]
Topic = Annotated[str, Field(max_length=64, description="What it is about, such as `product-news`; empty for none.")]


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
    purpose: Purpose | None = None
    topic: Topic | None = None


class EditWorkflowBody(Body):
    """A change of a draft; what is left out stays as it is."""

    version: Annotated[int, Field(ge=0, le=COUNT_LIMIT, description="The version that the edit was made against.")]
    name: Name | None = None
    description: Description | None = None
    trigger: Trigger | None = None
    steps: Steps | None = None
    edges: Edges | None = None
    variables: Variables | None = None
    purpose: Purpose | None = None
    topic: Topic | None = None


class ReasonBody(Body):
    """Why; it goes into the log."""

    reason: Reason | None = None


class RunWorkflowBody(Body):
    """What one run of a manual workflow is started with."""

    inputs: Annotated[dict[str, Any], Field(description="By name, as declared.", examples=[{"order": "A-1"}])] = Field(
        default_factory=dict
    )
    version: Annotated[
        int | None, Field(ge=1, le=COUNT_LIMIT, description="A version that has been active; else the present one.")
    ] = None
    acknowledged_affected_count: Annotated[
        Count | None, Field(description="1, as a sizing with these inputs says. Asked of agents.")
    ] = None
    confirm_token: Token | None = None


class SimulateBody(Body):
    """Who walks through the workflow, and with what."""

    sample: Annotated[int, Field(ge=1, le=MOST_PEOPLE, description="So many people of the audience.")] = SAMPLE
    people: Annotated[
        list[str], FailFast(), Field(max_length=MOST_PEOPLE, description="Distinct ids, instead of a sample.")
    ] = Field(default_factory=list)
    variables: Values = Field(default_factory=dict)
    inputs: Annotated[dict[str, Any], Field(description="Of a manual workflow.")] = Field(default_factory=dict)
    decisions: Annotated[
        dict[str, Literal["approved", "rejected", "expired"]],
        Field(description="Answers of approval steps, by their id; `approved` where nothing is said."),
    ] = Field(default_factory=dict)


class CancelBody(Body):
    """Why; it goes into the log."""

    reason: Why = "cancelled by request"


class GivenReasonBody(Body):
    """Why; required, and it goes into the log."""

    reason: Why


class ApproveBatchJobBody(Body):
    """The audience of today, confirmed by somebody who did not ask for the job."""

    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    note: Note = ""


class DecideStepBody(Body):
    """The answer of an approval step; it is final."""

    decision: Literal["approved", "rejected"]
    note: Note = ""


class BreakerBody(Body):
    """Pauses a job when more than this share of its attempts has failed, of so many at least."""

    min_attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)]
    max_failure_ratio: Annotated[float, Field(ge=0, lt=1)]


class AttachScheduleBody(Body):
    """A recurrence; the acknowledged count becomes its standing approval."""

    rrule: Rule
    starts_at: Start
    timezone: Zone = "UTC"
    exdates: Exdates = Field(default_factory=list)
    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    variables: Values = Field(default_factory=dict)
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    catch_up_window_minutes: Window = 60
    max_growth: Growth | None = None
    approval_expires_at: Expiry | None = None
    rate: Rate | None = None
    breaker: BreakerBody | None = None


class ReviseScheduleBody(Body):
    """What changes; what is left out stays. A schedule that is active needs the count of a fresh sizing as well."""

    rrule: Rule | None = None
    starts_at: Start | None = None
    timezone: Zone | None = None
    exdates: Exdates | None = None
    acknowledged_affected_count: Count | None = None
    confirm_token: Token | None = None
    variables: Values | None = None
    overlap: Overlap | None = None
    catch_up: CatchUp | None = None
    catch_up_window_minutes: Window | None = None
    max_growth: Growth | None = None
    approval_expires_at: Expiry | None = None
    rate: Rate | None = None
    breaker: BreakerBody | None = None
    lifted: Lifted = Field(default_factory=list)


class PreviewBody(Body):
    """A recurrence that nobody has attached yet."""

    rrule: Rule
    starts_at: Start
    timezone: Zone = "UTC"
    exdates: Exdates = Field(default_factory=list)
    count: Annotated[
        int, Field(description="How many.", json_schema_extra={"minimum": 1, "maximum": PREVIEWED_AT_ONCE})
    ] = 10


class PauseScheduleBody(Body):
    """Why it is paused; required."""

    note: Why


class ResumeScheduleBody(Body):
    """A fresh acknowledgement: the audience may have changed while the schedule stood still."""

    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    max_growth: Growth | None = None
    approval_expires_at: Expiry | None = None


class NoteBody(Body):
    """Why, if you like."""

    note: Note = ""


class CreateCohortBody(Body):
    """A named set of people."""

    name: Name
    kind: Literal["static", "dynamic", "behavioral"]
    description: Annotated[str, Field(max_length=2_000)] = ""
    conditions: Annotated[list[Any], Field(examples=[EXAMPLE_CONDITIONS])] = Field(default_factory=list)
    members: Annotated[list[str], FailFast(), Field(description="Distinct ids of a static cohort.")] = Field(
        default_factory=list
    )
