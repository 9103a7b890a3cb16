"""The OpenAPI document: what FastAPI knows of the routes, and how requests are let in and refused."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from engine.http.answers import ProblemAnswer
from engine.http.problems import MEDIA_TYPE
from engine.http.route import GRANT, STREAMS

DESCRIPTION = """\
Commands and reads over workflows, audiences and batch jobs.

Every request carries an API key: `Authorization: Bearer tg_live_…`. Refusals are problem documents (RFC 9457) with a
stable `code`. Commands answer with their `position` in the log; a read with `min_position` waits until it shows it.
Bodies are strict JSON of at most 1 MiB; unknown fields and parameters are refused.
"""

SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "tg_live_<id>_<secret>",
    "description": "An API key. The scopes that it needs stand beside each operation.",
}

_READ = {401, 403, 422, 429, 500, 503}
_MEANING = {
    401: "No key, or not a valid one.",
    403: "The key lacks a scope, or who holds it may not do this.",
    404: "Unknown, or of another project.",
    409: "Not possible in the present state, or the audience is not the one that was acknowledged.",
    413: "The body is too large.",
    422: "Not valid, or refused by policy; every problem is named.",
    429: "Too many requests for this key.",
    500: "A failure of ours.",
    503: "Something that this needs is not reachable; see Retry-After.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of an application; made once, then kept."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        schemas = document["components"]["schemas"]
        schemas.update(_problem_schemas())
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        document["components"]["securitySchemes"] = {"key": SCHEME}
        document["security"] = [{"key": []}]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    if GRANT not in operation:
        operation["security"] = []
        return
    del operation[GRANT], operation[STREAMS]
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _never_null(parameter["schema"])
    statuses = set(_READ)
    # A list of runs may name a job, and it may be one that there is not.
    statuses |= {404} if "{" in path or path.endswith(("/runs", ":opt-out", ":opt-in")) else set()
    statuses |= {409, 413} if method != "get" else set()
    responses = operation["responses"]
    problem = {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}
    for status in sorted(statuses):
        responses[str(status)] = {"description": _MEANING[status], "content": {MEDIA_TYPE: problem}}
    for status, response in responses.items():
        headers = {"X-Request-Id": _text("The request's id; quote it when you report something.")}
        if status.startswith("2"):
            headers |= _success_headers(path, method, status)
        if status in {"429", "503"}:
            headers["Retry-After"] = _text("Seconds.")
        if status == "401":
            headers["WWW-Authenticate"] = _text("How to send a key.")
        response["headers"] = headers


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is not one that may be null, which no address and no header can say."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{name: value for name, value in schema.items() if name not in {"anyOf", "default"}}}


def _success_headers(path: str, method: str, status: str) -> dict[str, Any]:
    headers = {}
    if method != "get" and not path.endswith(("/blast-radius", "/unfinished", "/preview", "/simulate")):
        headers["Tidegate-Position"] = _text("The command's place in the log.")
    made = (status == "201" and not path.endswith("/keys")) or path.endswith(("/run-batch", "/run"))
    if made or (status == "202" and path.endswith("/schedules")):
        headers["Location"] = _text("Where the new thing is.")
    return headers


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    return {**schema.pop("$defs"), "ProblemAnswer": schema}
