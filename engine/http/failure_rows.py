"""What is sent back about failures of a job."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field


class FailureRow(BaseModel):
    """What failed at one step, for one reason, at one host."""

    step_id: Annotated[str | None, Field(description="Null for runs that were given up before their first step.")]
    reason: str
    meaning: Annotated[str | None, Field(description="What the reason says; null where it is `withheld`.")]
    host: Annotated[str | None, Field(description="Where it was sent; null for the mail server and for nowhere.")]
    failed: Annotated[int, Field(description="Runs that ended there as failed.")]
    went_on: Annotated[int, Field(description="Runs that went on although the step failed (`on_error: continue`).")]
    retried: Annotated[int, Field(description="Attempts that failed, and after which another one is made.")]


class FailuresAnswer(BaseModel):
    """What failed in a job, by step, reason and host; the most failed runs first."""

    batch_job_id: UUID
    failed: Annotated[int, Field(description="Runs of the job that failed, for whatever reason.")]
    unaccounted: Annotated[int, Field(description="How many of them failed before failures were counted like this.")]
    failures: list[FailureRow]
    left_out: Annotated[int, Field(description="How many more combinations there are than are told.")]
