"""The application: our routers, one handler for each way to refuse, and what is mounted beside us."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregates.errors import DomainError
from engine.bootstrap import System
from engine.http import (
    batch_jobs,
    cohorts,
    confirmations,
    consent,
    docs,
    health,
    history,
    keys,
    metrics,
    people,
    problems,
    project,
    runs,
    schedules,
    workflows,
)
from engine.http.envelope import Envelope, is_ours
from engine.http.openapi import DESCRIPTION, describe
from engine.http.pressure import Pressure

ROUTERS = (
    workflows.router,
    schedules.of_workflow,
    schedules.router,
    batch_jobs.router,
    confirmations.router,
    runs.router,
    people.router,
    consent.router,
    cohorts.router,
    keys.router,
    project.router,
    history.log,
    history.streams,
    health.router,
    metrics.router,
)

_UNDOCUMENTED = ("/", "/docs", "/openapi.json", "/metrics", "/confirm/{id}")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(system: System, *, mount: ASGIApp | None = None, lifespan: Lifespan | None = None) -> FastAPI:
    """The HTTP door of a system.

    `mount` answers every path that is not ours; its own lifespan is not run, so `lifespan` has to start what it needs.
    """
    app = FastAPI(
        title="Tidegate",
        version=_version(),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.state.system = system
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/", _front, include_in_schema=False)
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.add_api_route("/confirm/{id}", confirmations.confirm_page, include_in_schema=False)
    app.add_exception_handler(DomainError, problems.on_domain_error)
    app.add_exception_handler(RequestValidationError, problems.on_validation_error)
    app.add_exception_handler(HTTPException, problems.on_http_exception)
    app.add_middleware(Pressure, most=system.settings.http_requests)
    app.add_middleware(Envelope)
    app.mount("/", _Rest(app, mount))
    return app


class _Rest:
    """What no route took whole: a method that a path does not have, an unknown path, or somebody else's path."""

    def __init__(self, app: FastAPI, mount: ASGIApp | None) -> None:
        self._app = app
        self._mount = mount

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (self._mount is None or is_ours(scope["path"])):
            methods = self._methods(scope["path"])
            raise HTTPException(405, headers={"Allow": ", ".join(methods)}) if methods else HTTPException(404)
        assert self._mount is not None
        await self._mount(scope, receive, send)

    def _methods(self, path: str) -> list[str]:
        """All methods of a path; the framework would name those of one route only."""
        paths = {**self._app.openapi()["paths"], **{path: {"get": {}} for path in _UNDOCUMENTED}}
        # A path that is written out is itself, although a template would match it too.
        matching = (
            [paths[path]]
            if path in paths
            else [operations for template, operations in paths.items() if compile_path(template)[0].match(path)]
        )
        found = {method.upper() for operations in matching for method in operations}
        return sorted(found | {"HEAD"} if "GET" in found else found)


def _front(request: Request) -> dict[str, str]:
    """Where to begin; of no tenant."""
    return {
        "name": request.app.title,
        "version": request.app.version,
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health/ready",
        "api": "/api/v1",
    }


def _docs(request: Request) -> Response:
    return HTMLResponse(docs.page(request.app.openapi()), headers=docs.HEADERS)


def _version() -> str:
    try:
        return version("tidegate")
    except PackageNotFoundError:
        return "0+unknown"
