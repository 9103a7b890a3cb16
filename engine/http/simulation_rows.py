"""What is sent back about a simulation."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field


class SimulatedStep(BaseModel):
    id: str
    type: str
    passed: Annotated[int, Field(description="How often somebody passed it.")]
    ways: Annotated[dict[str, int], Field(description="How many left it by which branch, or with which outcome.")]


class SimulatedRun(BaseModel):
    person_id: int | None
    distinct_id: str | None
    status: str
    reason: str | None
    not_reached_because: Annotated[str | None, Field(description="Why a batch would leave this named person out.")]
    steps: list[dict[str, Any]]
    variables: dict[str, Any]


class SimulationAnswer(BaseModel):
    """How some people would walk through the workflow. Nothing of it has happened."""

    workflow_id: UUID
    workflow_version: int
    workflow_status: str
    people: int
    outcomes: dict[str, int]
    steps: list[SimulatedStep]
    missing_fields: Annotated[dict[str, int], Field(description="How many of them lack each property that is read.")]
    runs: list[SimulatedRun]
