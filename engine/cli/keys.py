"""`tidegate keys`: API keys, made at the console of the machine."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter

from aggregates.policy import Limits
from commands.grants import SCOPES, authorize
from commands.keys import CreateKey, RevokeKey
from engine.bootstrap import DEFAULT_PROJECT
from engine.cli.admin import opened, owner_meta, project_id
from engine.cli.limits import NO_LIMITS, LimitOptions
from engine.cli.output import Column, Json, Output
from projections.keys import KeyReads

app = App(name="keys", help="API keys.")

Project = Annotated[str, Parameter(help="The project's name.")]
COLUMNS = (
    Column("key", "id"),
    Column("name", "name"),
    Column("scopes", "scopes"),
    Column("agent", "agent"),
    Column("limits", lambda row: [f"{name}={value}" for name, value in sorted(row["limits"].items())]),
    Column("expires", "expires_at"),
    Column("revoked", "revoked_at"),
    Column("last used", "last_used_at"),
)


@app.command
def create(
    name: str,
    *,
    scope: Annotated[tuple[str, ...], Parameter(negative="", help=f"One of {', '.join(sorted(SCOPES))}; or `all`.")],
    agent: Annotated[bool, Parameter(negative="", help="For an agent: asks for tokens, can never approve.")] = False,
    limits: LimitOptions = NO_LIMITS,
    rate: Annotated[int | None, Parameter(help="Requests that it may make in a minute.")] = None,
    expires: Annotated[datetime | None, Parameter(help="When it ends, with offset: 2027-01-31T00:00:00Z.")] = None,
    project: Project = DEFAULT_PROJECT,
    json: Json = False,
) -> None:
    """Make a key. Its text is shown this one time."""
    out = Output(json)
    every = SCOPES - {"batch:approve"} if agent else SCOPES
    command = CreateKey(
        name=name,
        scopes=tuple(sorted(every)) if "all" in scope else scope,
        agent=agent,
        limits=Limits(**limits.given()),
        rate_per_minute=rate,
        expires_at=expires,
    )
    with opened() as system:
        answer = system.bus.dispatch(command, owner_meta(system, project_id(system, project), "keys create"))
    out.record({**answer.data, **answer.once})
    out.say("Keep the key now; it is not shown again.")


@app.command(name="list")
def list_(*, project: Project = DEFAULT_PROJECT, json: Json = False) -> None:
    """List the keys of a project, without what would let one in."""
    with opened() as system:
        principal = owner_meta(system, project_id(system, project), "keys list").principal
        rows = KeyReads(system.engine, authorize).list(principal)
    Output(json).rows(rows, COLUMNS)


@app.command
def revoke(key: str, *, project: Project = DEFAULT_PROJECT, json: Json = False) -> None:
    """Revoke a key by its id; its next request is refused."""
    with opened() as system:
        answer = system.bus.dispatch(RevokeKey(key), owner_meta(system, project_id(system, project), "keys revoke"))
    Output(json).record(answer.data)
