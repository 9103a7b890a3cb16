"""Health, for supervisors. Needs no key and tells nothing but up or down."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from engine.bootstrap import System
from engine.health import broker_answers, database_answers, is_fenced

router = APIRouter(prefix="/health", tags=["health"])


class LiveAnswer(BaseModel):
    status: str


class ReadyAnswer(BaseModel):
    """`broker` may be away: work that was accepted waits in the log and loses nothing.

    With `fence` up the same holds for all that would be sent, until an operator releases it (`tidegate fence`).
    """

    status: str
    database: str
    broker: str
    fence: str


_WORDS = {True: "ok", False: "unreachable", None: "not configured"}
_FENCE = {True: "up", False: "down", None: "unknown"}


@router.get("/live", response_model=LiveAnswer)
async def live() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "ok"}


@router.get("/ready", response_model=ReadyAnswer, responses={503: {"model": ReadyAnswer}})
def ready(request: Request, response: Response) -> dict[str, str]:
    """Whether requests can be served: the database answers. Without the broker work waits, but is accepted."""
    system: System = request.app.state.system
    database = database_answers(system)
    if not database:
        response.status_code = 503
    return {
        "status": "ok" if database else "unavailable",
        "database": _WORDS[database],
        "broker": _WORDS[broker_answers(system)],
        "fence": _FENCE[is_fenced(system) if database else None],
    }
