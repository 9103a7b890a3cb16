"""The metrics of the installation, for who has its own token: they are of all projects, so no key of one opens them."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from aggregates.errors import DomainError
from engine.bootstrap import System
from engine.metrics import CONTENT_TYPE, exposition

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """In the text format of Prometheus. Unknown like any other page while no token is set."""
    system: System = request.app.state.system
    token = system.settings.metrics_token
    if token is None:
        raise HTTPException(404)
    expected = f"Bearer {token.get_secret_value()}".encode()
    given = [header.encode("latin-1") for header in request.headers.getlist("authorization")]
    if len(given) != 1 or not hmac.compare_digest(given[0], expected):
        system.refusals.stranger()
        raise DomainError("auth.invalid" if given else "auth.missing")
    return Response(exposition(system), headers={"Content-Type": CONTENT_TYPE})
