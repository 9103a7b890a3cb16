"""`tidegate batch approve`, `reject`, `decide`: what a human who did not ask for a job says about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from engine.cli.client import Api, connect
from engine.cli.confirm import Confirm, Token, acknowledged, asked, let_type, needs_a_human
from engine.cli.output import Column, Json, Output
from engine.cli.refs import JobRef

Note = Annotated[str | None, Parameter(help="Kept with the decision.")]

ANSWER = (
    Column("job", "batch_job_id"),
    Column("status", "status"),
    Column("acknowledged", "acknowledged"),
    Column("send mode", "send_mode"),
)
QUESTION = (
    Column("job", "id"),
    Column("workflow", "workflow_id"),
    Column("status", "status"),
    Column("held because", "reason"),
    Column("held until", "held_until"),
    Column("asked for", "acknowledged"),
    Column("people kept", "frozen"),
    Column("retry of", "retry_of"),
    Column("by", "requested_by"),
)


def approve(
    job: JobRef, *, confirm: Confirm = None, token: Token = None, note: Note = None, json: Json = False
) -> None:
    """Let a held job run, after confirming its audience of today. Real people are contacted.

    Without --confirm, and on a terminal, the audience is sized, the number is shown, and you type it. Who asked for
    the job cannot approve it.
    """
    out, api = Output(json), connect()
    proof = acknowledged(confirm, token) if confirm is not None else _asked(api, job, out)
    answer = api.post(f"/batch-jobs/{job}/approve", proof | _noted(note))
    out.record(answer, ANSWER)
    out.say(f"watch it: tidegate batch watch {job}")


def reject(job: JobRef, *, reason: str, json: Json = False) -> None:
    """Turn a held job down: it never reaches anybody."""
    Output(json).record(connect().post(f"/batch-jobs/{job}/reject", {"reason": reason}), ANSWER)


def decide(
    job: JobRef, step: str, decision: Literal["approved", "rejected"], *, note: Note = None, json: Json = False
) -> None:
    """Answer an approval step for everybody in a job who stands or will stand at it."""
    body = {"decision": decision} | _noted(note)
    Output(json).record(connect().post(f"/batch-jobs/{job}/steps/{step}/decide", body), ANSWER)


def _asked(api: Api, job_id: str, out: Output) -> dict[str, Any]:
    """Show what is held and whom it would reach today, and let a human type the number."""
    job = api.get(f"/batch-jobs/{job_id}")
    needs_a_human(out, job["workflow_id"])
    out.record(job, QUESTION)
    if job["frozen"] or job["retry_of"]:
        # Its people were kept when they were sized, or failed before; whoever matches today plays no part.
        let_type(out, job["acknowledged"], job["send_mode"], to="reach")
        return acknowledged(int(job["acknowledged"]), None)
    return asked(api, job["workflow_id"], {"variables": job["variables"]}, out, to="reach")


def _noted(note: str | None) -> dict[str, Any]:
    return {"note": note} if note else {}
