"""Batches: size an audience, run a workflow over it, follow and cancel the job.

The texts here are what makes an agent stop between the number and the run; the server's guard does not rest on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aggregates.batch_job.aggregate import COUNTS, TERMINAL
from commands.batch_job import CancelBatchJob, RunBatch, SizeAudience
from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Effect, Tool
from mcp_adapter.tools.fields import After, BatchJobId, IdempotencyKey, Limit, WorkflowId, page_summary
from projections.page import as_id

REASON_SHOWN = 100
"""Characters of a reason in a list; batch-jobs-get has it whole."""

Values = Annotated[dict[str, Any], Field(description="Values over the workflow's defaults.")]

Status = Literal[
    "held",
    "queued",
    "running",
    "paused",
    "cancelling",
    "cancelled",
    "completed",
    "completed_with_failures",
    "failed",
    "rejected",
]


class BlastRadius(Arguments):
    workflow_id: WorkflowId
    variables: Values = {}


class Sized(Answer):
    workflow_id: str
    workflow_version: int
    workflow_status: str
    affected: int
    matched: int
    excluded: dict[str, int]
    total: int
    limit: int
    everyone: bool
    missing_variables: dict[str, int]
    sample: list[dict[str, Any]]
    send_mode: str
    confirm_token: str
    expires_at: str


class Run(Arguments):
    workflow_id: WorkflowId
    acknowledged_affected_count: int = Field(description="`affected`, as the user saw it and said yes to.")
    confirm_token: str | None = Field(None, description="Required: of the same workflows-blast-radius answer.")
    variables: Values = {}
    idempotency_key: IdempotencyKey | None = None


class Started(Answer):
    batch_job_id: str
    workflow_id: str
    workflow_version: int
    status: str
    acknowledged: int
    send_mode: str
    counts: dict[str, int] | None = None


class ListJobs(Arguments):
    workflow_id: WorkflowId | None = None
    status: Status | None = None
    limit: Limit = 20
    after: After | None = None


class JobRow(Row):
    batch_job_id: Text
    workflow_id: Text
    workflow_version: int
    status: str
    reason: str | None = None
    acknowledged: int
    enrolled: int | None = None
    counts: dict[str, int]
    send_mode: str
    requested_at: Text
    finished_at: Text | None = None


class JobList(Answer):
    batch_jobs: list[JobRow]
    next_cursor: str | None = None


class GetJob(Arguments):
    batch_job_id: BatchJobId
    wait_seconds: int = Field(0, ge=0, le=25, description="Wait so long for the job to end.")


class Job(JobRow, Answer):
    ended: bool
    variables: dict[str, Any]
    requested_by: str
    source: str
    schedule_id: Text | None = None
    started_at: Text | None = None


class Cancel(Arguments):
    batch_job_id: BatchJobId
    reason: str = Field(min_length=1, max_length=1000)
    idempotency_key: IdempotencyKey | None = None


def size(call: Call, given: BlastRadius) -> Sized:
    command = SizeAudience(as_id(given.workflow_id, "workflow.not_found"), given.variables)
    data = call.dispatch(command).data
    return Sized(summary=_sized_summary(data), **data)


def run(call: Call, given: Run) -> Started:
    command = RunBatch(
        as_id(given.workflow_id, "workflow.not_found"),
        given.acknowledged_affected_count,
        given.confirm_token,
        given.variables,
    )
    data = call.dispatch(command, idempotency_key=given.idempotency_key).data
    summary = f"The batch job over {data['acknowledged']:,} people is {data['status']}."
    if data["status"] == "held":
        summary += " A second person has to approve it: tell the user, and do not retry."
    else:
        summary += " Follow it with batch-jobs-get."
    return Started(summary=summary, **data)


def list_jobs(call: Call, given: ListJobs) -> JobList:
    page = call.system.reads.batch_jobs.list(
        call.principal, workflow_id=given.workflow_id, status=given.status, limit=given.limit, after=given.after
    )
    rows = [JobRow(**_job(row) | {"reason": (row["reason"] or "")[:REASON_SHOWN] or None}) for row in page.data]
    summary = page_summary(len(rows), "batch job", page.next_cursor)
    return JobList(summary=summary, batch_jobs=rows, next_cursor=page.next_cursor)


def get_job(call: Call, given: GetJob) -> Job:
    row = call.system.reads.batch_jobs.get(call.principal, given.batch_job_id)
    ended = row["status"] in TERMINAL
    summary = f"The batch job is {row['status']}: {_tally(row)}."
    if not ended:
        summary += " It has not ended; ask again with wait_seconds."
    return Job(**_job(row) | {"summary": summary, "ended": ended})


def cancel(call: Call, given: Cancel) -> Started:
    command = CancelBatchJob(as_id(given.batch_job_id, "batch_job.not_found"), given.reason)
    data = call.dispatch(command, idempotency_key=given.idempotency_key, reason=given.reason).data
    reached = data.get("counts", {}).get("delivered", 0)
    summary = f"The batch job is {data['status']}; {reached:,} people were reached as far as is recorded."
    return Started(summary=summary, **data)


def _sized_summary(data: Mapping[str, Any]) -> str:
    affected, limit = data["affected"], data["limit"]
    excluded = sum(data["excluded"].values())
    who = "everyone: " if data["everyone"] else ""
    counted = f"{who}{affected:,} of {data['total']:,} people ({data['matched']:,} match, {excluded:,} excluded)"
    if affected == 0:
        return f"Nobody would be contacted now ({counted}); a batch would be refused."
    if affected > limit:
        return f"Would contact {counted}; policy allows {limit:,}, so a batch would be refused. Tell the user."
    mode = " Send mode is capture: nothing would leave this server." if data["send_mode"] == "capture" else ""
    draft = "" if data["workflow_status"] == "active" else f" The workflow is {data['workflow_status']}, not active."
    return (
        f"Not started. Would contact {counted}.{mode}{draft} Show the user {affected:,} and stop: run only after their "
        "explicit yes in their own turn."
    )


def _job(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "batch_job_id": row["id"], "counts": {name: row[name] for name in COUNTS}}


def _tally(row: Mapping[str, Any]) -> str:
    if row["enrolled"] is None:
        return "nobody is enrolled yet"
    parts = ", ".join(f"{row[name]:,} {name.replace('_', ' ')}" for name in COUNTS if row[name])
    return f"of {row['enrolled']:,} people {parts or 'none yet'}"


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "workflows-blast-radius",
        "Count whom a workflow would reach",
        "Count whom a batch workflow would reach at this moment. Contacts nobody. Call it before workflows-run-batch, "
        "then show the user `affected`, the exclusions and that real people will be contacted, and STOP. Wait for an "
        "explicit yes in the user's own turn; never size and run in one turn. confirm_token buys one batch job over "
        "exactly these people, until expires_at.",
        "SizeAudience",
        BlastRadius,
        Sized,
        READS_ONLY,
        size,
    ),
    Tool(
        "workflows-run-batch",
        "Run a batch over real people",
        "Run an active batch workflow once. CONTACTS REAL PEOPLE and cannot be undone. Needs workflows-blast-radius in "
        "an earlier turn: show the user that number, stop, and wait for an explicit yes in the user's own turn. If it "
        "is refused as audience.drift, do the same again with the new number; never pass a number that the user has "
        "not confirmed. Answers at once; the same call again answers with the same job.",
        "RunBatch",
        Run,
        Started,
        Effect(destroys=True, reaches_out=True),
        run,
    ),
    Tool(
        "workflows-list-batch-jobs",
        "List batch jobs",
        "List batch jobs, newest first, of one workflow or of all.",
        "batch_jobs.list",
        ListJobs,
        JobList,
        READS_ONLY,
        list_jobs,
    ),
    Tool(
        "batch-jobs-get",
        "Follow a batch job",
        "Read one batch job: status and how many people are where. With wait_seconds it answers when the job has "
        "ended or the time is over.",
        "batch_jobs.get",
        GetJob,
        Job,
        READS_ONLY,
        get_job,
        settled=lambda job: bool(job.ended),
    ),
    Tool(
        "batch-jobs-cancel",
        "Cancel a batch job",
        "Cancel a batch job for good: nobody else is contacted, what was sent stays sent. Ask the user first, unless "
        "they told you to stop.",
        "CancelBatchJob",
        Cancel,
        Started,
        Effect(destroys=True),
        cancel,
    ),
)
