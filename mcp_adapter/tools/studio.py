"""The nine tools of another engine's agents, under their own names and parameters: what /mcp/studio offers.

Each stands for the same command or read as ours, with the same grant; nothing can be done here that cannot be done
there. Its fields are in camelCase, as those agents know them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from commands.confirm import COUNT_LIMIT
from commands.context import Accepted
from commands.runs import CancelRun, RunWorkflow
from engine import components
from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Effect, Tool
from mcp_adapter.tools import runs, workflows
from mcp_adapter.tools.fields import After, IdempotencyKey, Reason, Token, page_summary
from projections.page import as_id
from projections.runs import ENDED

CAMEL = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


HELD = (
    "It is held, and nothing is sent, until a person who did not ask for it confirms it. Give confirmUrl to the user, "
    "stop and wait; do not call again."
)


class Given(Arguments):
    model_config = ConfigDict(alias_generator=to_camel)


class Told(Answer):
    model_config = CAMEL


class Line(Row):
    model_config = CAMEL


class Nothing(Given):
    pass


class ListWorkflows(Given):
    after: After | None = None


class WorkflowLine(Line):
    id: Text
    name: str
    status: str
    current_version: int
    trigger_type: str
    updated_at: Text


class Workflows(Told):
    workflows: list[WorkflowLine]
    next_cursor: str | None = None


class OfWorkflow(Given):
    workflow_id: str


class WorkflowWhole(WorkflowLine, Told):
    description: str
    trigger: dict[str, Any]
    steps: list[Any]
    edges: list[Any]
    variables: list[Any]


class RunWorkflowGiven(Given):
    workflow_id: str
    inputs: dict[str, Any] = {}
    version_id: int | None = Field(None, ge=1, le=COUNT_LIMIT, description="A version that has been active.")
    acknowledged_affected_count: int | None = Field(None, description="1, as a human confirmed it.")
    confirm_token: Token | None = Field(None, description="Of a sizing with the same inputs.")
    idempotency_key: IdempotencyKey | None = None


class RunTold(Told):
    run_id: str
    workflow_id: str
    workflow_version: int
    status: str
    confirm_url: str | None = None
    held_until: str | None = None


class OfComponent(Given):
    component_id: str


class ComponentLine(Line):
    id: str
    name: str
    category: str
    description: str
    external: bool


class Components(Told):
    components: list[ComponentLine]


class Component(ComponentLine, Told):
    ports: list[str]
    config_schema: dict[str, Any]
    examples: list[dict[str, Any]]


class ListRuns(Given):
    workflow_id: str | None = None
    status: runs.Status | None = None
    limit: int = Field(20, ge=1, le=100)
    after: After | None = None


class RunLine(Line):
    run_id: str
    workflow_id: Text | None = None
    workflow_version: int | None = None
    status: str
    reached: bool
    started_at: Text | None = None
    updated_at: Text | None = None


class Runs(Told):
    runs: list[RunLine]
    next_cursor: str | None = None


class OfRun(Given):
    run_id: str


class RunStanding(RunLine, Told):
    ended: bool
    progress: dict[str, int]
    failure: str | None = None


class RunOutcome(Told):
    run_id: str
    status: str
    reached: bool
    finished: bool
    result: dict[str, Any] | None = None
    outputs_omitted: bool | None = None
    next: str | None = None


class CancelGiven(OfRun):
    reason: Reason = "Cancelled by an agent."


def list_workflows(call: Call, given: ListWorkflows) -> Workflows:
    page = call.system.reads.workflows.list(call.principal, limit=50, after=given.after)
    rows = [WorkflowLine(**row | {"current_version": row["version"]}) for row in page.data]
    summary = page_summary(len(rows), "workflow", page.next_cursor)
    return Workflows(summary=summary, workflows=rows, next_cursor=page.next_cursor)


def get_workflow(call: Call, given: OfWorkflow) -> WorkflowWhole:
    found = workflows.get_workflow(call, workflows.GetWorkflow.model_validate({"workflow_id": given.workflow_id}))
    data = found.model_dump()
    summary = f"A workflow, {data['status']}, version {data['version']}, with {len(data['steps'])} steps."
    if data["configs_omitted"]:
        summary += " It is large: its steps come without their configs."
    told = {"summary": summary, "id": data["workflow_id"], "current_version": data["version"]}
    return WorkflowWhole(**{**data, **told})


def run_workflow(call: Call, given: RunWorkflowGiven) -> RunTold:
    command = RunWorkflow(
        as_id(given.workflow_id, "workflow.not_found"),
        given.inputs,
        given.version_id,
        given.acknowledged_affected_count,
        given.confirm_token,
    )
    accepted = call.dispatch(command, idempotency_key=given.idempotency_key)
    if accepted.data.get("confirm_url"):
        return _run(accepted, HELD)
    return _run(accepted, "The run has begun. Follow it with get_run_status.")


def list_components(call: Call, given: Nothing) -> Components:
    found = components.listed(call.principal)
    rows = [ComponentLine(**row) for row in found]
    return Components(summary=page_summary(len(rows), "component", None), components=rows)


def get_component(call: Call, given: OfComponent) -> Component:
    found = components.one(call.principal, given.component_id)
    return Component(summary="A step type.", **found)


def list_runs(call: Call, given: ListRuns) -> Runs:
    page = call.system.reads.runs.list(call.principal, **given.model_dump())
    rows = [RunLine(**row | {"started_at": row["requested_at"]}) for row in page.data]
    return Runs(summary=page_summary(len(rows), "run", page.next_cursor), runs=rows, next_cursor=page.next_cursor)


def get_run_status(call: Call, given: OfRun) -> RunStanding:
    row = call.system.reads.runs.get(call.principal, given.run_id)
    ended = row["status"] in ENDED
    told = {
        "summary": f"The run is {row['status']}.",
        "ended": ended,
        "started_at": row["requested_at"],
        "progress": {"steps": len(row["steps"])},
        "failure": row["reason"] if row["status"] == "failed" else None,
    }
    return RunStanding(**row | told)


def get_run_result(call: Call, given: OfRun) -> RunOutcome:
    found = runs.get_result(call, runs.GetResult(run_id=given.run_id))
    summary = f"The run has ended: {found.status}." if found.finished else f"The run is {found.status}; it goes on."
    if found.outputs_omitted:
        summary += " Its outputs are large and were left out."
    waits = None if found.finished else "Ask get_run_status until it has ended."
    told = {"summary": summary, "result": found.output, "next": waits}
    return RunOutcome(**found.model_dump(exclude={"output", "next"}) | told)


def cancel_run(call: Call, given: CancelGiven) -> RunTold:
    accepted = call.dispatch(CancelRun(given.run_id, given.reason), reason=given.reason)
    return _run(accepted, f"Nothing more is done for this run; it is {accepted.data['status']} now.")


def _run(accepted: Accepted, summary: str) -> RunTold:
    return RunTold(summary=summary, **accepted.data)


def _tool(
    handler: Callable[[Call, Any], Any], does: str, grant: str, takes: Any, gives: Any, *, effect: Effect = READS_ONLY
) -> Tool[Any, Any]:
    """A tool that is called as its handler is."""
    name = handler.__name__
    return Tool(name, name.replace("_", " ").capitalize(), does, grant, takes, gives, effect, handler)


TOOLS: tuple[Tool[Any, Any], ...] = (
    _tool(list_workflows, "List workflows.", "workflows.list", ListWorkflows, Workflows),
    _tool(get_workflow, "Read a workflow.", "workflows.get", OfWorkflow, WorkflowWhole),
    _tool(
        run_workflow,
        "Start one run of an active manual workflow. Its effects are REAL. Answers at once with runId; one with "
        "confirmUrl waits for a person: give it to the user and stop.",
        "RunWorkflow",
        RunWorkflowGiven,
        RunTold,
        effect=Effect(destroys=True, repeatable=False, reaches_out=True),
    ),
    _tool(list_components, "List the step types of workflows.", "components.list", Nothing, Components),
    _tool(get_component, "Read a step type: config schema, ports.", "components.get", OfComponent, Component),
    _tool(list_runs, "List runs, newest first.", "runs.list", ListRuns, Runs),
    _tool(get_run_status, "How a run stands.", "runs.get", OfRun, RunStanding),
    _tool(get_run_result, "What a run came to. Never waits.", "runs.result", OfRun, RunOutcome),
    _tool(
        cancel_run,
        "Do nothing more for a run; what was sent stays sent.",
        "CancelRun",
        CancelGiven,
        RunTold,
        effect=Effect(destroys=True),
    ),
)

STUDIO: Mapping[str, tuple[Tool[Any, Any], ...]] = {"studio": TOOLS}
"""The table of that address: one toolset."""
