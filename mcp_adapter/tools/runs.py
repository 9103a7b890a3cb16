"""Runs: start a manual one, find them, follow one, read what it came to, cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from commands.confirm import COUNT_LIMIT
from commands.context import Accepted
from commands.runs import CancelRun, RunWorkflow
from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Effect, Tool
from mcp_adapter.tools.fields import (
    After,
    BatchJobId,
    IdempotencyKey,
    Instant,
    Limit,
    Reason,
    RunId,
    Token,
    Waiting,
    WorkflowId,
    instant_of,
    page_summary,
    within,
)
from mcp_adapter.tools.jobs import HELD
from projections.page import as_id
from projections.runs import ENDED

Status = Literal["pending", "in_progress", "waiting", "delivered", "skipped", "failed", "exited"]

OUTPUT_BUDGET = 16_000
"""Characters of output or of trace that one answer carries."""


class Run(Arguments):
    workflow_id: WorkflowId
    inputs: dict[str, Any] = Field({}, description="By name, as its trigger declares them.")
    version: int | None = Field(None, ge=1, le=COUNT_LIMIT, description="One that has been active; else the present.")
    acknowledged_affected_count: int | None = Field(None, description="1, as workflows-blast-radius with inputs says.")
    confirm_token: Token | None = Field(None, description="Of workflows-blast-radius with the same inputs.")
    idempotency_key: IdempotencyKey


class Begun(Answer):
    """What starting or cancelling a run answers with."""

    run_id: str
    batch_job_id: str
    workflow_id: str
    workflow_version: int
    status: str
    batch_job_status: str
    send_mode: str
    held_until: str | None = None
    held_because: str | None = None
    confirm_url: str | None = None


class ListRuns(Arguments):
    batch_job_id: BatchJobId | None = None
    workflow_id: WorkflowId | None = None
    person_id: int | None = Field(None, ge=1, lt=2**63)
    status: Status | None = None
    since: Instant | None = Field(None, description="Asked for from this instant on (with offset).")
    until: Instant | None = None
    limit: Limit = 20
    after: After | None = None


class RunRow(Row):
    run_id: str
    batch_job_id: Text
    workflow_id: Text | None = None
    workflow_version: int | None = None
    manual: bool
    person_id: int | None = None
    status: str
    reason: str | None = None
    at_step: str | None = None
    wake_at: Text | None = None
    reached: bool
    requested_at: Text | None = None
    updated_at: Text | None = None


class RunList(Answer):
    runs: list[RunRow]
    next_cursor: str | None = None


class GetStatus(Arguments):
    run_id: RunId
    wait_seconds: Waiting = 0
    step: str | None = Field(None, description="Only this step in the trace.")
    trace_after: After | None = Field(None, description="next_trace_cursor of the answer before.")
    trace_limit: int = Field(20, ge=0, le=50)


class RunStatus(RunRow, Answer):
    ended: bool
    batch_job_status: str
    trace: list[dict[str, Any]]
    next_trace_cursor: str | None = None
    outputs_omitted: bool | None = None


class GetResult(Arguments):
    run_id: RunId


class RunResult(Answer):
    run_id: str
    batch_job_id: Text
    workflow_id: Text | None = None
    workflow_version: int | None = None
    status: str
    reason: str | None = None
    reached: bool
    finished: bool
    output: dict[str, Any] | None = None
    outputs_omitted: bool | None = None
    next: str | None = None


class Cancel(Arguments):
    run_id: RunId
    reason: Reason
    idempotency_key: IdempotencyKey | None = None


def run(call: Call, given: Run) -> Begun:
    command = RunWorkflow(
        as_id(given.workflow_id, "workflow.not_found"),
        given.inputs,
        given.version,
        given.acknowledged_affected_count,
        given.confirm_token,
    )
    accepted = call.dispatch(command, idempotency_key=given.idempotency_key)
    if accepted.data.get("confirm_url"):
        return begun(accepted, HELD)
    return begun(accepted, "The run has begun. Follow it with runs-get-status; its output is runs-get-result's.")


def list_runs(call: Call, given: ListRuns) -> RunList:
    asked = given.model_dump() | {name: instant_of(getattr(given, name)) for name in ("since", "until")}
    page = call.system.reads.runs.list(call.principal, **asked)
    rows = [RunRow(**row) for row in page.data]
    return RunList(summary=page_summary(len(rows), "run", page.next_cursor), runs=rows, next_cursor=page.next_cursor)


def get_status(call: Call, given: GetStatus) -> RunStatus:
    row = call.system.reads.runs.get(call.principal, given.run_id)
    notes: list[dict[str, Any]] = []
    cursor = None
    if given.trace_limit:
        page = call.system.reads.runs.trace(
            call.principal, given.run_id, step=given.step, limit=given.trace_limit, after=given.trace_after
        )
        notes, cursor = page.data, page.next_cursor
    trace, omitted = within(OUTPUT_BUDGET, notes, "output")
    ended = row["status"] in ENDED
    told = {
        "summary": _told(row),
        "ended": ended,
        "trace": trace,
        "next_trace_cursor": cursor,
        "outputs_omitted": omitted or None,
    }
    return RunStatus(**row | told)


def get_result(call: Call, given: GetResult) -> RunResult:
    found = call.system.reads.runs.result(call.principal, given.run_id)
    if not found["finished"]:
        summary = f"The run has not finished: it is {found['status']}. Nothing was waited for."
        return RunResult(**found | {"summary": summary, "next": "Call runs-get-status with wait_seconds, then again."})
    output = found["output"]
    steps = [{"step": step, **gave} for step, gave in output["steps"].items()]
    kept, omitted = within(OUTPUT_BUDGET, steps, "output")
    output = {**output, "steps": {gave.pop("step"): gave for gave in kept}}
    summary = f"The run has ended: {found['status']}."
    if omitted:
        summary += " Its outputs are large and were left out: read them one by one with runs-get-status and step."
    return RunResult(**found | {"summary": summary, "output": output, "outputs_omitted": omitted or None})


def cancel(call: Call, given: Cancel) -> Begun:
    accepted = call.dispatch(
        CancelRun(given.run_id, given.reason), idempotency_key=given.idempotency_key, reason=given.reason
    )
    return begun(accepted, f"Nothing more is done for this run; it is {accepted.data['status']} now.")


def begun(accepted: Accepted, summary: str) -> Begun:
    return Begun(summary=summary, **accepted.data)


def _told(row: Mapping[str, Any]) -> str:
    if row["status"] in ENDED:
        return f"The run has ended: {row['status']}. Its output: runs-get-result."
    return f"The run is {row['status']}; its batch job is {row['batch_job_status']}. Ask again with wait_seconds."


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-run",
        "Run a manual workflow",
        "Start one run of an active manual workflow with inputs. Its webhooks and emails are REAL: tell the user what "
        "it will do and to which address first, and wait for their yes; the count and token are those of "
        "workflows-blast-radius with inputs. Answers at once with run_id; one with confirm_url is held: give that to "
        "the user and wait. The same idempotency_key answers with the same run.",
        "RunWorkflow",
        Run,
        Begun,
        Effect(destroys=True, reaches_out=True),
        run,
    ),
    Tool(
        "runs-list",
        "List runs",
        "List runs: each person's of a batch job (who got it, who did not, why) and manual ones. Newest job first.",
        "runs.list",
        ListRuns,
        RunList,
        READS_ONLY,
        list_runs,
    ),
    Tool(
        "runs-get-status",
        "Follow a run",
        "Read how one run stands and what it went through, in pages.",
        "runs.get",
        GetStatus,
        RunStatus,
        READS_ONLY,
        get_status,
        settled=lambda status: bool(status.ended),
    ),
    Tool(
        "runs-get-result",
        "Read a run's result",
        "Read the variables and step outputs that a run ended with. Never waits: a run that has not finished says so.",
        "runs.result",
        GetResult,
        RunResult,
        READS_ONLY,
        get_result,
    ),
    Tool(
        "runs-cancel",
        "Cancel a run",
        "Do nothing more for one run; what was sent stays sent, others of its batch job go on. Ask the user first.",
        "CancelRun",
        Cancel,
        Begun,
        Effect(destroys=True),
        cancel,
    ),
)
