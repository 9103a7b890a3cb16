"""What may be sent. Closed and strict: no unknown field, and `"5"` is not 5.

What only the product can judge (content, variables, conditions, rules) is taken as plain JSON and judged there, once,
for every door; here are types and bounds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field

from aggregates.policy import NOTIFIED_AT_MOST
from aggregates.values import NAME_LIMIT, parse_instant
from commands.binding import TOKEN_LIMIT
from commands.confirm import COUNT_LIMIT
from commands.notes import NOTE_LIMIT
from commands.schedule import PREVIEWED_AT_ONCE
from commands.simulation import MOST_PEOPLE, SAMPLE
from commands.workflow import DESCRIPTION_LIMIT
from engine.http.examples import EXAMPLE_EDGES, EXAMPLE_STEPS, EXAMPLE_TRIGGER, EXAMPLE_VARIABLES
from engine.http.terms import CatchUp, Exdates, Expiry, Growth, Overlap, Rule, Start, Window, Zone


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
Cap = Annotated[int, Field(ge=1, le=10**9)]
Amount = Annotated[int, Field(ge=0, le=10**9)]
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
    conditions: Annotated[list[Any], Field(examples=[EXAMPLE_TRIGGER["filters"]])] = Field(default_factory=list)
    members: Annotated[list[str], FailFast(), Field(description="Distinct ids of a static cohort.")] = Field(
        default_factory=list
    )


class PerPersonBody(Body):
    """At most so many messages to one person in so many days."""

    messages: Annotated[int, Field(ge=1, le=1_000)]
    days: Annotated[int, Field(ge=1, le=366)]


class LimitsBody(Body):
    """What is narrowed of the policy above; what is left out is not."""

    max_audience: Annotated[Cap | None, Field(description="The largest audience of one batch job.")] = None
    approval_over: Annotated[
        Amount | None, Field(description="Jobs over more people than this wait for a second person.")
    ] = None
    max_growth: Annotated[
        float | None, Field(ge=0, le=10, description="Most that a schedule's audience may grow, as a share.")
    ] = None
    minimum_interval_minutes: Annotated[
        int | None, Field(ge=60, le=60 * 24 * 366, description="Least time between two occurrences of a schedule.")
    ] = None
    send_mode: Annotated[
        Literal["capture", "live"] | None, Field(description="`capture` keeps every effect inside; `live` adds none.")
    ] = None
    max_sends: Annotated[
        int | None, Field(ge=0, le=200, description="Most sending steps on any path of a workflow.")
    ] = None
    notify_addresses: Annotated[
        list[Annotated[str, Field(max_length=320)]] | None,
        Field(
            max_length=NOTIFIED_AT_MOST,
            description="Own colleagues: of the addresses listed above, those that an email step may name.",
            examples=[["ann@example.com"]],
        ),
    ] = None
    reach_per_day: Annotated[
        Cap | None, Field(description="People that a key may reach in a rolling day, over all its jobs.")
    ] = None
    max_churn: Annotated[
        float | None,
        Field(ge=0, le=1, description="Largest share of an occurrence's people who were not confirmed."),
    ] = None
    per_person: Annotated[
        PerPersonBody | None, Field(description="Most messages to one person in some days; others are `capped`.")
    ] = None
    confirmation: Annotated[
        Literal["relayed", "witnessed"] | None,
        Field(description="`witnessed` has a human confirm what an agent asks for; `relayed` adds nothing."),
    ] = None


class CreateKeyBody(LimitsBody):
    """A key for a service, a person or an agent."""

    name: Name
    scopes: Annotated[list[str], Field(min_length=1, max_length=100, examples=[["workflow:read"]])]
    agent: Annotated[bool, Field(description="For an agent: asks for confirm tokens, can never approve.")] = False
    rate_per_minute: Annotated[Cap | None, Field(description="Requests that it may make in a minute.")] = None
    expires_at: Annotated[datetime, BeforeValidator(instant)] | None = None


class ChangeKeyBody(LimitsBody):
    """What changes; what is left out stays. A limit, a rate or an end that is null is taken away."""

    name: Name | None = None
    scopes: Annotated[list[str], Field(min_length=1, max_length=100, examples=[["workflow:read"]])] | None = None
    agent: Annotated[bool | None, Field(description="It can be set, and is never taken away.")] = None
    rate_per_minute: Annotated[Cap | None, Field(description="Requests that it may make in a minute.")] = None
    expires_at: Annotated[datetime, BeforeValidator(instant)] | None = None
