"""A refusal as an agent reads it. The codes are those of every door; the next step names a tool instead of a route."""

from __future__ import annotations

import json
from typing import Any

from mcp import types

from aggregates.errors import CODES, DomainError

MOST_ERRORS = 30
"""Errors that one refusal lists; `details.more_errors` counts the rest."""

SIZE_AGAIN = (
    "Call workflows-blast-radius, show the user the number that it answers with, stop, and wait for an explicit yes "
    "in the user's own turn. Never retry with the new number by yourself."
)

NOT_AGAIN = (
    "See first whether an earlier call has done it: workflows-list-batch-jobs, or the schedules in workflows-get. "
)

NEXT = {
    "request.invalid": "Correct the arguments that are named, then call again.",
    "auth.missing": "Tell the user that this server needs an API key.",
    "auth.invalid": "Tell the user that the API key is not valid.",
    "scope.missing": "Tell the user which scope the key lacks. Do not look for a way around it.",
    "rate.limited": "Wait as long as details.retry_after says (seconds), then call again.",
    "service.unavailable": "Wait a little, then call again with the same arguments.",
    "internal.error": "Look at how things are now, then call again with the same arguments.",
    "workflow.not_found": "Find its workflow_id with workflows-list.",
    "workflow.stale": "Read it with workflows-get, then make the change again on that version.",
    "workflow.not_draft": "An active workflow cannot be changed from here. Ask the user to disable it first.",
    "workflow.not_active": "Ask the user whether to enable it with workflows-enable.",
    "workflow.not_batch": "Choose a workflow whose trigger_type is batch; see workflows-list.",
    "workflow.invalid": "Correct all that is named, then call again; components-get has a step's config and examples.",
    "component.not_found": "Find its component_id with components-list; details.close names the likeliest.",
    "workflow.archived": "Archived workflows cannot be used. Ask the user what to do.",
    "batch_job.not_found": "Find its batch_job_id with workflows-list-batch-jobs.",
    "batch_job.illegal_move": "See its status with batch-jobs-get.",
    "batch_job.ended": "See how it ended with batch-jobs-get.",
    "run.not_found": "Find its run_id with runs-list.",
    "run.ended": "Read it with runs-get-result.",
    "workflow.not_manual": "Choose a workflow whose trigger_type is manual; see workflows-list.",
    "workflow.version_unknown": "Leave version out, or choose one of details.known.",
    "inputs.invalid": "Correct the inputs that are named; the declared ones are in the trigger of workflows-get.",
    "event.not_found": "Find its position with log-read.",
    "stream.not_found": "Find its stream_id with log-read, or use a workflow_id, schedule_id or batch_job_id.",
    "stream.not_begun": "It began at details.first_position; ask for that or a later one.",
    "schedule.not_found": "Find its schedule_id in workflows-get.",
    "schedule.invalid": "Correct the arguments that are named; schedules-preview tries a recurrence out.",
    "schedule.not_active": "See its status in workflows-get. How far it may go is told to workflows-resume-schedule.",
    "schedule.no_occurrence": "Ask the user for another recurrence; see workflows-update-schedule.",
    "schedule.ended": "Ask the user whether to make another one with workflows-schedule-create.",
    "cohort.not_found": "Find its id with cohorts-list.",
    "audience.drift": SIZE_AGAIN,
    "audience.empty": "Nobody would be reached. Tell the user; the conditions are in workflows-get.",
    "audience.over_limit": "Tell the user both numbers. A narrower audience is theirs to choose.",
    "workflow.agent_runs_never": "Tell the user: agents may not run this workflow, and only a person can allow it.",
    "batch_job.paused_by_human": "Tell the user: a person or the breaker paused it, and a person has to resume it.",
    "acknowledgement.missing": f"{SIZE_AGAIN} Or pause it with workflows-pause-schedule; resuming asks for it.",
    "confirm.frozen": f"Frozen sizings are for workflows-run-batch only: leave out freeze. {SIZE_AGAIN}",
    "confirm.missing": SIZE_AGAIN,
    "confirm.invalid": SIZE_AGAIN,
    "confirm.expired": SIZE_AGAIN,
    "confirm.declined": "Nothing was started. Do not ask again by yourself: wait for what the user says next.",
    "confirm.changed": SIZE_AGAIN,
    "confirm.used": NOT_AGAIN + SIZE_AGAIN,
}


def problem_of(error: DomainError) -> dict[str, Any]:
    """Everything that is known of a refusal, as plain data."""
    general = error.next == CODES[error.code].next
    details = dict(error.details)
    if len(error.problems) > MOST_ERRORS:
        details["more_errors"] = len(error.problems) - MOST_ERRORS
    return {
        "code": error.code,
        "message": error.message,
        "details": details,
        "errors": [problem.as_data() for problem in error.problems[:MOST_ERRORS]],
        "next": NEXT.get(error.code, error.next) if general else error.next,
    }


def refused(error: DomainError) -> types.CallToolResult:
    """The whole problem in the text, because clients show a model nothing else of an error."""
    return types.CallToolResult(content=[text_of(problem_of(error))], is_error=True)


def text_of(data: object) -> types.TextContent:
    """Plain data as compact JSON."""
    return types.TextContent(text=json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str))
