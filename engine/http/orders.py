"""What may be sent to have people reached, or reached again. Closed and strict like every body."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aggregates.batch_job.pace import MOST_ATTEMPTS
from engine.http.schemas import Body, Count, Note, Token, Values
from engine.http.terms import Rate


class BreakerBody(Body):
    """Pauses the job when more than this share of its attempts has failed, of so many at least."""

    min_attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)]
    max_failure_ratio: Annotated[float, Field(ge=0, lt=1)]


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
