"""Refusals as RFC 9457 problem documents: the one map from kinds to statuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from aggregates.errors import CODES, DomainError, Kind, Problem, invalid
from aggregates.shape import at
from aggregates.values import kind_of

STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.REFUSED: 422,
    Kind.TOO_LARGE: 413,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
}

MEDIA_TYPE = "application/problem+json"

MOST_ERRORS = 100
"""Errors that one document lists; `details.more_errors` counts the rest."""

ABOUT = ("batch_job_id", "schedule_id")
"""What is there already and stands in the way: where an accepted request would be answered with its own."""

RETRY_AFTER = {Kind.UNAVAILABLE: 1, Kind.LIMITED: 60}
"""Seconds, where the refusal itself does not say."""

# What pydantic calls a problem, and what we call it; everything else is `field.invalid`.
_FIELD_CODES = {"missing": "field.missing", "extra_forbidden": "field.unknown"}
FIELD_CODES = (*_FIELD_CODES.values(), "field.invalid")
"""What can be wrong with a field of the body; with a parameter it is `parameter.missing` and so on."""
PARTS = {"body": "field", "query": "parameter", "path": "path", "header": "header"}
"""The parts of a request, and how codes name what is in them."""
_SENTENCES = {"missing": "This field is required.", "extra_forbidden": "There is no such field."}


def respond(error: DomainError, request_id: str, *, status: int | None = None) -> Response:
    """The response for a refusal; `status` is given only where HTTP itself decides it."""
    status = STATUS[error.kind] if status is None else status
    text = json.dumps(document(error, request_id, status), default=str)
    return Response(text, status, headers=_headers(error, status), media_type=MEDIA_TYPE)


def document(error: DomainError, request_id: str, status: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    details = dict(error.details)
    if len(error.problems) > MOST_ERRORS:
        details["more_errors"] = len(error.problems) - MOST_ERRORS
    return {
        "type": f"/docs#{error.code}",
        "title": CODES[error.code].message,
        "status": status,
        "code": error.code,
        "detail": error.message,
        "errors": [problem.as_data() for problem in error.problems[:MOST_ERRORS]],
        "next": [error.next] if error.next else [],
        "request_id": request_id,
        "details": details,
        **{name: details[name] for name in ABOUT if name in details},
    }


async def on_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    return respond(error, request.state.request_id)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """All problems of a request at once, without a word of what was sent."""
    assert isinstance(error, RequestValidationError)
    return respond(invalid("request.invalid", _problems(error.errors())), request.state.request_id)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such address, no such method there, a body that it cannot take."""
    assert isinstance(error, HTTPException)
    codes = {404: "request.unknown_route", 405: "request.method_not_allowed", 413: "request.too_large"}
    code = codes.get(error.status_code, "request.invalid")
    status = error.status_code if error.status_code in codes else 422
    response = respond(DomainError(code), request.state.request_id, status=status)
    response.headers.update(error.headers or {})
    return response


def internal(request_id: str) -> Response:
    """The answer to a failure of ours; what happened is in the log, under the request's id."""
    return respond(DomainError("internal.error"), request_id, status=500)


def _problems(errors: Iterable[Mapping[str, Any]]) -> list[Problem]:
    return [_problem(error) for error in errors]


def _problem(error: Mapping[str, Any]) -> Problem:
    part, *path = error["loc"]
    pointer = ""
    for name in path:
        pointer = at(pointer, str(name)[:50])
    code = _FIELD_CODES.get(error["type"], "field.invalid")
    code = code.replace("field", PARTS[part])
    # A parameter is always a text; that it is one says nothing.
    got = kind_of(error.get("input")) if part == "body" and error["type"] not in _FIELD_CODES else None
    message = _SENTENCES.get(error["type"], str(error["msg"]).removeprefix("Value error, "))
    return Problem(pointer, code, message, got)


def _headers(error: DomainError, status: int) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        reason = ', error="invalid_token"' if error.code == "auth.invalid" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="tidegate"{reason}'
    if error.kind in RETRY_AFTER and status != HTTPStatus.INTERNAL_SERVER_ERROR:
        headers["Retry-After"] = str(error.details.get("retry_after", RETRY_AFTER[error.kind]))
    return headers
