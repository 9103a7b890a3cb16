"""Who may ask what: every command and every read with the scopes that it needs, all of them.

This is the only table of permissions. The bus and the reads consult it for every door; what is not listed
is refused, and a test fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aggregates.base import Principal
from aggregates.errors import DomainError
from aggregates.values import NOBODY, parse_run_id

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

AGENT_SCOPES = SCOPES - {"person:write", "cohort:write", "batch:approve", "key:admin"}
"""What `all` means for an agent: what the agents' surface uses."""

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
    "OptOut": ("person:write",),
    "OptIn": ("person:write",),
    "Suppress": ("person:write",),
    "Unsuppress": ("person:write",),
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
    # A manual run has no person; of any other run the reads ask for person:read too, whether it exists or not.
    "runs.get": ("run:read",),
    "runs.result": ("run:read",),
    "runs.unknown": ("run:read", "person:read"),
    "runs.trace": ("run:read",),
    "failures.of_job": ("run:read",),
    "people.list": ("person:read",),
    "people.get": ("person:read",),
    "people.properties": ("person:read",),
    "suppressions.list": ("person:read",),
    "cohorts.list": ("cohort:read",),
    "cohorts.get": ("cohort:read",),
    "keys.list": ("key:admin",),
    "guide.get": ("workflow:read",),
    "operators.list": ("workflow:read",),
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


CARRIES: dict[str, Callable[[Any], bool]] = {
    # How many match, or who of those named is there.
    "CreateCohort": lambda command: command.kind == "static" and bool(command.conditions or command.members),
    # Whether there is such a person.
    "OptOut": lambda command: command.address is None,
    "OptIn": lambda command: command.address is None,
    # Whether such a person is in the job.
    "CancelRun": lambda command: (parse_run_id(command.run_id) or (None, NOBODY))[1] != NOBODY,
}
"""What a command may carry that makes its answer depend on which people exist: it then needs person:read as well."""


def authorize(principal: Principal, name: str, command: Any = None) -> None:
    """Let pass, or refuse with the scopes that are missing. `name` is a command's class or `view.read`.

    With the `command` itself also by what it carries, before anything is looked at.
    """
    needed = COMMANDS.get(name, READS.get(name))
    if needed is None:
        raise DomainError("grant.undeclared", details={"name": name})
    if command is not None and name in CARRIES and CARRIES[name](command):
        needed = (*needed, "person:read")
    missing = [scope for scope in needed if scope not in principal.scopes]
    if missing:
        raise DomainError(
            "scope.missing", f"This needs the scope {' and '.join(missing)}.", details={"missing": missing}
        )
