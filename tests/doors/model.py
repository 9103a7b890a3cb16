"""What the specification says about asking: who may, in which state, with which confirmation, and what is answered.

Written from the specification and not from the product: nothing of it is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping

EVERY_SCOPE = frozenset(
    {
        "workflow:read",
        "workflow:write",
        "workflow:run",
        "run:read",
        "run:cancel",
        "person:read",
        "person:write",
        "cohort:read",
        "cohort:write",
        "audit:read",
        "batch:approve",
        "key:admin",
    }
)

REACHING = frozenset({"workflow:run", "person:read"})
"""Whoever lets people be contacted may run workflows, and may know who is there."""

NEEDS: Mapping[str, frozenset[str]] = {
    "RunBatch": REACHING,
    "AttachSchedule": REACHING,
    "ReviseSchedule": REACHING,
    "ResumeSchedule": REACHING,
    "ResumeBatchJob": REACHING,
    "ApproveBatchJob": frozenset({"batch:approve", "person:read"}),
    "RejectBatchJob": frozenset({"batch:approve"}),
    "PauseSchedule": frozenset({"workflow:run"}),
    "PauseBatchJob": frozenset({"run:cancel"}),
    "CancelBatchJob": frozenset({"run:cancel"}),
    "EnableWorkflow": frozenset({"workflow:write"}),
    "DisableWorkflow": frozenset({"workflow:write"}),
    "ArchiveWorkflow": frozenset({"workflow:write"}),
    "EditWorkflow": frozenset({"workflow:write"}),
}

TOOLS: Mapping[str, frozenset[str]] = {
    "workflows-list": frozenset({"workflow:read"}),
    "workflows-get": frozenset({"workflow:read"}),
    "workflows-create": frozenset({"workflow:write"}),
    "workflows-update": frozenset({"workflow:write"}),
    "workflows-enable": frozenset({"workflow:write"}),
    "workflows-archive": frozenset({"workflow:write"}),
    "workflows-blast-radius": frozenset({"workflow:read", "person:read"}),
    "workflows-run-batch": REACHING,
    "workflows-list-batch-jobs": frozenset({"run:read"}),
    "batch-jobs-get": frozenset({"run:read"}),
    "batch-jobs-failures": frozenset({"run:read"}),
    "batch-jobs-pause": frozenset({"run:cancel"}),
    "batch-jobs-resume": REACHING,
    "batch-jobs-cancel": frozenset({"run:cancel"}),
    "workflows-schedule-create": REACHING,
    "workflows-update-schedule": REACHING,
    "workflows-pause-schedule": frozenset({"workflow:run"}),
    "workflows-resume-schedule": REACHING,
    "workflows-run": frozenset({"workflow:run"}),
    "workflows-simulate": frozenset({"workflow:read", "person:read"}),
    "runs-list": frozenset({"run:read", "person:read"}),
    # Of a run that is a person's, person:read is asked too.
    **dict.fromkeys(("runs-get-status", "runs-get-result"), frozenset({"run:read"})),
    "guide": frozenset({"workflow:read"}),
    "people-properties": frozenset({"person:read"}),
    "runs-cancel": frozenset({"run:cancel"}),
    "schedules-preview": frozenset({"workflow:read"}),
    "cohorts-list": frozenset({"cohort:read"}),
    "log-read": frozenset({"audit:read"}),
    "state-at": frozenset({"audit:read"}),
    **dict.fromkeys(("components-list", "components-get"), frozenset({"workflow:read"})),
}
"""The tools that there are, with the scopes without which they are not."""

NO_TOOL = frozenset({"ApproveBatchJob", "RejectBatchJob", "DisableWorkflow"})
"""What is not on the agents' surface, by decision."""

OK = "ok"
ALREADY = "already"
"""Satisfied before: no error, and nothing is recorded."""

CONFIRMATIONS = (
    "right",
    "count",
    "drift",
    "drift_alone",
    "foreign",
    "garbage",
    "blank",
    "long",
    "expired",
    "spent",
    "again",
    "frozen",
    "negative",
    "nothing",
)
"""What is said of the number of people:

right       the count of now with its token
count       the count of now alone
drift       another count with the token; `drift_alone` without
foreign     the count of now with somebody else's token; `garbage`, `blank`, `long` with a text that is none
expired     the count of now with a token whose time is over; `spent` with one that bought something else already
again       the request that has bought what its token can buy, once more
frozen      the count of now with the token of a sizing that keeps its people
negative    a number that no count can be
nothing     no count, no token
"""

PLACES = ("draft", "active", "archived", "manual", "empty", "crowd", "many")
"""A workflow in each status; `manual` has no audience, `empty` reaches nobody, `crowd` too many for the policy, and
`many` so many that a second person has to agree.
"""

NOWHERE = ("unknown", "foreign", "malformed")
"""Ids of nothing, of another project's, and no ids at all."""

