"""Consent: opt-outs and opt-ins, and addresses to which nothing may be sent. Addresses are never in a URL."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from commands.consent import CODE, OptIn, OptOut, Suppress, Unsuppress
from engine.http.answers import Accepted, PageAnswer
from engine.http.caller import After, Commanding, Here, Limit
from engine.http.route import StrictRoute, grant
from engine.http.schemas import Body, Topic
from projections.page import Page

router = APIRouter(prefix="/api/v1", tags=["consent"], route_class=StrictRoute)


Code = Annotated[str, Field(pattern=f"^({CODE.pattern})?$", description="A short code, never a text about somebody.")]
NAMED_BY = ("person_id", "distinct_id", "address")
"""How a person may be named: by exactly one of these."""

EmailAddress = Annotated[str, Field(min_length=3, max_length=320)]


def _named(kind: str, **bounds: int) -> WithJsonSchema:
    """A field that is there or not: in the document it is never null, so that exactly one of three can be asked for."""
    return WithJsonSchema({"type": kind, **bounds})


class ConsentBody(Body):
    """A person by exactly one of `person_id`, `distinct_id` and `address`; an empty topic stands for all of them."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in NAMED_BY]})

    person_id: Annotated[int | None, Field(ge=1, lt=2**63), _named("integer", minimum=1, exclusiveMaximum=2**63)] = None
    distinct_id: Annotated[
        str | None, Field(min_length=1, max_length=200), _named("string", minLength=1, maxLength=200)
    ] = None
    address: Annotated[
        str | None, Field(min_length=3, max_length=320), _named("string", minLength=3, maxLength=320)
    ] = None
    topic: Topic = ""
    reason: Code = ""
    source: Code = ""


class SuppressBody(Body):
    """An address to which nothing may be sent any more."""

    address: EmailAddress
    reason: Literal["hard_bounce", "complaint", "erased", "by_hand"] = "by_hand"
    source: Code = ""


class UnsuppressBody(Body):
    """An address that may be sent to again."""

    address: EmailAddress
    source: Code = ""


class ConsentAnswer(Accepted):
    """What was recorded; position 0 says that it was so before."""

    topic: str
    reason: str
    source: str


class SuppressionAnswer(Accepted):
    """What was recorded; position 0 says that it was so before."""

    reason: str
    source: str


class SuppressionRow(BaseModel):
    address: str
    reason: str
    at: datetime


@router.post("/people:opt-out", response_model=ConsentAnswer, openapi_extra=grant("OptOut"))
def opt_out(caller: Commanding, body: ConsentBody, response: Response) -> dict[str, Any]:
    """Let a person, and their address, leave a topic or everything."""
    return caller.answer(OptOut(**body.model_dump()), response)


@router.post("/people:opt-in", response_model=ConsentAnswer, openapi_extra=grant("OptIn"))
def opt_in(caller: Commanding, body: ConsentBody, response: Response) -> dict[str, Any]:
    """Take back an opt-out of the same topic. Not for agents."""
    return caller.answer(OptIn(**body.model_dump()), response)


@router.get("/suppressions", response_model=PageAnswer[SuppressionRow], openapi_extra=grant("suppressions.list"))
def list_suppressions(caller: Here, limit: Limit = 20, after: After = None) -> Page:
    """Addresses to which nothing may be sent, in their order."""
    return caller.reads.suppressions.list(caller.principal, limit=limit, after=after)


@router.post("/suppressions", response_model=SuppressionAnswer, openapi_extra=grant("Suppress"))
def suppress(caller: Commanding, body: SuppressBody, response: Response) -> dict[str, Any]:
    """Let nothing be sent to an address."""
    return caller.answer(Suppress(**body.model_dump()), response)


@router.post("/suppressions:remove", response_model=SuppressionAnswer, openapi_extra=grant("Unsuppress"))
def unsuppress(caller: Commanding, body: UnsuppressBody, response: Response) -> dict[str, Any]:
    """Let an address be sent to again. Not for agents."""
    return caller.answer(Unsuppress(**body.model_dump()), response)
