"""`tidegate views`: how far they have come; build one again."""

from __future__ import annotations

from cyclopts import App

from engine.cli.admin import opened
from engine.cli.client import connect
from engine.cli.exits import usage
from engine.cli.output import Column, Json, Output
from projections.passing_over import pass_over
from projections.reads import VIEWS
from projections.rebuilding import rebuild as rebuild_view

app = App(name="views", help="How far the views have come; rebuild one.")

COLUMNS = (
    Column("view", "name"),
    Column("position", "position", right=True),
    Column("updated", "updated_at"),
    Column("stands still because", "stopped"),
)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """Every follower of the log with the position that it has reached."""
    Output(json).page([connect().get("/views")], COLUMNS)


@app.command
def rebuild(name: str, *, json: Json = False) -> None:
    """Build a view again from the log, beside the live one, and swap. Reads never stop."""
    views = {view.source.name: view for view in VIEWS}
    if name not in views:
        raise usage(f"There is no view {name}; there are {', '.join(sorted(views))}.")
    with opened() as system:
        folded = rebuild_view(system.engine, views[name]())
    Output(json).record({"view": name, "events": folded})


@app.command
def skip(name: str, *, reason: str, json: Json = False) -> None:
    """Let a follower that stands still pass over the one event that it cannot take. What that said is missing then.

    Parameters
    ----------
    reason
        Why; it is kept with the event's position.
    """
    with opened() as system:
        passed = pass_over(system.engine, name, reason=reason, now=system.clock.now())
    Output(json).record(passed)