STATUSES: Mapping[str, tuple[str, ...]] = {
    "RunBatch": PLACES,
    "AttachSchedule": PLACES,
    "ReviseSchedule": ("active", "paused", "completed", "detached", "active_off", "paused_off"),
    "ResumeSchedule": ("active", "paused", "completed", "detached", "paused_off"),
    "PauseSchedule": ("active", "paused", "completed", "detached", "active_off"),
    "ApproveBatchJob": ("held", "own", "approved", "queued", "running", "paused", "rejected", "held_off", "held_stale"),
    "RejectBatchJob": ("held", "own", "approved", "running", "paused", "rejected", "cancelled", "held_off"),
    "ResumeBatchJob": ("held", "queued", "running", "paused", "paused_off", "cancelling", "cancelled", "completed"),
    "PauseBatchJob": ("held", "queued", "running", "paused", "cancelling", "cancelled", "completed", "rejected"),
    "CancelBatchJob": ("held", "queued", "running", "paused", "cancelling", "cancelled", "completed", "rejected"),
    "EnableWorkflow": ("draft", "active", "archived", "unfinished"),
    "DisableWorkflow": ("draft", "active", "archived"),
    "ArchiveWorkflow": ("draft", "active", "archived", "unfinished"),
    "EditWorkflow": ("draft", "active", "archived"),
}
"""Where a command is asked. `_off` is over a workflow that was disabled since, `_stale` over one that was changed;
`own` was asked for by who asks now.
"""

NOUNS: Mapping[str, str] = {
    "RunBatch": "workflow",
    "AttachSchedule": "workflow",
    **{f"{verb}Schedule": "schedule" for verb in ("Revise", "Resume", "Pause")},
    **{f"{verb}BatchJob": "batch_job" for verb in ("Approve", "Reject", "Resume", "Pause", "Cancel")},
    **{f"{verb}Workflow": "workflow" for verb in ("Enable", "Disable", "Archive", "Edit")},
}

ENDED = ("completed", "rejected", "cancelled")

KINDS: Mapping[str, tuple[str, ...]] = {
    "denied": (
        "scope.missing",
        "approval.not_for_agents",
        "approval.own_request",
        "schedule.not_for_agents",
        "workflow.not_for_agents",
    ),
    "not_found": ("workflow.not_found", "schedule.not_found", "batch_job.not_found"),
    "invalid": ("request.invalid", "confirm.missing", "confirm.invalid", "workflow.invalid"),
    "refused": ("audience.empty", "audience.over_limit"),
    "conflict": (
        "workflow.not_batch",
        "workflow.not_active",
        "workflow.not_draft",
        "workflow.archived",
        "workflow.stale",
        "audience.drift",
        "acknowledgement.missing",
        "confirm.expired",
        "confirm.changed",
        "confirm.used",
        "confirm.frozen",
        "schedule.ended",
        "schedule.not_active",
        "schedule.no_occurrence",
        "batch_job.ended",
        "batch_job.illegal_move",
    ),
}

HTTP_STATUS = {"denied": 403, "not_found": 404, "invalid": 422, "refused": 422, "conflict": 409}
EXIT = {"denied": 4, "not_found": 3, "invalid": 2, "refused": 7, "conflict": 5}
HELD_EXIT = 6

HTTP_DONE = {"RunBatch": 202, "AttachSchedule": 201, "ApproveBatchJob": 202} | {
    f"{verb}BatchJob": 202 for verb in ("Resume", "Pause", "Cancel")
}


def confirmations(command: str) -> tuple[str, ...]:
    """What may be said of people, or of a version, in asking for a command."""
    if command in {"RunBatch", "AttachSchedule", "ReviseSchedule", "ResumeSchedule", "ApproveBatchJob"}:
        return CONFIRMATIONS
    return ("fresh", "stale") if command == "EditWorkflow" else ("none",)


def kind_of(code: str) -> str:
    (kind,) = (kind for kind, codes in KINDS.items() if code in codes)
    return kind


def expected(command: str, scopes: frozenset[str], guarded: bool, status: str, confirmation: str) -> str:
    """The code of the refusal, `ok`, or `already`. `guarded` is an agent's key, and whoever comes over MCP."""
    if not scopes >= NEEDS[command]:
        return "scope.missing"
    if confirmation in {"negative", "long"} or (confirmation == "nothing" and command != "ReviseSchedule"):
        return "request.invalid"
    if command == "DisableWorkflow" and guarded:
        return "workflow.not_for_agents"
    if status in NOWHERE:
        return f"{NOUNS[command]}.not_found"
    return _RULES[command](status, confirmation, guarded)


def _run(status: str, confirmation: str, guarded: bool) -> str:
    if confirmation == "again" and status in {"active", "many"}:
        return ALREADY
    return _guard(status, confirmation, guarded, keeps_people=True)


def _attach(status: str, confirmation: str, guarded: bool) -> str:
    if confirmation == "again" and status in {"active", "many"}:
        return ALREADY
    return _guard(status, confirmation, guarded)


