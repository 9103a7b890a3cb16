"""Workflows: define, enable, size, run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response

from commands.batch_job import EXPLAINED_AT_ONCE, ExplainAudience, RunBatch, SizeAudience
from commands.runs import RunWorkflow
from commands.simulation import SimulateWorkflow
from commands.workflow import (
    ArchiveWorkflow,
    CreateWorkflow,
    DisableWorkflow,
    EditWorkflow,
    EnableWorkflow,
    RestoreWorkflow,
    SetAgentRuns,
)
from engine.http.answers import (
    AgentRunsSet,
    BatchJobAccepted,
    ExcludedAnswer,
    PageAnswer,
    RunAccepted,
    SizingAnswer,
    WorkflowAccepted,
)
from engine.http.caller import After, Commanding, Here, Limit, PathId, Position, id_of
from engine.http.orders import AgentRunsBody, RunBatchBody, SizeBody
from engine.http.route import StrictRoute, grant
from engine.http.rows import WorkflowAnswer, WorkflowRow
from engine.http.schemas import (
    CreateWorkflowBody,
    EditWorkflowBody,
    NoFields,
    ReasonBody,
    RunWorkflowBody,
    SimulateBody,
)
from engine.http.simulation_rows import SimulationAnswer
from projections.page import Page

router = APIRouter(prefix="/api/v1/workflows", tags=["workflows"], route_class=StrictRoute)

IfMatch = Annotated[
    str | None,
    Header(pattern=r'^(\*|"[0-9]{1,9}")$', description="ETag of the workflow that was read; another one is a 409."),
]


@router.get("", response_model=PageAnswer[WorkflowRow], openapi_extra=grant("workflows.list"))
def list_workflows(
    caller: Here,
    status: Literal["draft", "active", "archived"] | None = None,
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """The newest first; without content."""
    return caller.reads_at(min_position).workflows.list(caller.principal, status=status, limit=limit, after=after)


@router.post("", status_code=201, response_model=WorkflowAccepted, openapi_extra=grant("CreateWorkflow"))
def create_workflow(caller: Commanding, body: CreateWorkflowBody, response: Response) -> dict[str, Any]:
    """Create a draft. Nobody is contacted by a draft."""
    answer = caller.answer(CreateWorkflow(**body.model_dump()), response)
    response.headers["Location"] = f"{router.prefix}/{answer['workflow_id']}"
    return _tagged(answer, response)


@router.get("/{workflow_id}", response_model=WorkflowAnswer, openapi_extra=grant("workflows.get"))
def get_workflow(caller: Here, workflow_id: PathId, response: Response, min_position: Position = 0) -> dict[str, Any]:
    """One workflow with its content and its schedules."""
    return _tagged(caller.reads_at(min_position).workflows.get(caller.principal, workflow_id), response)


@router.patch("/{workflow_id}", response_model=WorkflowAccepted, openapi_extra=grant("EditWorkflow"))
def edit_workflow(
    caller: Commanding, workflow_id: PathId, body: EditWorkflowBody, response: Response, if_match: IfMatch = None
) -> dict[str, Any]:
    """Change a draft. The version (and the ETag, if sent) that the edit was made against must still be the latest."""
    command = EditWorkflow(workflow_id=id_of(workflow_id), revision=_revision(if_match), **body.model_dump())
    return _tagged(caller.answer(command, response), response)


@router.post("/{workflow_id}/activate", response_model=WorkflowAccepted, openapi_extra=grant("EnableWorkflow"))
def activate_workflow(
    caller: Commanding, workflow_id: PathId, response: Response, body: NoFields | None = None
) -> dict[str, Any]:
    """Make a draft active; its stored content is validated again, in full. Jobs that are paused stay paused."""
    return _tagged(caller.answer(EnableWorkflow(id_of(workflow_id)), response), response)


@router.post("/{workflow_id}/disable", response_model=WorkflowAccepted, openapi_extra=grant("DisableWorkflow"))
def disable_workflow(
    caller: Commanding, workflow_id: PathId, response: Response, body: ReasonBody | None = None
) -> dict[str, Any]:
    """Take an active workflow back to draft; its running jobs are paused."""
    reason = body.reason if body else None
    return _tagged(caller.answer(DisableWorkflow(id_of(workflow_id)), response, reason=reason), response)


@router.post("/{workflow_id}/archive", response_model=WorkflowAccepted, openapi_extra=grant("ArchiveWorkflow"))
def archive_workflow(
    caller: Commanding, workflow_id: PathId, response: Response, body: ReasonBody | None = None
) -> dict[str, Any]:
    """Archive a workflow; it refuses new jobs and its schedules stop."""
    reason = body.reason if body else None
    return _tagged(caller.answer(ArchiveWorkflow(id_of(workflow_id)), response, reason=reason), response)


@router.post("/{workflow_id}/restore", response_model=WorkflowAccepted, openapi_extra=grant("RestoreWorkflow"))
def restore_workflow(
    caller: Commanding, workflow_id: PathId, response: Response, body: NoFields | None = None
) -> dict[str, Any]:
    """Bring an archived workflow back as a draft."""
    return _tagged(caller.answer(RestoreWorkflow(id_of(workflow_id)), response), response)


@router.put("/{workflow_id}/agent-runs", response_model=AgentRunsSet, openapi_extra=grant("SetAgentRuns"))
def set_agent_runs(caller: Commanding, workflow_id: PathId, body: AgentRunsBody, response: Response) -> dict[str, Any]:
    """Say whether agents start runs of a manual workflow that can send. No agent can say it."""
    return _tagged(caller.answer(SetAgentRuns(id_of(workflow_id), body.agent_runs), response), response)


@router.post("/{workflow_id}/blast-radius", response_model=SizingAnswer, openapi_extra=grant("SizeAudience"))
def size_audience(caller: Here, workflow_id: PathId, body: SizeBody | None = None) -> Any:
    """Count whom the workflow would reach now. Contacts nobody. The token in the answer buys what it was sized for.

    That is one batch job at this `rate` and `breaker`, or with `schedule` one change of a schedule. With `freeze`, the
    job reaches exactly these people, whoever matches by then.
    """
    asked = body or SizeBody()
    fields = asked.model_dump()
    if asked.schedule is not None and asked.schedule.schedule_id is not None:
        fields["schedule"]["schedule_id"] = id_of(asked.schedule.schedule_id)
    return caller.dispatch(SizeAudience(id_of(workflow_id), **fields)).data


@router.get(
    "/{workflow_id}/blast-radius/excluded", response_model=ExcludedAnswer, openapi_extra=grant("ExplainAudience")
)
def explain_audience(
    caller: Here, workflow_id: PathId, limit: Annotated[int, Query(ge=1, le=EXPLAINED_AT_ONCE)] = 10
) -> Any:
    """Some people who match and would not be reached, a few for each reason."""
    return caller.dispatch(ExplainAudience(id_of(workflow_id), limit)).data


@router.post(
    "/{workflow_id}/run-batch", status_code=202, response_model=BatchJobAccepted, openapi_extra=grant("RunBatch")
)
def run_batch(caller: Commanding, workflow_id: PathId, body: RunBatchBody, response: Response) -> dict[str, Any]:
    """Run the workflow once for exactly the acknowledged people. Real people are contacted.

    The answer comes at once; `Location` is the job.
    """
    answer = caller.answer(RunBatch(id_of(workflow_id), **body.model_dump()), response)
    response.headers["Location"] = f"/api/v1/batch-jobs/{answer['batch_job_id']}"
    return answer


@router.post("/{workflow_id}/run", status_code=202, response_model=RunAccepted, openapi_extra=grant("RunWorkflow"))
def run_workflow(
    caller: Commanding, workflow_id: PathId, response: Response, body: RunWorkflowBody | None = None
) -> dict[str, Any]:
    """Start one run of a manual workflow. Its effects are real. An agent sends an Idempotency-Key if it can send.

    The answer comes at once; `Location` is the run.
    """
    asked = body or RunWorkflowBody()
    answer = caller.answer(RunWorkflow(id_of(workflow_id), **asked.model_dump()), response)
    response.headers["Location"] = f"/api/v1/runs/{answer['run_id']}"
    return answer


@router.post("/{workflow_id}/simulate", response_model=SimulationAnswer, openapi_extra=grant("SimulateWorkflow"))
def simulate_workflow(caller: Here, workflow_id: PathId, body: SimulateBody | None = None) -> Any:
    """Walk some people through the workflow without any effect. Contacts nobody, records nothing."""
    return caller.dispatch(SimulateWorkflow(id_of(workflow_id), **(body or SimulateBody()).model_dump())).data


def _tagged(answer: dict[str, Any], response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{answer["revision"]}"'
    return answer


def _revision(if_match: str | None) -> int | None:
    """The revision that an edit was made against; None for any."""
    return None if if_match is None or if_match == "*" else int(if_match.strip('"'))
