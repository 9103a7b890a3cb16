"""Workflows: list, read, create, change a draft, enable, archive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aggregates.errors import DomainError
from aggregates.values import NAME_LIMIT
from commands.confirm import COUNT_LIMIT
from commands.context import Accepted
from commands.workflow import DESCRIPTION_LIMIT, ArchiveWorkflow, CreateWorkflow, EditWorkflow, EnableWorkflow
from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Effect, Tool
from mcp_adapter.tools.fields import After, IdempotencyKey, Limit, ScheduleId, WorkflowId, page_summary
from mcp_adapter.tools.schedule_rows import AttachedSchedule, attached, liveness, within_budget
from projections.page import as_id

CONTENT_BUDGET = 16_000
"""Characters of content that one answer carries; beyond, steps come without their configs."""

Trigger = Annotated[
    dict[str, Any],
    Field(
        description='{"type":"batch","filters":{"properties":[{"type":"person","key":"plan","operator":"exact",'
        '"value":["pro"]},{"type":"cohort","key":"id","operator":"in","value":"<cohort id>"}]}}. All conditions must '
        "hold; [] is everyone. Operators: exact, is_not, icontains, regex, gt, lt, is_set, is_date_after: see guide. "
        'Keys: people-properties. Or {"type":"manual","inputs":{"order":{"type":"string","required":true}}}.'
    ),
]
Steps = Annotated[
    list[Any],
    Field(
        description='[{"id","name","type","config"}]; the first is the entry. Types: components-list, components-get.'
    ),
]
Edges = Annotated[list[Any], Field(description='[{"from","to","branch"?}]')]
Variables = Annotated[list[Any], Field(description='[{"key","type":"string|number|boolean","default"}]')]


class ListWorkflows(Arguments):
    status: Literal["draft", "active", "archived"] | None = None
    limit: Limit = 20
    after: After | None = None


class WorkflowRow(Row):
    workflow_id: Text
    name: str
    status: str
    version: int
    trigger_type: str
    updated_at: Text


class WorkflowList(Answer):
    workflows: list[WorkflowRow]
    next_cursor: str | None = None


class GetWorkflow(Arguments):
    workflow_id: WorkflowId
    step_ids: list[str] | None = Field(None, description="Only these steps, in full.")
    schedule_id: ScheduleId | None = Field(None, description="Only this schedule, in full.")


class Workflow(WorkflowRow, Answer):
    description: str
    trigger: dict[str, Any]
    steps: list[Any]
    edges: list[Any]
    variables: list[Any]
    purpose: str | None = None
    topic: str | None = None
    schedules: list[AttachedSchedule]
    schedules_omitted: int | None = None
    configs_omitted: bool | None = None


Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Description = Annotated[str, Field(max_length=DESCRIPTION_LIMIT)]


Topic = Annotated[str, Field(max_length=64, description="What it is about, such as product-news.")]


class Create(Arguments):
    name: Name
    description: Description = ""
    trigger: Trigger
    steps: Steps
    edges: Edges = []
    variables: Variables = []
    topic: Topic | None = None
    idempotency_key: IdempotencyKey | None = None


class Update(Arguments):
    workflow_id: WorkflowId
    version: int = Field(
        ge=0, le=COUNT_LIMIT, description="The version that the change is made against; see workflows-get."
    )
    name: Name | None = None
    description: Description | None = None
    trigger: Trigger | None = None
    steps: Steps | None = None
    edges: Edges | None = None
    variables: Variables | None = None
    topic: Topic | None = None
    idempotency_key: IdempotencyKey | None = None


class Named(Arguments):
    workflow_id: WorkflowId
    idempotency_key: IdempotencyKey | None = None


class Archive(Named):
    reason: str | None = Field(None, max_length=1000)


class Saved(Answer):
    workflow_id: str
    status: str
    version: int
    findings: list[dict[str, Any]]
    paused_jobs: list[str] = Field(description="Batch jobs that stand still because the workflow was stopped.")


def list_workflows(call: Call, given: ListWorkflows) -> WorkflowList:
    page = call.system.reads.workflows.list(call.principal, status=given.status, limit=given.limit, after=given.after)
    rows = [WorkflowRow(**row | {"workflow_id": row["id"]}) for row in page.data]
    summary = page_summary(len(rows), "workflow", page.next_cursor)
    return WorkflowList(summary=summary, workflows=rows, next_cursor=page.next_cursor)


def get_workflow(call: Call, given: GetWorkflow) -> Workflow:
    row = call.system.reads.workflows.get(call.principal, given.workflow_id)
    parts = {name: row[name] for name in ("trigger", "steps", "edges", "variables")}
    omitted = None
    if given.step_ids is not None:
        parts["steps"] = [step for step in parts["steps"] if _id(step) in given.step_ids]
    elif len(json.dumps(parts, ensure_ascii=False)) > CONTENT_BUDGET:
        omitted = True
        parts["steps"] = [{k: v for k, v in step.items() if k != "config"} for step in parts["steps"] if _id(step)]
    summary = f"A workflow, {row['status']}, version {row['version']}, with {len(row['steps'])} steps."
    summary += f" {liveness(row['status'], row['schedules'])}"
    if omitted:
        summary += " It is large: ask again with step_ids for the configs of some steps."
    more = {"summary": summary, "configs_omitted": omitted, **_schedules(call, row, given.schedule_id)}
    return Workflow(**row | parts | {"trigger": parts["trigger"] or {}, "workflow_id": row["id"]} | more)


def _schedules(call: Call, row: Mapping[str, Any], wanted: str | None) -> dict[str, Any]:
    """Those of a workflow that fit into the answer, or the one that is asked for."""
    if wanted is None:
        shown = within_budget(row["schedules"])
        return {"schedules": shown, "schedules_omitted": len(row["schedules"]) - len(shown) or None}
    schedule = call.system.reads.schedules.get(call.principal, wanted)
    if schedule["workflow_id"] != row["id"]:
        raise DomainError("schedule.not_found")
    return {"schedules": [attached(schedule)]}


def create(call: Call, given: Create) -> Saved:
    command = CreateWorkflow(**given.model_dump(exclude={"idempotency_key"}))
    accepted = call.dispatch(command, idempotency_key=given.idempotency_key)
    return saved(accepted, "Created as a draft; nobody is contacted. Next: workflows-enable, then blast-radius.")


def update(call: Call, given: Update) -> Saved:
    fields = given.model_dump(exclude={"idempotency_key", "workflow_id"})
    command = EditWorkflow(workflow_id=_workflow(given.workflow_id), **fields)
    accepted = call.dispatch(command, idempotency_key=given.idempotency_key)
    return saved(accepted, f"The draft is saved; it is at version {accepted.data['version']}.")


def enable(call: Call, given: Named) -> Saved:
    accepted = call.dispatch(EnableWorkflow(_workflow(given.workflow_id)), idempotency_key=given.idempotency_key)
    return saved(accepted, "The workflow is active; nobody is contacted by that. Next: workflows-blast-radius.", STILL)


def archive(call: Call, given: Archive) -> Saved:
    command = ArchiveWorkflow(_workflow(given.workflow_id))
    accepted = call.dispatch(command, idempotency_key=given.idempotency_key, reason=given.reason)
    return saved(accepted, "The workflow is archived: no new batch jobs, and its schedules have ended.", NOW)


def _workflow(text: str) -> Any:
    return as_id(text, "workflow.not_found")


STILL = " {} of its batch jobs stay paused (paused_jobs): batch-jobs-resume each only if the user says so."
NOW = " {} of its batch jobs were paused by that (paused_jobs)."


def saved(accepted: Accepted, summary: str, paused: str = "") -> Saved:
    """The answer; `paused` is the sentence about the jobs that stand still, where there are any."""
    count = len(accepted.data["paused_jobs"])
    return Saved(summary=summary + paused.format(count) if count else summary, **accepted.data)


def _id(step: object) -> str:
    """The id of a stored step; a draft that was saved unfinished may hold anything."""
    return str(step.get("id", "")) if isinstance(step, dict) else ""


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-list",
        "List workflows",
        "List the workflows of the project, newest first, metadata only. Contents: workflows-get.",
        "workflows.list",
        ListWorkflows,
        WorkflowList,
        READS_ONLY,
        list_workflows,
    ),
    Tool(
        "workflows-get",
        "Read a workflow",
        "Read one workflow with its trigger, steps, edges, variables and schedules. The summary says whether it fires "
        "by itself, and when.",
        "workflows.get",
        GetWorkflow,
        Workflow,
        READS_ONLY,
        get_workflow,
    ),
    Tool(
        "workflows-create",
        "Create a workflow",
        "Create a workflow as a draft; nobody is contacted. Content is checked in full and every problem is answered "
        "at once. Each call creates another one, unless idempotency_key is repeated.",
        "CreateWorkflow",
        Create,
        Saved,
        Effect(repeatable=False),
        create,
    ),
    Tool(
        "workflows-update",
        "Change a draft",
        "Change a draft. A part that is given is replaced whole, the others stay: read it with workflows-get first. "
        "An active workflow is refused, because a change would act on real people.",
        "EditWorkflow",
        Update,
        Saved,
        Effect(destroys=True),
        update,
    ),
    Tool(
        "workflows-enable",
        "Enable a workflow",
        "Make a draft active, so that it may be run; nobody is contacted by that. Its content is checked again in "
        "full. Active content cannot be changed with workflows-update, so ask the user first.",
        "EnableWorkflow",
        Named,
        Saved,
        Effect(),
        enable,
    ),
    Tool(
        "workflows-archive",
        "Archive a workflow",
        "Archive a workflow: it takes no new batch jobs and its schedules end for good. What was sent stays sent. "
        "Ask the user first.",
        "ArchiveWorkflow",
        Archive,
        Saved,
        Effect(destroys=True),
        archive,
    ),
)
