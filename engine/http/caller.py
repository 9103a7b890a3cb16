"""Who asks, as an endpoint receives it: their principal, and the two ways to the rest of the system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from aggregates.base import Principal
from commands.context import Accepted
from engine.bootstrap import System
from projections.reads import Reads

CLIENT_LIMIT = 200
"""How much of a User-Agent is kept, in characters."""

NOBODY = UUID(int=0)
"""An id that nothing has: a malformed id is as unknown as any other, and is refused in the same order."""


@dataclass(frozen=True)
class Caller:
    """A request that has been let in. `via` is its method and route, as it is recorded."""

    system: System
    principal: Principal
    request_id: str
    via: str
    client: str | None
    idempotency_key: str | None = None

    @property
    def reads(self) -> Reads:
        return self.system.reads

    def admit(self, grant: str, path: Mapping[str, str]) -> None:
        """Refuse who may not ask for a command or a read, or not now; the ids of the path tell what it is about."""
        self.system.admit(self.principal, grant, path, via=self.via, request_id=self.request_id, client=self.client)

    def reads_at(self, position: int) -> Reads:
        """The reads, once the views have reached a position."""
        if position > 0:
            self.system.reads.wait_for(position)
        return self.system.reads

    def dispatch(self, command: Any, *, reason: str | None = None) -> Accepted:
        """Hand a command to the bus."""
        meta = self.system.meta(
            self.principal,
            via=self.via,
            request_id=self.request_id,
            client=self.client,
            idempotency_key=self.idempotency_key,
            reason=reason,
        )
        return self.system.bus.dispatch(command, meta)

    def answer(self, command: Any, response: Response, *, reason: str | None = None) -> dict[str, Any]:
        """Dispatch; the answer's data with its position, which is in a header as well."""
        accepted = self.dispatch(command, reason=reason)
        response.headers["Tidegate-Position"] = str(accepted.position)
        return {**accepted.data, **accepted.once, "position": accepted.position, "changed": accepted.changed}


def client_of(request: Request) -> str | None:
    """The caller's program as it names itself, cut and made printable."""
    name = request.headers.get("user-agent", "")[:CLIENT_LIMIT]
    return "".join(letter if letter.isprintable() else "?" for letter in name) or None


def id_of(text: str) -> UUID:
    """An id from a path."""
    try:
        return UUID(text)
    except ValueError:
        return NOBODY


async def _here(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


async def _commanding(
    caller: Annotated[Caller, Depends(_here)],
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern=r"^[\x20-\x7e]+$",
            description="Repeat a request with the same key, and it is done once; the answer is the same.",
        ),
    ] = None,
) -> Caller:
    return replace(caller, idempotency_key=idempotency_key)


Here = Annotated[Caller, Depends(_here)]
"""The caller of a read, or of a command that is the same however often it is sent."""

Commanding = Annotated[Caller, Depends(_commanding)]
"""The caller of a command, with the idempotency key."""

Position = Annotated[
    int,
    Query(
        alias="min_position",
        ge=0,
        le=2**53,
        description="Wait (up to 2 s, then 503) until the views have reached this position of a command's answer.",
    ),
]

Limit = Annotated[int, Query(ge=1, le=200, description="Rows in the page.")]

After = Annotated[
    str | None,
    Query(max_length=1_000, pattern="^[A-Za-z0-9_-]+$", description="`next_cursor` of the page before, as it came."),
]

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"

WorkflowFilter = Annotated[str | None, Query(pattern=_UUID, description="Only of this workflow.")]

ScheduleFilter = Annotated[str | None, Query(pattern=_UUID, description="Only of this schedule.")]

StreamFilter = Annotated[
    str | None,
    Query(
        pattern=_UUID,
        description="Only of this stream, such as a workflow's or a key's, and what was refused about it.",
    ),
]

JobFilter = Annotated[str | None, Query(pattern=_UUID, description="Only of this batch job.")]

PathId = str
"""Path ids are taken as text: one that is malformed is not found, like any other unknown one."""
