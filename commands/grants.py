"""Who may ask what: every command and every read with the scopes that it needs, all of them.

This is the only table of permissions. The bus and the reads consult it for every door; what is not listed
is refused, and a test fails.
"""

from __future__ import annotations

from aggregates.base import Principal
from aggregates.errors import DomainError

SCOPES = frozenset(
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

ENGINE = "engine"
"""What only the engine itself may do. It is no scope: no key can be given it."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "CreateWorkflow": ("workflow:write",),
    "EditWorkflow": ("workflow:write",),
    "EnableWorkflow": ("workflow:write",),
    "DisableWorkflow": ("workflow:write",),
    "ArchiveWorkflow": ("workflow:write",),
    "RestoreWorkflow": ("workflow:write",),
    # Who lets agents run it by themselves could have approved every such run.
    "SetAgentRuns": ("workflow:write", "batch:approve"),
    # A count of arbitrary conditions tells whether a person exists, so it needs person:read too.
    "SizeAudience": ("workflow:read", "person:read"),
    "ExplainAudience": ("workflow:read", "person:read"),
    "RunBatch": ("workflow:run", "person:read"),
    "SizeFailed": ("workflow:read", "run:read", "person:read"),
    "RetryFailed": ("workflow:run", "person:read"),
    "RunWorkflow": ("workflow:run",),
    "CancelRun": ("run:cancel",),
    # What is rendered for real people is theirs.
    "SimulateWorkflow": ("workflow:read", "person:read"),
    "ApproveBatchJob": ("batch:approve", "person:read"),
    "RejectBatchJob": ("batch:approve",),
    "DecideStep": ("batch:approve", "person:read"),
    "DecideUnknown": ("batch:approve", "person:read"),
    "AcceptConfirmation": ("batch:approve", "person:read"),
    "RejectConfirmation": ("batch:approve", "person:read"),
    "ShowConfirmation": ("batch:approve", "person:read"),
    "PauseBatchJob": ("run:cancel",),
    "SizeOpen": ("workflow:read", "run:read", "person:read"),
    "ResumeBatchJob": ("workflow:run", "person:read"),
    "CancelBatchJob": ("run:cancel",),
    "AttachSchedule": ("workflow:run", "person:read"),
    "ReviseSchedule": ("workflow:run", "person:read"),
    "ResumeSchedule": ("workflow:run", "person:read"),
    "PauseSchedule": ("workflow:run",),
    "DetachSchedule": ("workflow:run",),
    "PreviewSchedule": ("workflow:read",),
    "FireSchedule": (ENGINE,),
    "ExpireApproval": (ENGINE,),
    "ExpireConfirmation": (ENGINE,),
    "ImportPeople": ("person:write",),
    "CreateCohort": ("cohort:write",),
    "CreateKey": ("key:admin",),
    "ChangeKey": ("key:admin",),
    "RevokeKey": ("key:admin",),
    "SetPolicy": ("key:admin",),
}

READS: dict[str, tuple[str, ...]] = {
    "workflows.list": ("workflow:read",),
    "workflows.get": ("workflow:read",),
    "schedules.list": ("workflow:read",),
    "schedules.get": ("workflow:read",),
    "schedules.occurrences": ("workflow:read",),
    "batch_jobs.list": ("run:read",),
    "batch_jobs.get": ("run:read",),
    "runs.list": ("run:read", "person:read"),
    "runs.get": ("run:read", "person:read"),
    "runs.result": ("run:read", "person:read"),
    "runs.unknown": ("run:read", "person:read"),
    "runs.trace": ("run:read", "person:read"),
    "people.list": ("person:read",),
    "people.get": ("person:read",),
    "cohorts.list": ("cohort:read",),
    "cohorts.get": ("cohort:read",),
    "keys.list": ("key:admin",),
    "components.list": ("workflow:read",),
    "components.get": ("workflow:read",),
    "policy.get": ("workflow:read",),
    "confirmations.list": ("batch:approve", "person:read"),
    "views.list": ("audit:read",),
    "log.read": ("audit:read",),
    "log.get": ("audit:read",),
    "state.at": ("audit:read",),
    "state.diff": ("audit:read",),
}


def authorize(principal: Principal, name: str) -> None:
    """Let pass, or refuse with the scopes that are missing. `name` is a command's class or `view.read`."""
    needed = COMMANDS.get(name, READS.get(name))
    if needed is None:
        raise DomainError("grant.undeclared", details={"name": name})
    missing = [scope for scope in needed if scope not in principal.scopes]
    if missing:
        raise DomainError(
            "scope.missing", f"This needs the scope {' and '.join(missing)}.", details={"missing": missing}
        )
