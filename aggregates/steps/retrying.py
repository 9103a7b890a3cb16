"""How long a send goes on that could not be made, or that failed in a way that may pass."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aggregates.steps.delay import DelayConfig, Length

DEFAULT = "PT30M"
LONGEST = timedelta(days=3)


def _bounded(length: DelayConfig) -> DelayConfig:
    if length.length > LONGEST:
        expected = {"expected": "1 second to 3 days", "example": DEFAULT}
        raise PydanticCustomError("retry_for.out_of_range", "A send is tried again for at most three days", expected)
    return length


RetryFor = Annotated[
    Length,
    AfterValidator(_bounded),
    Field(
        default=DEFAULT,
        validate_default=True,
        description="How long a failure that may pass is tried again, from its first; ISO 8601, at most P3D.",
    ),
]

MaxAttempts = Annotated[
    int | None,
    Field(
        default=None,
        ge=1,
        le=100,
        description="Most calls for one person. Unset: as many as retry_for has room for. What only asks to come again "
        "later (429, 421, 4xx of a mail server) is no attempt.",
    ),
]
