"""Simulation: what a workflow would do to some people, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from commands.simulation import MOST_PEOPLE, SAMPLE, SimulateWorkflow
from mcp_adapter.schemas import Answer, Arguments, Row
from mcp_adapter.tool import READS_ONLY, Call, Tool
from mcp_adapter.tools.fields import Values, WorkflowId, within
from projections.page import as_id

RUNS_BUDGET = 12_000
"""Characters of rendered runs that one answer carries; the counts are of all of them."""


class Simulate(Arguments):
    workflow_id: WorkflowId
    sample: Annotated[int, Field(ge=1, le=MOST_PEOPLE)] = SAMPLE
    people: list[str] = Field([], max_length=MOST_PEOPLE, description="distinct_ids, instead of a sample.")
    variables: Values = {}
    inputs: dict[str, Any] = Field({}, description="Of a manual workflow.")
    decisions: dict[str, Literal["approved", "rejected", "expired"]] = Field(
        {}, description="Answers by approval step; else approved."
    )


class SimulatedStep(Row):
    id: str
    type: str
    passed: int
    ways: dict[str, int]


class Simulated(Answer):
    workflow_id: str
    workflow_version: int
    workflow_status: str
    people: int
    outcomes: dict[str, int]
    steps: list[SimulatedStep]
    missing_fields: dict[str, int]
    runs: list[dict[str, Any]]
    runs_omitted: int | None = None


def simulate(call: Call, given: Simulate) -> Simulated:
    command = SimulateWorkflow(
        as_id(given.workflow_id, "workflow.not_found"), **given.model_dump(exclude={"workflow_id"})
    )
    data = call.dispatch(command).data
    runs, _ = within(RUNS_BUDGET, [_plain(run) for run in data["runs"]])
    omitted = len(data["runs"]) - len(runs)
    summary = f"Simulated: {', '.join(f'{count} {name}' for name, count in data['outcomes'].items()) or 'nobody'}. "
    summary += "Nothing was sent and nothing was recorded."
    if omitted:
        summary += f" {omitted} of the runs are left out here; the counts are of all."
    return Simulated(**{**data, "runs": runs, "runs_omitted": omitted or None, "summary": summary})


def _plain(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if value not in (None, {}, [])}


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-simulate",
        "Try a workflow out",
        "Walk some people of the audience (or named ones) through a draft or active workflow: waits are skipped, "
        "nothing is sent, nothing is recorded. Answers with counts by branch, what would be sent, missing fields.",
        "SimulateWorkflow",
        Simulate,
        Simulated,
        READS_ONLY,
        simulate,
    ),
)
