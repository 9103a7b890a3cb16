"""API keys: list, make, change, revoke."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from aggregates.policy import Limits
from commands.key_terms import LIFTED
from commands.keys import ChangeKey, CreateKey, RevokeKey
from engine.http.answers import KeyAccepted, KeyChanged, KeyRevoked, PageAnswer
from engine.http.caller import Commanding, Here, PathId
from engine.http.limits import ChangeKeyBody, CreateKeyBody, LimitsBody
from engine.http.route import StrictRoute, grant
from engine.http.rows import KeyRow
from projections.page import Page

router = APIRouter(prefix="/api/v1/keys", tags=["keys"], route_class=StrictRoute)


@router.get("", response_model=PageAnswer[KeyRow], openapi_extra=grant("keys.list"))
def list_keys(caller: Here) -> Page:
    """The keys of the project, without what would let one in. Oldest first; there is one page."""
    return Page(caller.reads.keys.list(caller.principal), None, None)


@router.post("", status_code=201, response_model=KeyAccepted, openapi_extra=grant("CreateKey"))
def create_key(caller: Commanding, body: CreateKeyBody, response: Response) -> dict[str, Any]:
    """Make a key with some of your own scopes. Its plain text is in this one answer and nowhere else, ever."""
    return caller.answer(CreateKey(**_fields(body)), response)


@router.patch("/{key_id}", response_model=KeyChanged, openapi_extra=grant("ChangeKey"))
def change_key(caller: Commanding, key_id: PathId, response: Response, body: ChangeKeyBody) -> dict[str, Any]:
    """Change what a key may do, from its next request on, also in sessions that are open. What is left out stays."""
    lifted = tuple(name for name in LIFTED if name in body.model_fields_set and getattr(body, name) is None)
    return caller.answer(ChangeKey(_known(key_id), lifted=lifted, **_fields(body)), response)


@router.delete("/{key_id}", response_model=KeyRevoked, openapi_extra=grant("RevokeKey"))
def revoke_key(caller: Commanding, key_id: PathId, response: Response) -> dict[str, Any]:
    """Revoke a key; its next request is refused."""
    return caller.answer(RevokeKey(_known(key_id)), response)


def _fields(body: CreateKeyBody | ChangeKeyBody) -> dict[str, Any]:
    fields = body.model_dump()
    limits = Limits.of({name: fields.pop(name) for name in LimitsBody.model_fields})
    scopes = fields.pop("scopes")
    return {**fields, "scopes": None if scopes is None else tuple(scopes), "limits": limits}


def _known(key_id: str) -> str:
    """An id as one could be; what could not be is as unknown as any other."""
    return key_id if key_id.isalnum() else ""
