"""`tidegate keys`: API keys, made at the console of the machine."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from cyclopts import App, Parameter

from aggregates.policy import Limits
from commands.grants import AGENT_SCOPES, SCOPES, authorize
from commands.keys import ChangeKey, CreateKey, RevokeKey
from engine.bootstrap import DEFAULT_PROJECT
from engine.cli.admin import opened, owner_meta, project_id, told
from engine.cli.exits import usage
from engine.cli.limits import NO_LIMITS, LimitOptions
from engine.cli.output import Column, Json, Output
from projections.keys import KeyReads

app = App(name="keys", help="API keys.")

Project = Annotated[str, Parameter(help="The project's name.")]
Scopes = Annotated[
    tuple[str, ...],
    Parameter(
        negative="", help=f"One of {', '.join(sorted(SCOPES))}; or `all`, which leaves an agent what agents use."
    ),
]
Liftable = Literal["max-audience", "approval-over", "max-growth", "minimum-interval", "send-mode", "rate", "expires"]
LIFTED = {"minimum-interval": "minimum_interval_minutes", "rate": "rate_per_minute", "expires": "expires_at"}
"""What is called otherwise than its option."""

COLUMNS = (
    Column("key", "id"),
    Column("name", "name"),
    Column("scopes", "scopes"),
    Column("agent", "agent"),
    Column("limits", lambda row: [f"{name}={value}" for name, value in sorted(row["limits"].items())]),
    Column("expires", "expires_at"),
    Column("revoked", "revoked_at"),
    Column("last used", "last_used_at"),
    Column("owner", "owner"),
    Column("made by", lambda row: row["chain"] or row["made_by"]),
)


@app.command
def create(
    name: str,
    *,
    scope: Scopes,
    agent: Annotated[bool, Parameter(negative="", help="For an agent: asks for tokens, can never approve.")] = False,
    limits: LimitOptions = NO_LIMITS,
    rate: Annotated[int | None, Parameter(help="Requests that it may make in a minute.")] = None,
    expires: Annotated[datetime | None, Parameter(help="When it ends, with offset: 2027-01-31T00:00:00Z.")] = None,
    owner: Annotated[
        str | None, Parameter(help="The user who answers for it; keys that it makes are theirs too.")
    ] = None,
    project: Project = DEFAULT_PROJECT,
    json: Json = False,
) -> None:
    """Make a key, which begins a chain of its own. Its text is shown this one time."""
    out = Output(json)
    command = CreateKey(
        name=name,
        scopes=_scopes(scope, agent=agent),
        agent=agent,
        limits=Limits.of(limits.given()),
        rate_per_minute=rate,
        expires_at=expires,
        owner=owner,
    )
    with opened() as system:
        answer = system.bus.dispatch(command, owner_meta(system, project_id(system, project), "keys create"))
    out.record(told(answer))
    out.say("Keep the key now; it is not shown again.")


@app.command
def change(
    key: str,
    *,
    name: str | None = None,
    scope: Scopes = (),
    agent: Annotated[bool, Parameter(negative="", help="Mark it for an agent, for good.")] = False,
    limits: LimitOptions = NO_LIMITS,
    rate: Annotated[int | None, Parameter(help="Requests that it may make in a minute.")] = None,
    expires: Annotated[datetime | None, Parameter(help="When it ends, with offset: 2027-01-31T00:00:00Z.")] = None,
    lift: Annotated[tuple[Liftable, ...], Parameter(negative="", help="A limit that is taken away.")] = (),
    project: Project = DEFAULT_PROJECT,
    json: Json = False,
) -> None:
    """Change a key by its id; it counts from its next request on. What is left out stays."""
    command = ChangeKey(
        key,
        name=name,
        scopes=_scopes(scope, agent=agent) if scope else None,
        agent=agent or None,
        limits=Limits.of(limits.given()),
        rate_per_minute=rate,
        expires_at=expires,
        lifted=tuple(LIFTED.get(option, option.replace("-", "_")) for option in lift),
    )
    if command == ChangeKey(key):
        raise usage("Name what changes.", then="tidegate keys change --help")
    with opened() as system:
        answer = system.bus.dispatch(command, owner_meta(system, project_id(system, project), "keys change"))
    Output(json).record(told(answer))


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
    Output(json).record(told(answer))


def _scopes(given: tuple[str, ...], *, agent: bool) -> tuple[str, ...]:
    return tuple(sorted(AGENT_SCOPES if agent else SCOPES)) if "all" in given else given
