"""Waits for a fixed time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from aggregates.steps.base import Config, Park, Plan, StepType

LONGEST = timedelta(days=365)
ISO_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?",
    re.ASCII,
)
UNITS = ("weeks", "days", "hours", "minutes", "seconds")

Amount = Annotated[int, Field(ge=0, le=10**9)]


class DelayConfig(Config):
    duration: str | None = Field(None, max_length=50, description="ISO 8601, such as PT5M, P1D or P1DT12H.")
    weeks: Amount | None = None
    days: Amount | None = None
    hours: Amount | None = None
    minutes: Amount | None = None
    seconds: Amount | None = None

    @property
    def length(self) -> timedelta:
        """How long people wait."""
        if self.duration is not None:
            match = ISO_DURATION.fullmatch(self.duration)
            assert match, "checked when the config was parsed"
            return timedelta(**{unit: int(amount) for unit, amount in match.groupdict().items() if amount})
        return timedelta(**{unit: getattr(self, unit) or 0 for unit in UNITS})

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.duration is None) == all(getattr(self, unit) is None for unit in UNITS):
            raise _error("delay.invalid", "Give either an ISO duration or a number of days, hours and so on")
        # Years and months have no fixed length, so they are not taken.
        if self.duration is not None:
            match = ISO_DURATION.fullmatch(self.duration)
            if match is None or not any(match.groups()):
                raise _error("delay.invalid", "An ISO duration of whole weeks, days, hours, minutes and seconds")
        if not timedelta(seconds=1) <= self.length <= LONGEST:
            raise _error("delay.out_of_range", "A delay is at least a second and at most 365 days")
        return self


def _error(code: str, message: str) -> PydanticCustomError:
    expected = "1 second to 365 days" if code == "delay.out_of_range" else "duration, or days, hours, minutes, seconds"
    return PydanticCustomError(code, message, {"expected": expected, "example": {"duration": "PT5M"}})


def _as_length(raw: Any) -> Any:
    return {"duration": raw} if isinstance(raw, str) else raw


Length = Annotated[DelayConfig, BeforeValidator(_as_length, json_schema_input_type=str | DelayConfig)]
"""An ISO duration, or an object such as {"days": 3}: the lengths that a delay knows."""


class Delay(StepType[DelayConfig]):
    id = "delay"
    name = "Delay"
    category = "timing"
    description = "Waits for a fixed time, from one second to 365 days, counted from when a person arrives here."
    Config = DelayConfig
    examples = ({"duration": "P1D"}, {"days": 1, "hours": 12})
    waits = True

    def plan(self, config: DelayConfig, now: datetime) -> Plan:
        return Park(now + config.length)
