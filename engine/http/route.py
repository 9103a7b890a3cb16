"""How a request is let in: the key, the grant, the parameters, the body, in this order; then FastAPI goes on.

A read goes through all of that, and through its endpoint, in one turn of one thread: each change of threads costs
a request more than the look-up for which it is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, get_origin

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from aggregates.base import Principal
from aggregates.errors import DomainError, Problem, invalid
from aggregates.shape import at
from commands.grants import COMMANDS, READS
from engine.bootstrap import System
from engine.http.body import parsed
from engine.http.caller import Caller, client_of
from engine.http.pressure import claim

GRANT = "x-grant"
STREAMS = "x-streams"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

R = TypeVar("R")


def grant(name: str, *, streams: bool = False) -> dict[str, Any]:
    """Declare which command or read a route stands for: it is asked before the body is read, and documented.

    The bus and the reads ask again; they are what a door cannot get around. `streams` leaves the body to the endpoint.
    """
    scopes = list({**COMMANDS, **READS}[name])
    return {"security": [{"key": scopes}], GRANT: name, STREAMS: streams}


class StrictRoute(APIRoute):
    """A route behind a key. It takes no parameter and no body that it does not know."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **facts: Any) -> None:
        # FastAPI would take a plain function to a thread of its own, and the check of its answer to a third.
        self.is_read = facts.get("methods") in (["GET"], {"GET"}) and not iscoroutinefunction(endpoint)
        super().__init__(path, _in_place(endpoint) if self.is_read else endpoint, **facts)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        facts = self.openapi_extra or {}
        parameters = {
            field.alias: field for field in get_flat_params(self.dependant) if isinstance(field.field_info, Query)
        }
        several = {name for name, field in parameters.items() if get_origin(field.field_info.annotation) is list}
        reads_body = facts[STREAMS] or self.methods == {"GET"}

        def read(request: Request) -> Response:
            request.state.caller = self._admit(request, facts[GRANT])
            _only_known(request, set(parameters), several)
            return _finished(handle(request))

        async def strict(request: Request) -> Response:
            if self.is_read:
                return await run_in_threadpool(read, request)
            # In a thread: the key is looked up, and a refusal is written down.
            request.state.caller = await run_in_threadpool(self._admit, request, facts[GRANT])
            _only_known(request, set(parameters), several)
            if not reads_body:
                request = await parsed(request, taken=self.body_field is not None)
            return await handle(request)

        return strict

    def _admit(self, request: Request, grant: str) -> Caller:
        system: System = request.app.state.system
        principal = _principal(system, request.headers.getlist("authorization"))
        claim(principal.project_id)
        caller = Caller(
            system=system,
            principal=principal,
            request_id=request.state.request_id,
            via=f"{request.method} {self.path_format}",
            client=client_of(request),
        )
        caller.admit(grant, request.path_params)
        return caller


def _in_place(function: Callable[..., R]) -> Callable[..., Coroutine[Any, Any, R]]:
    """The function as a coroutine that never waits for the loop."""

    @wraps(function)
    async def in_place(**values: Any) -> R:
        return function(**values)

    return in_place


def _finished(coroutine: Coroutine[Any, Any, R]) -> R:
    """What comes of a coroutine that never waits for the loop, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    coroutine.close()
    raise RuntimeError("a read waited for the loop: its dependencies have to be coroutines that do not")


def _principal(system: System, headers: list[str]) -> Principal:
    """Who holds the one bearer key of a request."""
    if not headers:
        system.refusals.stranger()
        raise DomainError("auth.missing")
    scheme, _, credential = headers[0].partition(" ")
    credential = credential.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not credential.isascii() or not credential.isprintable():
        system.refusals.stranger()
        raise DomainError("auth.invalid")
    return system.principal_of(credential, "api")


def _only_known(request: Request, known: set[str], several: set[str]) -> None:
    counts = Counter(name for name, _ in request.query_params.multi_items())
    problems = [
        Problem(at("", name), "parameter.unknown", "There is no such parameter here.", None, sorted(known))
        for name in counts
        if name not in known
    ]
    problems += [
        Problem(at("", name), "parameter.repeated", "This parameter is given once.", count, 1)
        for name, count in counts.items()
        if count > 1 and name in known - several
    ]
    problems += [
        Problem(at("", name), "parameter.invalid", "A parameter holds no NUL and is UTF-8.", None, "text")
        for name, value in request.query_params.multi_items()
        if name in known and ("\0" in value or "�" in value)
    ]
    if problems:
        raise invalid("request.invalid", problems)
