"""`tidegate fence`: whether this database may send, and saying that it may."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from engine.cli.admin import opened
from engine.cli.output import Column, Json, Output
from engine.releasing import described
from engine.releasing import release as release_fence

app = App(name="fence", help="Whether this database is the installation and may send; say that it is.")


def _waiting(what: str) -> Any:
    return lambda row: row["waiting"][what]


SHOWN = (
    Column("fence", "fence"),
    Column("because", "because"),
    Column("since", "since"),
    Column("location", "location"),
    Column("location recorded", "location_recorded"),
    Column("installation", "installation"),
    Column("installation recorded", "installation_recorded"),
    Column("recorded", "settled_at"),
    *(Column(f"{what} that wait", _waiting(what)) for what in ("jobs", "runs", "schedules")),
)


@app.default
def show(*, json: Json = False) -> None:
    """Show whether the fence is up, why and since when, and what waits until it is released. Changes nothing."""
    out = Output(json)
    with opened() as system, system.engine.connect() as connection:
        found = described(system, connection)
        sentence = system.fence.standing(connection).sentence
    out.record(found, SHOWN)
    if found["fence"] == "up":
        out.say(f"Nothing is sent: {sentence}.\nIs this the installation, and no other one sends? Then release it:")
        out.say('  tidegate fence release --reason "…"')


@app.command
def release(*, reason: str, json: Json = False) -> None:
    """Say that this database is the installation from now on: what waits is sent. See that no other copy sends.

    Parameters
    ----------
    reason
        Why; it is kept with the event, in every project.
    """
    out = Output(json)
    with opened() as system:
        released = release_fence(system, reason=reason)
        with system.engine.connect() as connection:
            found = described(system, connection)
    out.record({"released": released, **found}, (Column("released", "released"), *SHOWN))
    out.say("What waits goes on now." if released else "The fence was down already; nothing was changed.")
