"""What may be sent to have people reached, or reached again. Closed and strict like every body."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from commands.terms import TERM_LIMIT
from engine.http.schemas import Body, BreakerBody, Count, Note, Token, Values
from engine.http.terms import Exdates, Growth, Lifted, Rate, Rule, Start, Zone


class SizedSchedule(Body):
    """The schedule that the token is for: a new one, or with `schedule_id` what changes of one."""

    schedule_id: Annotated[
        str | None, Field(max_length=TERM_LIMIT, description="One that is to be revised or resumed.")
    ] = None
    rrule: Rule | None = None
    starts_at: Start | None = None
    timezone: Zone | None = None
    exdates: Exdates | None = None
    max_growth: Growth | None = None
    lifted: Lifted = Field(default_factory=list)


class SizeBody(Body):
    """What the confirm token is made for, exactly: say here what the order will say."""

    variables: Annotated[
        Values | None, Field(description="Unset: those of the schedule that is named, or the workflow's defaults.")
    ] = None
    freeze: Annotated[
        bool, Field(description="Keep these people until the token expires: the job that it buys reaches them.")
    ] = False
    rate: Rate | None = None
    breaker: BreakerBody | None = None
    schedule: Annotated[SizedSchedule | None, Field(description="For a schedule instead of a batch.")] = None
    inputs: Annotated[
        dict[str, Any] | None, Field(description="For one run of a manual workflow, with these inputs.")
    ] = None


class ConfirmBody(Body):
    """The number of people, as a human who did not ask for it read and typed it."""

    acknowledged_affected_count: Count
    note: Note = ""


class ResumeBatchJobBody(Body):
    """A human needs none of it; an agent does for what a human or the breaker paused."""

    acknowledged_affected_count: Count | None = None
    confirm_token: Token | None = None


class AgentRunsBody(Body):
    """Whether agents start runs of a manual workflow that can send."""

    agent_runs: Literal["never", "confirmed", "free"]


class RunBatchBody(Body):
    """An order to contact exactly the people who were acknowledged."""

    acknowledged_affected_count: Count
    confirm_token: Token | None = None
    variables: Values = Field(default_factory=dict)
    rate: Rate | None = None
    breaker: BreakerBody | None = None


class RetryFailedBody(Body):
    """An order to contact exactly the people whose runs of a job failed."""

    acknowledged_affected_count: Count
    confirm_token: Token | None = None


class DecideUnknownBody(Body):
    """What became of an effect: `retry` sends it again with the same key."""

    decision: Literal["delivered", "retry", "failed"]
    note: Note = ""