def _revise(status: str, confirmation: str, guarded: bool) -> str:
    if status == "detached":
        return "schedule.ended"
    if confirmation == "nothing":
        # What a person asked for is a person's to change.
        changed = "schedule.not_for_agents" if guarded else OK
        return changed if status.startswith("paused") else "acknowledgement.missing"
    # What is paused needs no number; one that is said is checked all the same.
    return _guard(_place(status), confirmation, guarded)


def _resume(status: str, confirmation: str, guarded: bool) -> str:
    if status == "active":
        return ALREADY
    after = {"detached": "schedule.ended", "completed": "schedule.no_occurrence"}
    verdict = _guard(_place(status), confirmation, guarded)
    return after.get(status, OK) if verdict == OK else verdict


def _pause(status: str, _confirmation: str, _guarded: bool) -> str:
    return {"paused": ALREADY, "completed": "schedule.not_active", "detached": "schedule.ended"}.get(status, OK)


def _approve(status: str, confirmation: str, guarded: bool) -> str:
    if guarded:
        return "approval.not_for_agents"
    if status == "own":
        return "approval.own_request"
    if status == "approved":
        return ALREADY
    if not status.startswith("held"):
        return _moved(status)
    if status == "held_stale":
        return "workflow.stale"
    return _guard(_place(status), confirmation, guarded)


def _reject(status: str, _confirmation: str, guarded: bool) -> str:
    if guarded:
        return "approval.not_for_agents"
    if status == "rejected":
        return ALREADY
    return OK if status in {"held", "own", "held_off"} else _moved(status)


def _resume_job(status: str, _confirmation: str, guarded: bool) -> str:
    if status == "paused" and guarded:
        # A human has paused it.
        return "acknowledgement.missing"
    verdicts = {"queued": ALREADY, "running": ALREADY, "paused": OK, "paused_off": "workflow.not_active"}
    return verdicts.get(status) or _moved(status)


def _pause_job(status: str, _confirmation: str, _guarded: bool) -> str:
    return {"queued": OK, "running": OK, "paused": ALREADY}.get(status) or _moved(status)


def _cancel_job(status: str, _confirmation: str, _guarded: bool) -> str:
    if status in {"cancelling", "cancelled"}:
        return ALREADY
    return _moved(status) if status in ENDED else OK


def _enable(status: str, _confirmation: str, _guarded: bool) -> str:
    verdicts = {"active": ALREADY, "archived": "workflow.archived", "unfinished": "workflow.invalid"}
    return verdicts.get(status, OK)


def _disable(status: str, _confirmation: str, _guarded: bool) -> str:
    return {"draft": ALREADY, "archived": "workflow.archived"}.get(status, OK)


def _archive(status: str, _confirmation: str, _guarded: bool) -> str:
    return ALREADY if status == "archived" else OK


def _edit(status: str, confirmation: str, _guarded: bool) -> str:
    if confirmation == "stale":
        return "workflow.stale"
    return {"active": "workflow.not_draft", "archived": "workflow.archived"}.get(status, OK)


_RULES = {
    "RunBatch": _run,
    "AttachSchedule": _attach,
    "ReviseSchedule": _revise,
    "ResumeSchedule": _resume,
    "PauseSchedule": _pause,
    "ApproveBatchJob": _approve,
    "RejectBatchJob": _reject,
    "ResumeBatchJob": _resume_job,
    "PauseBatchJob": _pause_job,
    "CancelBatchJob": _cancel_job,
    "EnableWorkflow": _enable,
    "DisableWorkflow": _disable,
    "ArchiveWorkflow": _archive,
    "EditWorkflow": _edit,
}


def _guard(place: str, confirmation: str, guarded: bool, *, keeps_people: bool = False) -> str:
    """The one acknowledgement guard, in the order of the specification."""
    if place == "manual":
        return "workflow.not_batch"
    if place in {"draft", "archived"}:
        return "workflow.not_active"
    if confirmation in {"drift", "drift_alone"}:
        return "audience.drift"
    if place == "empty":
        return "audience.empty"
    if place == "crowd":
        return "audience.over_limit"
    if confirmation == "count":
        return "confirm.missing" if guarded else OK
    if confirmation == "frozen" and keeps_people:
        return OK
    return _TOKENS.get(confirmation, OK)


_TOKENS = {
    "garbage": "confirm.invalid",
    "blank": "confirm.invalid",
    "expired": "confirm.expired",
    "foreign": "confirm.changed",
    "spent": "confirm.used",
    "again": "confirm.used",
    "frozen": "confirm.frozen",
}


def _place(status: str) -> str:
    """The workflow under a schedule or a job."""
    return "draft" if status.endswith("_off") else "active"


def _moved(status: str) -> str:
    """A batch job that does not stand where the command would find it; what has ended stays ended."""
    return "batch_job.ended" if status in ENDED else "batch_job.illegal_move"
