"""What waits for a human: what agents asked for, read and decided by somebody else."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse

from commands.confirmation import AcceptConfirmation, RejectConfirmation
from commands.showing import ShowConfirmation
from engine.http import docs
from engine.http.answers import PageAnswer
from engine.http.caller import After, Commanding, Here, Limit, PathId, Position, id_of
from engine.http.confirmation_rows import ConfirmationAnswer, ConfirmationDecided, ConfirmationRow
from engine.http.orders import ConfirmBody
from engine.http.route import StrictRoute, grant
from engine.http.schemas import GivenReasonBody
from projections.page import Page

router = APIRouter(prefix="/api/v1/confirmations", tags=["confirmations"], route_class=StrictRoute)

Status = Literal["waiting", "confirmed", "rejected", "expired", "withdrawn"]

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tidegate: confirm</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body>
<h1>An agent asks for something</h1>
<p>Nothing happens until a person who did not ask for it confirms it. This page decides nothing and shows nothing.</p>
<p>Read it on the command line, with a key of your own: <code>tidegate confirm show {id}</code></p>
<p>Then confirm the number of people, or turn it down:
<code>tidegate confirm accept {id}</code> &middot; <code>tidegate confirm reject {id} --reason WHY</code></p>
</body></html>
"""


def confirm_page(id: str) -> Response:
    """The same for everything that has an id, and for what has none: it tells how to confirm, and nothing else."""
    try:
        named = str(UUID(id))
    except ValueError:
        named = "ID"
    return HTMLResponse(PAGE.format(id=named), headers=docs.HEADERS)


@router.get("", response_model=PageAnswer[ConfirmationRow], openapi_extra=grant("confirmations.list"))
def list_confirmations(
    caller: Here,
    *,
    status: Status = "waiting",
    limit: Limit = 20,
    after: After = None,
    min_position: Position = 0,
) -> Page:
    """What waits for a human: held batch jobs and requests of agents, the newest first."""
    return caller.reads_at(min_position).confirmations.list(caller.principal, status=status, limit=limit, after=after)


@router.get("/{confirmation_id}", response_model=ConfirmationAnswer, openapi_extra=grant("ShowConfirmation"))
def show_confirmation(caller: Here, confirmation_id: PathId) -> Any:
    """Who asks for what, through which door, and how many people it would reach now. Contacts nobody."""
    return caller.dispatch(ShowConfirmation(id_of(confirmation_id))).data


@router.post(
    "/{confirmation_id}/confirm",
    status_code=202,
    response_model=ConfirmationDecided,
    openapi_extra=grant("AcceptConfirmation"),
)
def confirm(caller: Commanding, confirmation_id: PathId, body: ConfirmBody, response: Response) -> dict[str, Any]:
    """Let it take effect, over exactly the people that it was asked for. Real people are contacted.

    Whoever asked for it cannot confirm it, and no agent can.
    """
    command = AcceptConfirmation(id_of(confirmation_id), **body.model_dump())
    return caller.answer(command, response, reason=body.note or None)


@router.post("/{confirmation_id}/reject", response_model=ConfirmationDecided, openapi_extra=grant("RejectConfirmation"))
def reject(caller: Commanding, confirmation_id: PathId, body: GivenReasonBody, response: Response) -> dict[str, Any]:
    """Turn it down: nothing of it takes effect."""
    return caller.answer(RejectConfirmation(id_of(confirmation_id), body.reason), response, reason=body.reason)
