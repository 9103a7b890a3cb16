"""API keys: list, make, revoke."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from aggregates.policy import Limits
from commands.keys import CreateKey, RevokeKey
from engine.http.answers import KeyAccepted, KeyRevoked, PageAnswer
from engine.http.caller import Commanding, Here, PathId
from engine.http.route import StrictRoute, grant
from engine.http.rows import KeyRow
from engine.http.schemas import CreateKeyBody
from projections.page import Page

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], route_class=StrictRoute)


@router.get("", response_model=PageAnswer[KeyRow], openapi_extra=grant("keys.list"))
def list_keys(caller: Here) -> Page:
    """The keys of the project, without what would let one in. Oldest first; there is one page."""
    return Page(caller.reads.keys.list(caller.principal), None, None)


@router.post("", status_code=201, response_model=KeyAccepted, openapi_extra=grant("CreateKey"))
def create_key(caller: Commanding, body: CreateKeyBody, response: Response) -> dict[str, Any]:
    """Make a key with some of your own scopes. Its plain text is in this one answer and nowhere else, ever."""
    fields = body.model_dump()
    limits = Limits(**{name: fields.pop(name) for name in Limits.__dataclass_fields__})
    return caller.answer(CreateKey(**{**fields, "scopes": tuple(fields["scopes"]), "limits": limits}), response)


@router.delete("/{key_id}", response_model=KeyRevoked, openapi_extra=grant("RevokeKey"))
def revoke_key(caller: Commanding, key_id: PathId, response: Response) -> dict[str, Any]:
    """Revoke a key; its next request is refused."""
    return caller.answer(RevokeKey(key_id if key_id.isalnum() else ""), response)
