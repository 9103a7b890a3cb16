"""What is not asked for in the matrix of verdicts, said at each door; and the whole command line as a table.

A door that lacks a command is asked under the name that the command would have there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.doors.asks import ASKS, BECAUSE, CONTENT, CREATED, DAILY, PEOPLE, RENAMED, ROWS, VERSIONS, WEEKLY, Ask
from tests.support.product import Json

WIDE = 10**9
"""More than any policy allows."""


def create(_id: str) -> Ask:
    made = {"name": "Made", **CONTENT}
    return Ask(("POST", "/workflows", made), ("workflows-create", made), ("workflows", "create", CREATED))


def size(id: str) -> Ask:
    return Ask(
        ("POST", f"/workflows/{id}/blast-radius", {"freeze": True}),
        ("workflows-blast-radius", {"workflow_id": id, "freeze": True}),
        ("workflows", "size", id, "--freeze"),
    )


def explain(id: str) -> Ask:
    return Ask(
        ("GET", f"/workflows/{id}/blast-radius/excluded", None),
        ("workflows-explain", {"workflow_id": id}),
        ("workflows", "explain", id),
    )


def restore(id: str) -> Ask:
    return Ask(
        ("POST", f"/workflows/{id}/restore", None),
        ("workflows-restore", {"workflow_id": id}),
        ("workflows", "restore", id),
    )


def allow_agents(id: str) -> Ask:
    return Ask(
        ("PUT", f"/workflows/{id}/agent-runs", {"agent_runs": "free"}),
        ("workflows-agent-runs", {"workflow_id": id, "agent_runs": "free"}),
        ("workflows", "agent-runs", id, "free"),
    )


def look(id: str) -> Ask:
    return Ask(
        ("GET", f"/confirmations/{id}", None),
        ("confirmations-get", {"confirmation_id": id}),
        ("confirm", "show", id),
    )


def turn_down(id: str) -> Ask:
    return Ask(
        ("POST", f"/confirmations/{id}/reject", {"reason": BECAUSE}),
        ("confirmations-reject", {"confirmation_id": id, "reason": BECAUSE}),
        ("confirm", "reject", id, "--reason", BECAUSE),
    )


def size_open(id: str) -> Ask:
    return Ask(
        ("POST", f"/batch-jobs/{id}/unfinished", None),
        ("batch-jobs-unfinished", {"batch_job_id": id}),
        ("batch", "unfinished", id),
    )


def decide(id: str) -> Ask:
    return Ask(
        ("POST", f"/batch-jobs/{id}/steps/note/decide", {"decision": "approved"}),
        ("batch-jobs-decide", {"batch_job_id": id, "step_id": "note", "decision": "approved"}),
        ("batch", "decide", id, "note", "approved"),
    )


def detach(id: str) -> Ask:
    return Ask(
        ("POST", f"/schedules/{id}/detach", None),
        ("workflows-detach-schedule", {"schedule_id": id}),
        ("schedules", "detach", id),
    )


def preview(id: str) -> Ask:
    return Ask(
        ("GET", f"/schedules/{id}/preview", None),
        ("schedules-preview", {"schedule_id": id}),
        ("schedules", "preview", id),
    )


def size_failed(id: str) -> Ask:
    return Ask(
        ("POST", f"/batch-jobs/{id}/blast-radius", None),
        ("batch-jobs-blast-radius", {"batch_job_id": id}),
        ("batch", "failed", id),
    )


def decide_unknown(id: str) -> Ask:
    return Ask(
        ("POST", f"/runs/{id}.1/decide-unknown", {"decision": "retry"}),
        ("runs-decide-unknown", {"run_id": f"{id}.1", "decision": "retry"}),
        ("runs", "decide", f"{id}.1", "retry"),
    )


def bring(_id: str) -> Ask:
    return Ask(
        ("POST", "/people:import", ROWS.encode()), ("people-import", {"rows": ROWS}), ("people", "import", PEOPLE)
    )


def gather(_id: str) -> Ask:
    named: Json = {"name": "Made", "kind": "static"}
    return Ask(
        ("POST", "/cohorts", named), ("cohorts-create", named), ("cohorts", "create", "Made", "--kind", "static")
    )


def consents(path: str, *line: str) -> Callable[[str], Ask]:
    named: Json = {"address": "somebody@example.com"}
    return lambda _: Ask(("POST", path, named), (line[-1], named), (*line, "somebody@example.com"))


def make_key(_id: str) -> Ask:
    made: Json = {"name": "made", "scopes": ["workflow:run"]}
    return Ask(("POST", "/keys", made), ("keys-create", made), ("keys", "create", "made", "--scope", "workflow:run"))


def change_key(id: str) -> Ask:
    wide: Json = {"scopes": ["workflow:run", "person:read"], "max_audience": WIDE}
    options = ("--scope", "workflow:run", "--scope", "person:read", "--max-audience", str(WIDE))
    return Ask(
        ("PATCH", f"/keys/{id}", wide), ("keys-change", {"key_id": id, **wide}), ("keys", "change", id, *options)
    )


def revoke_key(id: str) -> Ask:
    return Ask(("DELETE", f"/keys/{id}", None), ("keys-revoke", {"key_id": id}), ("keys", "revoke", id))


def widen(_id: str) -> Ask:
    wide: Json = {"approval_over": WIDE, "max_audience": WIDE}
    options = ("--approval-over", str(WIDE), "--max-audience", str(WIDE))
    return Ask(("PUT", "/policy", wide), ("policy-set", wide), ("policy", "set", *options))


def begin(id: str) -> Ask:
    return Ask(
        ("POST", f"/workflows/{id}/run", {}),
        ("workflows-run", {"workflow_id": id, "idempotency_key": "once"}),
        ("workflows", "run", id),
    )


def cancel_run(id: str) -> Ask:
    return Ask(
        ("POST", f"/runs/{id}.1/cancel", {"reason": BECAUSE}),
        ("runs-cancel", {"run_id": f"{id}.1", "reason": BECAUSE}),
        ("runs", "cancel", f"{id}.1", "--reason", BECAUSE),
    )


def simulate(id: str) -> Ask:
    return Ask(
        ("POST", f"/workflows/{id}/simulate", None),
        ("workflows-simulate", {"workflow_id": id}),
        ("workflows", "simulate", id),
    )


def known(command: str) -> Callable[[str], Ask]:
    proof: Json = {"version": VERSIONS["fresh"]} if command == "EditWorkflow" else {}
    return lambda target: ASKS[command](target, proof)


WAYS: Mapping[str, Callable[[str], Ask]] = {
    "CreateWorkflow": create,
    "RestoreWorkflow": restore,
    "SizeAudience": size,
    "ExplainAudience": explain,
    "DecideStep": decide,
    "DecideUnknown": decide_unknown,
    "SizeFailed": size_failed,
    "SizeOpen": size_open,
    "SetAgentRuns": allow_agents,
    "ShowConfirmation": look,
    "RejectConfirmation": turn_down,
    "DetachSchedule": detach,
    "PreviewSchedule": preview,
    "RunWorkflow": begin,
    "CancelRun": cancel_run,
    "SimulateWorkflow": simulate,
    "ImportPeople": bring,
    "CreateCohort": gather,
    "OptOut": consents("/people:opt-out", "people", "opt-out"),
    "OptIn": consents("/people:opt-in", "people", "opt-in"),
    "Suppress": consents("/suppressions", "people", "suppress"),
    "Unsuppress": consents("/suppressions:remove", "people", "unsuppress"),
    "CreateKey": make_key,
    "ChangeKey": change_key,
    "RevokeKey": revoke_key,
    "SetPolicy": widen,
    **{command: known(command) for command in ("EditWorkflow", "EnableWorkflow", "DisableWorkflow", "ArchiveWorkflow")},
    **{command: known(command) for command in ("PauseBatchJob", "CancelBatchJob", "RejectBatchJob", "PauseSchedule")},
}

ID = "01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee"
RUN = f"{ID}.0"
COUNT = "--confirm=1"
RULE = ("--rrule", WEEKLY["rrule"])

OF_THE_PRODUCT: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("workflows", "list"): ("workflows.list", ()),
    ("workflows", "show"): ("workflows.get", (ID,)),
    ("workflows", "create"): ("CreateWorkflow", (CREATED,)),
    ("workflows", "update"): ("EditWorkflow", (ID, RENAMED, "--version=1")),
    ("workflows", "enable"): ("EnableWorkflow", (ID,)),
    ("workflows", "disable"): ("DisableWorkflow", (ID,)),
    ("workflows", "archive"): ("ArchiveWorkflow", (ID,)),
    ("workflows", "size"): ("SizeAudience", (ID,)),
    ("workflows", "run"): ("RunWorkflow", (ID,)),
    ("workflows", "simulate"): ("SimulateWorkflow", (ID,)),
    ("runs", "list"): ("runs.list", ()),
    ("runs", "show"): ("runs.get", (RUN,)),
    ("runs", "result"): ("runs.result", (RUN,)),
    ("runs", "trace"): ("runs.trace", (RUN,)),
    ("runs", "cancel"): ("CancelRun", (RUN, "--reason", BECAUSE)),
    ("runs", "decide"): ("DecideUnknown", (RUN, "retry")),
    ("batch", "run"): ("RunBatch", (ID, COUNT)),
    ("batch", "watch"): ("batch_jobs.get", (ID,)),
    ("batch", "list"): ("batch_jobs.list", ()),
    ("batch", "show"): ("batch_jobs.get", (ID,)),
    ("batch", "runs"): ("runs.list", (ID,)),
    ("batch", "approve"): ("ApproveBatchJob", (ID, COUNT)),
    ("batch", "reject"): ("RejectBatchJob", (ID, "--reason", BECAUSE)),
    ("batch", "decide"): ("DecideStep", (ID, "note", "approved")),
    ("batch", "failed"): ("SizeFailed", (ID,)),
    ("batch", "unfinished"): ("SizeOpen", (ID,)),
    ("workflows", "agent-runs"): ("SetAgentRuns", (ID, "never")),
    ("confirm", "list"): ("confirmations.list", ()),
    ("confirm", "show"): ("ShowConfirmation", (ID,)),
    ("confirm", "accept"): ("AcceptConfirmation", (ID, COUNT)),
    ("confirm", "reject"): ("RejectConfirmation", (ID, "--reason", BECAUSE)),
    ("batch", "retry-failed"): ("RetryFailed", (ID, COUNT)),
    ("batch", "unknown"): ("runs.unknown", (ID,)),
    ("batch", "failures"): ("failures.of_job", (ID,)),
    ("batch", "pause"): ("PauseBatchJob", (ID, "--reason", BECAUSE)),
    ("batch", "resume"): ("ResumeBatchJob", (ID,)),
    ("batch", "cancel"): ("CancelBatchJob", (ID, "--reason", BECAUSE)),
    ("schedules", "attach"): ("AttachSchedule", (ID, *RULE, "--starts-at", DAILY["starts_at"], COUNT)),
    ("schedules", "revise"): ("ReviseSchedule", (ID, *RULE)),
    ("schedules", "pause"): ("PauseSchedule", (ID, "--note", BECAUSE)),
    ("schedules", "resume"): ("ResumeSchedule", (ID, COUNT)),
    ("schedules", "detach"): ("DetachSchedule", (ID,)),
    ("schedules", "list"): ("schedules.list", ()),
    ("schedules", "show"): ("schedules.get", (ID,)),
    ("schedules", "preview"): ("PreviewSchedule", (ID,)),
    ("schedules", "occurrences"): ("schedules.occurrences", (ID,)),
    ("people", "import"): ("ImportPeople", (PEOPLE,)),
    ("people", "list"): ("people.list", ()),
    ("people", "show"): ("people.get", ("1",)),
    ("people", "properties"): ("people.properties", ()),
    ("people", "opt-out"): ("OptOut", ("nobody@",)),
    ("people", "opt-in"): ("OptIn", ("nobody@",)),
    ("people", "suppress"): ("Suppress", ("nobody@",)),
    ("people", "unsuppress"): ("Unsuppress", ("nobody@",)),
    ("people", "suppressions"): ("suppressions.list", ()),
    ("cohorts", "list"): ("cohorts.list", ()),
    ("cohorts", "create"): ("CreateCohort", ("Made",)),
    ("components", "list"): ("components.list", ()),
    ("components", "show"): ("components.get", ("capture",)),
    ("components", "operators"): ("operators.list", ()),
    ("policy", "show"): ("policy.get", ()),
    ("policy", "set"): ("SetPolicy", ("--max-audience=1",)),
    ("views", "list"): ("views.list", ()),
    ("log", "show"): ("log.read", ()),
    ("log", "tail"): ("log.read", ("--timeout=0",)),
    ("replay", "state-at"): ("state.at", (ID,)),
    ("replay", "diff"): ("state.diff", (ID, "--from=1")),
}
"""Commands that ask a running server: the one command or read that each stands for, and what it is given."""

AT_THE_CONSOLE: Mapping[tuple[str, ...], str | None] = {
    ("keys", "create"): "CreateKey",
    ("keys", "change"): "ChangeKey",
    ("keys", "revoke"): "RevokeKey",
    ("keys", "list"): "keys.list",
    ("projects", "create"): None,
    ("projects", "list"): None,
    ("projects", "webhook-secret"): None,
    ("fence",): None,
    ("fence", "release"): None,
    ("views", "rebuild"): None,
    ("views", "skip"): None,
    ("replay", "check"): None,
    ("config", "show"): None,
    ("mcp-config",): None,
    ("mcp", "stdio"): None,
    **{(name,): None for name in ("up", "demo", "serve", "worker", "projector", "scheduler", "migrate", "doctor")},
}
"""Commands of whoever sits at the machine. They start, set up and repair; of the product they ask for keys."""
