"""No door takes a field, a parameter, an argument or an option that somebody adds."""

from __future__ import annotations

import pytest

from commands.grants import READS
from engine.http.route import STREAMS, StrictRoute
from mcp_adapter.tools import TOOLS
from tests.doors.doors import Doors, Key
from tests.doors.routes import STRICT, address, grants_of, verb
from tests.doors.stage import Stage
from tests.doors.ways import OF_THE_PRODUCT

SMUGGLED = (
    "status",
    "filters",
    "approval",
    "approved_by",
    "acknowledged",
    "held_because",
    "frozen",
    "source",
    "actor",
    "project_id",
    "on_behalf_of",
    "next_occurrence",
)
"""What a stored thing has and nobody may say."""


def narrowing(grant: str) -> set[str]:
    """What a list may be narrowed to although it is stored: the log to one actor or source, others to one status."""
    if grant == "log.read":
        return {"actor", "source"}
    if grant in {"OptOut", "OptIn", "Suppress", "Unsuppress"}:
        return {"source"}  # where the wish came from, which is not where the request did
    return {"status"} if grant in READS else set()


@pytest.mark.parametrize("route", [route for route in STRICT if verb(route) != "GET"], ids=lambda route: route.name)
def test_a_body_says_nothing_but_what_it_may(route: StrictRoute, doors: Doors, stage: Stage, everybody: Key) -> None:
    assert route.openapi_extra
    if route.openapi_extra[STREAMS]:
        return
    before = stage.traces()
    answer = doors.http.send(everybody, verb(route), address(route), dict.fromkeys(SMUGGLED, "active"))
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    faults = {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}
    unknown = {(f"/{name}", "field.unknown") for name in SMUGGLED if name not in narrowing(grants_of(route))}
    assert faults >= (unknown if route.body_field else {("", "body.unexpected")})
    assert stage.traces() == before


@pytest.mark.parametrize("route", STRICT, ids=lambda route: route.name)
def test_an_address_says_nothing_but_what_it_may(
    route: StrictRoute, doors: Doors, stage: Stage, everybody: Key
) -> None:
    own = {parameter.alias for parameter in route.dependant.query_params}
    # Nothing but that is called like what is stored.
    assert own & set(SMUGGLED) <= narrowing(grants_of(route))
    added = [name for name in SMUGGLED if name not in own]
    before = stage.traces()
    query = "&".join(f"{name}=active" for name in added)
    answer = doors.http.send(everybody, verb(route), f"{address(route)}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    faults = {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}
    assert faults >= {(f"/{name}", "parameter.unknown") for name in added}
    assert stage.traces() == before


@pytest.mark.parametrize("name", TOOLS)
def test_an_argument_says_nothing_but_what_it_may(name: str, doors: Doors, stage: Stage, everybody: Key) -> None:
    own = set(TOOLS[name].arguments.model_fields)
    assert own & set(SMUGGLED) <= narrowing(TOOLS[name].grant)
    added = [field for field in SMUGGLED if field not in own]
    before = stage.traces()
    told, is_error = doors.mcp.call(everybody, name, dict.fromkeys(added, "active"))
    assert (is_error, told["code"]) == (True, "request.invalid")
    assert {(fault["pointer"], fault["code"]) for fault in told["errors"]} >= {
        (f"/{field}", "field.unknown") for field in added
    }
    assert stage.traces() == before


@pytest.mark.parametrize("path", OF_THE_PRODUCT, ids=" ".join)
def test_an_option_says_nothing_but_what_it_may(
    path: tuple[str, ...], doors: Doors, stage: Stage, everybody: Key
) -> None:
    grant, given = OF_THE_PRODUCT[path]
    before = stage.traces()
    for field in SMUGGLED:
        if field in narrowing(grant):
            continue
        code, told = doors.cli.call(everybody, *path, *given, f"--{field.replace('_', '-')}=active")
        assert (code, told["code"]) == (2, "usage"), field
        assert "Unknown option" in told["detail"]
    assert stage.traces() == before
