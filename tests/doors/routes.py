"""The routes of the HTTP door, and what each stands for."""

from __future__ import annotations

from fastapi.routing import APIRoute

from engine.http.app import ROUTERS
from engine.http.route import GRANT, StrictRoute
from tests.doors.ways import ID

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


STRICT = [route for route in ROUTES if isinstance(route, StrictRoute)]


def grants_of(route: APIRoute) -> str:
    assert route.openapi_extra
    return str(route.openapi_extra[GRANT])


def address(route: APIRoute) -> str:
    """A path below `/api/v1`, with ids in it."""
    path = route.path.removeprefix("/api/v1")
    return "/".join(ID if part.startswith("{") else part for part in path.split("/"))


def verb(route: APIRoute) -> str:
    assert route.methods
    (found,) = route.methods
    return found
