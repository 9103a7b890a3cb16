"""The catalogue of refusals: each code, its kind, what happened, and what to do next.

Doors translate kinds, never single codes. A code that is not listed cannot be raised.
"""

from __future__ import annotations

from aggregates.door_codes import DOOR_CODES
from aggregates.kinds import Code, Kind

CODES: dict[str, Code] = {
    **DOOR_CODES,
    # idempotency
    "idempotency.missing": Code(
        Kind.INVALID,
        "An agent's run of a workflow that can send needs an idempotency key, so that a repeated call is one run.",
        "Send an Idempotency-Key of your own, and the same one with each repetition.",
    ),
    "idempotency.mismatch": Code(
        Kind.INVALID, "This Idempotency-Key was used with another body.", "Use a new key for a new request."
    ),
    "idempotency.in_flight": Code(
        Kind.CONFLICT, "A request with this Idempotency-Key is still running.", "Repeat it in a moment."
    ),
    # things
    "workflow.not_found": Code(Kind.NOT_FOUND, "No such workflow.", "List them: GET /api/v1/workflows."),
    "schedule.not_found": Code(Kind.NOT_FOUND, "No such schedule.", "List them: GET /api/v1/schedules."),
    "batch_job.not_found": Code(Kind.NOT_FOUND, "No such batch job.", "List them: GET /api/v1/batch-jobs."),
    "run.not_found": Code(Kind.NOT_FOUND, "No such run.", "List them: GET /api/v1/batch-jobs/{id}/runs."),
    "run.ended": Code(Kind.CONFLICT, "The run has ended.", "Read its result."),
    "run.not_unknown": Code(Kind.CONFLICT, "The run does not wait for a decision about an outcome.", "Read the run."),
    "component.not_found": Code(Kind.NOT_FOUND, "No such step type.", "List them: GET /api/v1/components."),
    "cohort.not_found": Code(Kind.NOT_FOUND, "No such cohort.", "List them: GET /api/v1/cohorts."),
    "person.not_found": Code(Kind.NOT_FOUND, "No such person.", "List them: GET /api/v1/people."),
    "key.not_found": Code(Kind.NOT_FOUND, "No such key.", "List them: GET /api/v1/keys."),
    "project.not_found": Code(Kind.NOT_FOUND, "No such project.", "Make it: `tidegate projects create`."),
    "event.not_found": Code(Kind.NOT_FOUND, "No such event.", "List them: GET /api/v1/log."),
    "stream.not_found": Code(
        Kind.NOT_FOUND, "Nothing of that id was ever recorded.", "See stream_id: GET /api/v1/log."
    ),
    "stream.not_begun": Code(
        Kind.NOT_FOUND, "It did not exist then yet.", "Ask for the position or the time of its first event, or later."
    ),
    "stream.conflict": Code(
        Kind.CONFLICT, "It was changed by somebody else at the same time.", "Read it again, then repeat."
    ),
    # workflows
    "workflow.invalid": Code(
        Kind.INVALID, "The workflow is not valid; every problem is listed.", "Correct them all, then save again."
    ),
    "workflow.stale": Code(
        Kind.CONFLICT, "The workflow has changed since the version that you edited.", "Read it, redo the edit."
    ),
    "workflow.not_draft": Code(
        Kind.CONFLICT, "Only a draft can be edited.", "Disable it first: POST /api/v1/workflows/{id}/disable."
    ),
    "workflow.not_active": Code(Kind.CONFLICT, "The workflow is not active.", "Enable it first."),
    "workflow.not_batch": Code(
        Kind.CONFLICT, "The workflow's trigger is not `batch`.", "Use a workflow with a batch trigger."
    ),
    "workflow.not_manual": Code(
        Kind.CONFLICT,
        "The workflow's trigger is not `manual`.",
        "Choose a manual workflow, or run a batch.",
    ),
    "workflow.version_unknown": Code(
        Kind.NOT_FOUND, "No version of that number has ever been active.", "Leave it out, or see details.known."
    ),
    "inputs.invalid": Code(Kind.INVALID, "The inputs are not valid.", "Use the inputs that the workflow declares."),
    "workflow.archived": Code(Kind.CONFLICT, "The workflow is archived.", "Restore it to a draft first."),
    "workflow.illegal_move": Code(
        Kind.CONFLICT, "The workflow cannot go to that status from where it is.", "See its status."
    ),
    "variables.invalid": Code(Kind.INVALID, "The variables are not valid.", "Use the workflow's declared variables."),
    "template.over_limit": Code(
        Kind.INVALID,
        "A template would cost more time, or give more text, than one person's message may.",
        "Loop over fewer items, apply fewer filters, or send less text.",
    ),
    "template.together_over_limit": Code(
        Kind.INVALID,
        "The templates of those who are rendered together cost too much.",
        "Loop over fewer items, apply fewer filters, send less text, or take fewer people.",
    ),
    "template.failed": Code(
        Kind.INVALID, "A template could not be rendered for this person.", "Correct the template, or the person's data."
    ),
    "outbound.port_refused": Code(
        Kind.REFUSED,
        "Webhooks do not go to this port.",
        "Use 80, 443 or one from 1024 on that no well-known service has, or ask the operator to list it.",
    ),
    "outbound.refused": Code(
        Kind.REFUSED,
        "The target is not a public address.",
        "Allow it: TIDEGATE_OUTBOUND_ALLOW lists hosts and networks.",
    ),
    "secret.unknown": Code(
        Kind.INVALID, "A secret that the webhook names is not there.", "Have an operator put it there, then retry."
    ),
    "secret.host_refused": Code(
        Kind.REFUSED, "A secret of the webhook may not go to its host.", "Have an operator add the host to its file."
    ),
    # audience and acknowledgement
    "audience.invalid": Code(Kind.INVALID, "The audience is not valid.", "Correct the conditions that are named."),
    "audience.unanswerable": Code(
        Kind.INVALID, "A condition could not be evaluated.", "Simplify or correct the condition that is named."
    ),
    "audience.drift": Code(
        Kind.CONFLICT, "The audience is not the one that was acknowledged.", "Size it again and ask a human again."
    ),
    "audience.empty": Code(Kind.REFUSED, "Nobody matches.", "Widen the conditions."),
    "audience.over_limit": Code(Kind.REFUSED, "More people match than policy allows.", "Narrow the conditions."),
    "audience.over_budget": Code(
        Kind.REFUSED,
        "More people than this key may reach in a day.",
        "Wait until the day has passed, reach fewer people, or ask a human for a higher reach_per_day.",
    ),
    "acknowledgement.missing": Code(
        Kind.CONFLICT,
        "The schedule is active, so changing it needs a fresh acknowledgement.",
        "Size the audience, have a human confirm the count, then send both; or pause the schedule first.",
    ),
    "sizing.too_many_kept": Code(
        Kind.LIMITED,
        "The project keeps as many frozen sizings as it may.",
        "Size without `freeze`, or wait until a token has expired.",
    ),
    "confirm.frozen": Code(
        Kind.CONFLICT, "A frozen sizing buys one batch job and nothing else.", "Size the audience without `freeze`."
    ),
    "confirm.missing": Code(
        Kind.INVALID, "A confirm token is needed.", "Size the audience, show the number, then send its token."
    ),
    "confirm.expired": Code(Kind.CONFLICT, "The confirm token has expired.", "Size the audience again."),
    "confirm.invalid": Code(Kind.INVALID, "The confirm token is not one of ours.", "Size the audience again."),
    "confirm.changed": Code(
        Kind.CONFLICT, "The confirm token was made for something else.", "Size this workflow again, as it is now."
    ),
    "confirm.used": Code(
        Kind.CONFLICT, "The confirm token has been used for another request.", "Size the audience again."
    ),
    "confirm.declined": Code(
        Kind.DENIED, "A human was asked and did not agree. Nothing was started.", "Do not ask again by yourself."
    ),
    # schedules
    "schedule.invalid": Code(Kind.INVALID, "The schedule is not valid.", "Correct the fields that are named."),
    "schedule.not_active": Code(Kind.CONFLICT, "The schedule is not active.", "See its status."),
    "schedule.already_attached": Code(
        Kind.CONFLICT,
        "The workflow has an active schedule with the same recurrence.",
        "Look at that schedule, and revise it if it is not what you want.",
    ),
    "schedule.too_many": Code(
        Kind.CONFLICT, "The workflow has as many active schedules as it may.", "Pause or detach one of them first."
    ),
    "schedule.no_occurrence": Code(
        Kind.CONFLICT, "Its recurrence has no occurrence in the future.", "Revise its recurrence."
    ),
    "schedule.not_for_agents": Code(
        Kind.DENIED, "An agent does not end a schedule or prolong its approval.", "Pause it, or ask a person."
    ),
    "schedule.unseen": Code(
        Kind.CONFLICT,
        "Others have changed its terms since a person confirmed them.",
        "Read the schedule, size it with its schedule_id, and send that sizing's token with the number.",
    ),
    "schedule.ended": Code(Kind.CONFLICT, "The schedule has ended.", "Attach a new one."),
    # batch jobs
    "approval.not_for_agents": Code(Kind.DENIED, "An agent can never approve.", "Ask a person who did not request it."),
    "approval.own_request": Code(
        Kind.DENIED,
        "Who asked for it cannot approve it, nor can whoever counts as one with them.",
        "Ask another person with batch:approve, whose key has another owner and none of the same makers.",
    ),
    "confirmation.not_found": Code(
        Kind.NOT_FOUND, "No such request waits for a human.", "List them: GET /api/v1/confirmations."
    ),
    "confirmation.decided": Code(Kind.CONFLICT, "It has been decided.", "See its status."),
    "confirmation.stale": Code(
        Kind.CONFLICT, "What it would change has been changed since it was asked for.", "Have it asked for again."
    ),
    "approval.expired": Code(Kind.CONFLICT, "Nobody approved it in time.", "Ask for it again."),
    "approval.rejected": Code(Kind.CONFLICT, "It was rejected.", "Ask for another one."),
    "step.not_found": Code(Kind.NOT_FOUND, "The job has no such approval step.", "See the workflow's steps."),
    "step.decided": Code(Kind.CONFLICT, "The step has been decided.", "See the job."),
    "policy.invalid": Code(Kind.INVALID, "The policy cannot be set like this.", "Correct the fields that are named."),
    "policy.not_for_agents": Code(
        Kind.DENIED, "An agent cannot change the policy.", "Ask a person of the project to do it."
    ),
    "consent.not_for_agents": Code(
        Kind.DENIED, "An agent cannot let people be written to again.", "Ask a person of the project to do it."
    ),
    "workflow.transactional_not_for_agents": Code(
        Kind.DENIED, "An agent cannot save a transactional workflow.", "Ask a person, or make it a marketing one."
    ),
    "workflow.not_for_agents": Code(
        Kind.DENIED, "An active workflow is read-only to agents.", "Ask a person to disable it, or archive it."
    ),
    "workflow.agent_runs_never": Code(
        Kind.DENIED,
        "Agents do not run this workflow.",
        "Ask a person to run it, or to allow agents to: PUT /api/v1/workflows/{id}/agent-runs.",
    ),
    "batch_job.paused_by_human": Code(
        Kind.DENIED, "A human or the breaker paused this run.", "Ask a person to resume it."
    ),
    "batch_job.just_started": Code(
        Kind.CONFLICT,
        "The same version was started over the same people just now.",
        "Look at that job first. To send it once more, size again and send the token, or send an Idempotency-Key.",
    ),
    "batch_job.ended": Code(Kind.CONFLICT, "The batch job has ended.", "Start a new one."),
    "batch_job.retried": Code(
        Kind.CONFLICT, "Its failed runs have been retried already.", "Retry the failed runs of that retry."
    ),
    "batch_job.illegal_move": Code(
        Kind.CONFLICT, "The batch job cannot do that in its present status.", "See its status."
    ),
    "batch_job.unbalanced": Code(
        Kind.CONFLICT, "The counts do not add up to the people enrolled.", "Look at the job's ledger."
    ),
    # people
    "people.rejected": Code(
        Kind.INVALID, "Some rows were rejected; nothing was imported.", "Correct the rows that are named."
    ),
    "cohort.invalid": Code(Kind.INVALID, "The cohort is not valid.", "Correct the fields that are named."),
    "key.not_for_agents": Code(
        Kind.DENIED, "An agent cannot make, change or revoke keys.", "Ask a person of the project to do it."
    ),
    "key.invalid": Code(Kind.INVALID, "The key cannot be like this.", "Correct the fields that are named."),
    "key.own_chain": Code(
        Kind.DENIED,
        "Nobody lifts the limits of a key that counts as one with theirs.",
        "Ask somebody whose key is of another owner and another chain, or go to the machine: `tidegate keys change`.",
    ),
    "key.revoked": Code(Kind.CONFLICT, "The key was revoked, for good.", "Make a new one."),
}
