"""People: import, list, look up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from aggregates.errors import Problem, invalid
from aggregates.values import NAME_LIMIT
from commands.people import ImportPeople
from engine.http.answers import ImportAnswer, PageAnswer
from engine.http.body import media_type
from engine.http.caller import After, Here, Limit, PathId
from engine.http.guide_answers import PropertiesAnswer
from engine.http.route import StrictRoute, grant
from engine.http.rows import PersonAnswer, PersonRow
from engine.http.uploads import spooled
from projections.page import Page

router = APIRouter(prefix="/api/v1", tags=["people"], route_class=StrictRoute)

FORMATS: dict[str, Literal["csv", "jsonl"]] = {"text/csv": "csv", "application/x-ndjson": "jsonl"}
UPLOADS = (*FORMATS, "application/octet-stream")
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in UPLOADS},
    }
}


@router.get("/people", response_model=PageAnswer[PersonRow], openapi_extra=grant("people.list"))
def list_people(
    caller: Here,
    distinct_id: Annotated[str | None, Query(min_length=1, max_length=NAME_LIMIT)] = None,
    email: Annotated[str | None, Query(min_length=1, max_length=320)] = None,
    limit: Limit = 20,
    after: After = None,
) -> Page:
    """By id, oldest first; `email` finds an address in whatever form it is told."""
    return caller.reads.people.list(caller.principal, distinct_id=distinct_id, email=email, limit=limit, after=after)


@router.get("/people/properties", response_model=PropertiesAnswer, openapi_extra=grant("people.properties"))
def get_properties(caller: Here) -> dict[str, Any]:
    """Which properties people have, the commonest first. Of many people a sample is looked at: `sampled`."""
    return caller.reads.people.properties(caller.principal)


# After the path that is written out, which it would match too.
@router.get("/people/{person_id}", response_model=PersonAnswer, openapi_extra=grant("people.get"))
def get_person(caller: Here, person_id: PathId) -> dict[str, Any]:
    """One person, with what they left."""
    return caller.reads.people.get(caller.principal, person_id)


@router.post(
    "/people:import",
    response_model=ImportAnswer,
    openapi_extra={**grant("ImportPeople", streams=True), **UPLOAD_BODY},
)
async def import_people(
    caller: Here,
    request: Request,
    response: Response,
    *,
    renames: Annotated[
        list[Annotated[str, Field(pattern="^[^=]{1,200}=.{0,200}$")]],
        Query(alias="map", default_factory=list, description="`column=field`, once for each column to rename."),
    ],
    format: Annotated[Literal["csv", "jsonl"] | None, Query(description="Unset: what the content type says.")] = None,
    dry_run: Annotated[bool, Query(description="Look at every row, import nothing.")] = False,
) -> dict[str, Any]:
    """Add or update people by distinct_id, from a file of any size: all rows, or none and every bad line."""
    mapping = {column: field for column, _, field in (pair.partition("=") for pair in renames)}
    resolved = _format(format, media_type(request, UPLOADS))
    async with spooled(request) as stream:
        command = ImportPeople(stream, resolved, mapping, dry_run)
        return await run_in_threadpool(caller.answer, command, response)


def _format(asked: Literal["csv", "jsonl"] | None, content_type: str) -> str:
    told = FORMATS.get(content_type)
    if asked is None and told is None:
        raise invalid(
            "request.invalid",
            [Problem("/format", "import.no_format", "Say what the file is.", None, ["csv", "jsonl"], "csv")],
        )
    if asked and told and asked != told:
        raise invalid(
            "request.invalid",
            [Problem("/format", "import.two_formats", "The content type says something else.", asked, told)],
        )
    return str(asked or told)
