"""`tidegate confirm`: what agents asked for and a human has to confirm; read it, let it happen, turn it down."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from engine.cli.approval import Note
from engine.cli.client import connect
from engine.cli.confirm import Confirm, let_type, may_ask
from engine.cli.exits import usage
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output
from engine.cli.refs import ConfirmationRef

app = App(name="confirm", help="What agents asked for: read it, confirm the number, or turn it down.")

COLUMNS = (
    Column("id", "id"),
    Column("asks", "asks"),
    Column("people", "acknowledged", right=True),
    Column("workflow", "workflow_id", eye=False),
    Column("send mode", "send_mode"),
    Column("by", "requested_by"),
    Column("via", "via", eye=False),
    Column("requested", "requested_at"),
    Column("until", "expires_at", eye=False),
)
QUESTION = (
    Column("asks", "asks"),
    Column("workflow", "workflow_name"),
    Column("version", "workflow_version"),
    Column("people", "acknowledged"),
    Column("people now", "affected"),
    Column("the same people", "same_people"),
    Column("excluded", "excluded"),
    Column("send mode", "send_mode"),
    Column("held because", "held_because"),
    Column("asked by", "requested_by"),
    Column("source", "source"),
    Column("through", "via"),
    Column("program", "client"),
    Column("why", "why"),
    Column("terms", "terms"),
    Column("requested", "requested_at"),
    Column("until", "expires_at"),
    Column("status", "status"),
)
ANSWER = (
    Column("confirmation", "confirmation_id"),
    Column("status", "status"),
    Column("job", "batch_job_id"),
    Column("schedule", "schedule_id"),
    Column("acknowledged", "acknowledged"),
)


@app.command(name="list")
def list_(
    *,
    status: Literal["waiting", "confirmed", "rejected", "expired", "withdrawn"] = "waiting",
    limit: Limit = 20,
    after: After = None,
    every: Every = False,
    json: Json = False,
) -> None:
    """List what waits for a human, the newest first."""
    Output(json).page(connect().pages("/confirmations", limit=limit, after=after, every=every, status=status), COLUMNS)


@app.command
def show(confirmation: ConfirmationRef, *, json: Json = False) -> None:
    """Show who asks for what, and how many people it would reach now."""
    Output(json).record(connect().get(f"/confirmations/{confirmation}"), QUESTION)


@app.command
def accept(confirmation: ConfirmationRef, *, confirm: Confirm = None, note: Note = None, json: Json = False) -> None:
    """Let it take effect, over exactly the people that it was asked for. Real people are contacted.

    Without --confirm, and on a terminal, everything is shown and you type the number. Who asked for it cannot confirm
    it, and no agent can.
    """
    out, api, id = Output(json), connect(), confirmation
    if confirm is None:
        if not may_ask(out):
            raise usage(
                "--confirm N is needed: the number of people that you confirm.", then=f"tidegate confirm show {id}"
            )
        asked = api.get(f"/confirmations/{id}")
        out.record(asked, QUESTION)
        let_type(out, asked["acknowledged"], asked["send_mode"], to="reach")
        confirm = int(asked["acknowledged"])
    body = {"acknowledged_affected_count": confirm} | ({"note": note} if note else {})
    out.record(api.post(f"/confirmations/{id}/confirm", body), ANSWER)


@app.command
def reject(confirmation: ConfirmationRef, *, reason: str, json: Json = False) -> None:
    """Turn it down: nothing of it takes effect."""
    answer = connect().post(f"/confirmations/{confirmation}/reject", {"reason": reason})
    Output(json).record(answer, ANSWER)
