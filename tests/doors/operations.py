"""Everything that the doors offer, one by one, as it is: routes, tools and command lines with the grant of each.

An operation is asked with as little as it takes, about an id that nothing has: whoever may ask is told so, and nothing
changes. What is added to the product is here by itself; only an operation that makes something without naming anything
needs a word in `UNDOABLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from sqlalchemy import text

from engine.http.app import ROUTERS
from engine.http.route import GRANT, STREAMS, StrictRoute
from mcp_adapter.schemas import schema_of
from mcp_adapter.tool import Tool
from mcp_adapter.tools import TOOLS
from mcp_adapter.tools.studio import STUDIO
from tests.doors.doors import Doors, Key, Mcp
from tests.doors.stage import Stage
from tests.doors.ways import ID, OF_THE_PRODUCT
from tests.support.product import Json

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
STRICT = [route for route in ROUTES if isinstance(route, StrictRoute)]

UNDOABLE: Mapping[str, Json] = {
    "CreateWorkflow": {"steps": [{"id": "x", "type": "no such type"}]},
    "CreateCohort": {"kind": "dynamic", "members": ["nobody"]},
    **{command: {"address": "nobody"} for command in ("OptOut", "OptIn", "Suppress", "Unsuppress")},
    "CreateKey": {"scopes": ["no such scope"]},
}
"""What the handler refuses, for commands that would otherwise make something."""

WHOLE: Mapping[str, Json] = {
    "AttachSchedule": {"rrule": "FREQ=DAILY", "starts_at": "2030-01-01T09:00:00"},
    "PreviewSchedule": {"rrule": "FREQ=DAILY", "starts_at": "2030-01-01T09:00:00"},
}
"""What would be refused before anything is looked for, if it were just any text."""


STATE = text(
    "SELECT (SELECT max(notification_id) FROM log WHERE topic <> 'call.refused.v1'), (SELECT count(*) FROM people), "
    "(SELECT count(*) FROM cohorts), (SELECT count(*) FROM idempotency_keys), (SELECT count(*) FROM spent_tokens), "
    "(SELECT count(*) FROM chunks), (SELECT count(*) FROM frozen_sizings), (SELECT sum(members) FROM "
    "(SELECT count(*) AS members FROM cohort_members) AS counted), "
    "(SELECT string_agg(concat_ws(' ', id, name, scopes, agent, limits, revoked_at, expires_at), ',' ORDER BY id) "
    "FROM api_keys), (SELECT string_agg(concat_ws(' ', id, limits), ',' ORDER BY id) FROM projects)"
)


@dataclass(frozen=True)
class Told:
    """What a door says: `ok` or the refusal's code, the scopes that are missing, and all of it as it came."""

    code: str
    missing: tuple[str, ...]
    status: int
    whole: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One way to one command or read, and the names of all that it takes.

    `ask` takes what is to be said otherwise than by default: of a body, an idempotency key, handles by their names.
    """

    door: str
    name: str
    grant: str
    ask: Callable[..., Told]
    takes: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.door} {self.name}"


def operations() -> list[Operation]:
    """All of HTTP and of both addresses for agents."""
    studio = [tool for tools in STUDIO.values() for tool in tools]
    return [
        *map(_route, STRICT),
        *(_tool(tool, "mcp") for tool in TOOLS.values()),
        *(_tool(tool, "studio") for tool in studio),
    ]


def command_lines() -> Iterator[Operation]:
    """All of the command line that asks a server."""
    for path, (grant, given) in OF_THE_PRODUCT.items():
        yield Operation("cli", " ".join(path), grant, _line(path, given))


def state(stage: Stage) -> tuple[Any, ...]:
    """All that an operation could leave behind, but for records of refusals."""
    with stage.product.system.engine.connect() as connection:
        return tuple(connection.execute(STATE).one())


# -- HTTP


def _route(route: StrictRoute) -> Operation:
    assert route.openapi_extra
    facts = route.openapi_extra
    (method,) = route.methods or {""}
    named = {parameter.alias for parameter in get_flat_params(route.dependant)}
    path_names = {parameter.alias for parameter in route.dependant.path_params}
    required = {each.alias: 1 for each in route.dependant.query_params if each.field_info.is_required()}

    def ask(doors: Doors, key: Key, body: Json | None = None, repeats: str | None = None, **handles: Any) -> Told:
        path = route.path.removeprefix("/api/v1")
        for name in path_names:
            path = path.replace(f"{{{name}}}", str(handles.pop(name, default_of(name))))
        handles = {**required, **handles}
        if handles:
            path += "?" + "&".join(f"{name}={value}" for name, value in handles.items())
        headers = {} if repeats is None else {"Idempotency-Key": repeats}
        answer = doors.http.send(key, method, path, _body(route, body or {}), **headers)
        told = answer.json()
        if answer.is_success:
            return Told("ok", (), answer.status_code, told)
        return Told(told["code"], tuple(told["details"].get("missing", ())), answer.status_code, told)

    names = frozenset({"idempotency_key" if name == "idempotency-key" else name for name in named} | _fields(route))
    return Operation("http", route.name, facts[GRANT], ask, names, frozenset(path_names))


def _body(route: StrictRoute, given: Json) -> Any:
    assert route.openapi_extra
    if route.openapi_extra[STREAMS]:
        return b"no column of ours\nx\n"
    return _least(_schema(route), route.openapi_extra[GRANT]) | given if route.body_field else None


def _schema(route: StrictRoute) -> Json:
    assert route.body_field
    kind: Any = route.body_field.field_info.annotation
    return TypeAdapter[Any](kind).json_schema()


def _fields(route: StrictRoute) -> frozenset[str]:
    if route.body_field is None:
        return frozenset()
    schema = _schema(route)
    return frozenset(_resolved(schema, schema.get("$defs", {})).get("properties", {}))


# -- MCP


def _tool(tool: Tool[Any, Any], door: str) -> Operation:
    schema = schema_of(tool.arguments)

    repeated = {"idempotency_key", "idempotencyKey"} & set(schema["properties"])

    def ask(doors: Doors, key: Key, body: Json | None = None, repeats: str | None = None, **handles: Any) -> Told:
        agents: Mcp = getattr(doors, door)
        again = dict.fromkeys(repeated, repeats) if repeats is not None else {}
        data, is_error = agents.call(key, tool.name, _least(schema, tool.grant) | (body or {}) | handles | again)
        if not is_error:
            return Told("ok", (), 0, data)
        return Told(data["code"], tuple(data["details"].get("missing", ())), 1, data)

    names = frozenset({"idempotency_key" if name == "idempotencyKey" else name for name in schema["properties"]})
    return Operation(door, tool.name, tool.grant, ask, names, frozenset(schema.get("required", ())))


# -- the command line


def _line(path: tuple[str, ...], given: tuple[str, ...]) -> Callable[..., Told]:
    def ask(doors: Doors, key: Key) -> Told:
        code, told = doors.cli.call(key, *path, *given)
        return Told(str(told.get("code", "ok")), tuple(told.get("details", {}).get("missing", ())), code)

    return ask


# -- the least that may be said


def _least(schema: Json, grant: str) -> Json:
    """What is required of a body or of arguments."""
    least: Json = example(schema, schema.get("$defs", {}))
    known = _resolved(schema, schema.get("$defs", {})).get("properties", {})
    more = {**WHOLE.get(grant, {}), **UNDOABLE.get(grant, {})}
    wanted = {name: value for name, value in more.items() if name in known and (name in least or grant in UNDOABLE)}
    return least | wanted


def default_of(name: str) -> str:
    """An id that nothing has, for an argument of this name; of a run that would have no person."""
    return f"{ID}.0" if name in {"run_id", "runId"} else ID


def example(schema: Json, definitions: Json) -> Any:
    """Something that a schema takes, with nothing in it that need not be."""
    schema = _resolved(schema, definitions)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "object":
        return {
            name: default_of(name) if _is_id(name) else example(schema["properties"][name], definitions)
            for name in schema.get("required", ())
        }
    if schema.get("type") == "array":
        return [example(schema["items"], definitions)] if schema.get("minItems") else []
    return {"string": "x", "boolean": False}.get(schema.get("type", ""), schema.get("minimum", 1))


def _resolved(schema: Json, definitions: Json) -> Json:
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _resolved(next(part for part in schema["anyOf"] if part.get("type") != "null"), definitions)
    return schema


def _is_id(name: str) -> bool:
    return name.endswith(("_id", "Id"))
