"""One command as each door is asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.product import CAPTURE, EVERYONE, Json

WEEKLY: Json = {"rrule": "FREQ=WEEKLY"}
DAILY: Json = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00"}
BECAUSE = "because it is asked for"

RENAMED, CREATED, PEOPLE = "renamed.json", "created.json", "people.csv"
CONTENT: Json = {"trigger": EVERYONE, "steps": [CAPTURE]}
ROWS = "distinct_id,email\nnewcomer,newcomer@example.com\n"
FILES = {
    RENAMED: json.dumps({"name": "Renamed"}),
    CREATED: json.dumps({"name": "Made", **CONTENT}),
    PEOPLE: ROWS,
}
"""What lies in the directory where the command line runs."""

VERSIONS = {"fresh": 1, "stale": 7}


@dataclass(frozen=True)
class Ask:
    """A method, a path and a body; a tool and its arguments; a command line."""

    http: tuple[str, str, Json | bytes | None]
    tool: tuple[str, Json]
    argv: tuple[str, ...]


def run(id: str, proof: Json) -> Ask:
    return Ask(
        ("POST", f"/workflows/{id}/run-batch", proof),
        ("workflows-run-batch", {"workflow_id": id, **proof}),
        ("batch", "run", id, *said(proof)),
    )


def attach(id: str, proof: Json) -> Ask:
    when = ("--rrule", DAILY["rrule"], "--starts-at", DAILY["starts_at"])
    return Ask(
        ("POST", f"/workflows/{id}/schedules", DAILY | proof),
        ("workflows-schedule-create", {"workflow_id": id, **DAILY, **proof}),
        ("schedules", "attach", id, *when, *said(proof)),
    )


def revise(id: str, proof: Json) -> Ask:
    return Ask(
        ("PATCH", f"/schedules/{id}", WEEKLY | proof),
        ("workflows-update-schedule", {"schedule_id": id, **WEEKLY, **proof}),
        ("schedules", "revise", id, "--rrule", WEEKLY["rrule"], *said(proof)),
    )


def resume(id: str, proof: Json) -> Ask:
    return Ask(
        ("POST", f"/schedules/{id}/resume", proof),
        ("workflows-resume-schedule", {"schedule_id": id, **proof}),
        ("schedules", "resume", id, *said(proof)),
    )


def pause(id: str, _proof: Json) -> Ask:
    return Ask(
        ("POST", f"/schedules/{id}/pause", {"note": BECAUSE}),
        ("workflows-pause-schedule", {"schedule_id": id, "note": BECAUSE}),
        ("schedules", "pause", id, "--note", BECAUSE),
    )


def approve(id: str, proof: Json) -> Ask:
    return Ask(
        ("POST", f"/batch-jobs/{id}/approve", proof),
        ("batch-jobs-approve", {"batch_job_id": id, **proof}),
        ("batch", "approve", id, *said(proof)),
    )


def resume_job(id: str, _proof: Json) -> Ask:
    return Ask(
        ("POST", f"/batch-jobs/{id}/resume", None),
        ("batch-jobs-resume", {"batch_job_id": id}),
        ("batch", "resume", id),
    )


def stop_job(verb: str) -> Callable[[str, Json], Ask]:
    """Rejecting, pausing and cancelling are said alike."""

    def ask(id: str, _proof: Json) -> Ask:
        return Ask(
            ("POST", f"/batch-jobs/{id}/{verb}", {"reason": BECAUSE}),
            (f"batch-jobs-{verb}", {"batch_job_id": id, "reason": BECAUSE}),
            ("batch", verb, id, "--reason", BECAUSE),
        )

    return ask


def move(verb: str, *, route: str | None = None) -> Callable[[str, Json], Ask]:
    """From one status of a workflow to another."""

    def ask(id: str, _proof: Json) -> Ask:
        return Ask(
            ("POST", f"/workflows/{id}/{route or verb}", None),
            (f"workflows-{verb}", {"workflow_id": id}),
            ("workflows", verb, id),
        )

    return ask


def edit(id: str, proof: Json) -> Ask:
    version = proof["version"]
    changes = {"version": version, "name": "Renamed"}
    return Ask(
        ("PATCH", f"/workflows/{id}", changes),
        ("workflows-update", {"workflow_id": id, **changes}),
        ("workflows", "update", id, RENAMED, "--version", str(version)),
    )


ASKS: Mapping[str, Callable[[str, Json], Ask]] = {
    "RunBatch": run,
    "AttachSchedule": attach,
    "ReviseSchedule": revise,
    "ResumeSchedule": resume,
    "PauseSchedule": pause,
    "ApproveBatchJob": approve,
    "RejectBatchJob": stop_job("reject"),
    "PauseBatchJob": stop_job("pause"),
    "CancelBatchJob": stop_job("cancel"),
    "ResumeBatchJob": resume_job,
    "EnableWorkflow": move("enable", route="activate"),
    "DisableWorkflow": move("disable"),
    "ArchiveWorkflow": move("archive"),
    "EditWorkflow": edit,
}


def said(proof: Json) -> tuple[str, ...]:
    """A proof as options. With `=`, because a count below nothing would look like an option."""
    options = {"--confirm": "acknowledged_affected_count", "--token": "confirm_token"}
    return tuple(f"{option}={proof[name]}" for option, name in options.items() if name in proof)
