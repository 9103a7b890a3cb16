"""Asks a human before anybody goes on: one answer for the whole job."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from aggregates.steps.base import Ask, Config, Plan, StepType
from aggregates.steps.delay import Length

Answer = Literal["approved", "rejected"]
PORTS: tuple[Answer, Answer] = ("approved", "rejected")


class ApprovalConfig(Config):
    instructions: str = Field(min_length=1, max_length=5_000, description="What the human reads; plain text.")
    expires_after: Length = Field(description="ISO 8601 such as P3D, or an object such as {days: 3}.")
    on_expiry: Answer = Field(
        description="The way of those who got no answer in time. No agent saves approved, or a way that sends."
    )


class Approval(StepType[ApprovalConfig]):
    id = "approval"
    name = "Approval"
    category = "logic"
    description = (
        "People stop here until a human answers for the whole batch job: `approved` or `rejected`. An answer is final, "
        "also for those who arrive later. Who has waited for `expires_after`, counted from when they arrived, "
        "goes the way of `on_expiry`. An agent cannot answer, nor can whoever asked for the job."
    )
    Config = ApprovalConfig
    examples = (
        {"instructions": "Are the first messages right?", "expires_after": {"days": 3}, "on_expiry": "rejected"},
        {"instructions": "Send the second letter?", "expires_after": "PT12H", "on_expiry": "rejected"},
    )
    waits = True
    lets_through = True

    def ports(self, config: ApprovalConfig) -> tuple[str, ...]:
        return PORTS

    def plan(self, config: ApprovalConfig, now: datetime) -> Plan:
        return Ask(now + config.expires_after.length, config.on_expiry)
