"""`tidegate batch failed` and `retry-failed`: the failed runs of a job, counted and run again."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from engine.cli.approval import ANSWER
from engine.cli.client import connect, new_idempotency_key
from engine.cli.confirm import Confirm, Token, acknowledged, let_type, may_ask
from engine.cli.exits import Exit, usage
from engine.cli.output import Column, Json, Output
from engine.cli.refs import JobRef
from engine.cli.watch import watch as follow

SIZING = (
    Column("job", "batch_job_id"),
    Column("workflow", "workflow_id"),
    Column("failed", "affected", right=True),
    Column("opted out since", lambda sizing: sizing["left"]["opted_out"], right=True),
    Column("address changed since", lambda sizing: sizing["left"]["address_changed"], right=True),
    Column("erased since", lambda sizing: sizing["left"]["erased"], right=True),
    Column("reaches", "reaches"),
    Column("reached before", "reached_before"),
    Column("budget left", "budget_left"),
    Column("held because", "held_because"),
    Column("next", "next"),
    Column("limit", "limit", right=True),
    Column("send mode", "send_mode"),
    Column("expires at", "expires_at"),
    Column("confirm token", "confirm_token", eye=False),
)


def failed(job: JobRef, *, json: Json = False) -> None:
    """Count the failed runs of a job that has ended. Contacts nobody."""
    Output(json).record(connect().post(f"/batch-jobs/{job}/blast-radius", {}), SIZING)


def unfinished(job: JobRef, *, json: Json = False) -> None:
    """Count the people of a paused job who have no outcome yet. Contacts nobody; the token resumes the job once."""
    columns = (*SIZING[:2], Column("unfinished", "affected", right=True), *SIZING[5:])
    Output(json).record(connect().post(f"/batch-jobs/{job}/unfinished", {}), columns)


def retry_failed(
    job: JobRef,
    *,
    confirm: Confirm = None,
    token: Token = None,
    watch: Annotated[bool, Parameter(negative="", help="Follow the new job until it ends.")] = False,
    idempotency_key: Annotated[str | None, Parameter(help="Makes a repeated call the same call.")] = None,
    json: Json = False,
) -> int:
    """Run a workflow again for exactly the people whose runs of a job failed. Real people are contacted.

    Without --confirm, and on a terminal, they are counted, the number is shown, and you type it.
    """
    out, api = Output(json), connect()
    proof = acknowledged(confirm, token) if confirm is not None else _asked(out, job)
    key = idempotency_key or new_idempotency_key()
    answer = api.post(f"/batch-jobs/{job}/retry-failed", proof, idempotency_key=key)
    out.record(answer, ANSWER)
    if answer["status"] == "held":
        out.say("Held until a human approves it. Nothing was sent. Do not repeat the call.")
        return Exit.HELD
    if watch:
        return follow(api, answer["batch_job_id"], out, position=answer.get("position"))
    out.say(f"watch it: tidegate batch watch {answer['batch_job_id']}")
    return Exit.DONE


def _asked(out: Output, job: str) -> dict[str, Any]:
    """Count the failed runs, show the number, and let a human type it."""
    if not may_ask(out):
        raise usage(
            "--confirm N is needed: the number of people that a human confirmed.",
            then=f"Show somebody the number first: tidegate batch failed {job}",
        )
    sizing = connect().post(f"/batch-jobs/{job}/blast-radius", {})
    out.record(sizing, SIZING)
    let_type(out, sizing["affected"], sizing["send_mode"], to="reach again")
    return acknowledged(int(sizing["affected"]), str(sizing["confirm_token"]))
