"""`tidegate projects`: the tenants of an installation."""

from __future__ import annotations

from cyclopts import App
from sqlalchemy import select

from engine.bootstrap import ensure_project
from engine.cli.admin import opened
from engine.cli.exits import usage
from engine.cli.output import Column, Json, Output
from engine.signing import Signing
from projections.tables import projects

app = App(name="projects", help="Projects, the tenants of an installation.")

SIGNED = (Column("project", "name"), Column("webhook secret", "webhook_secret"))

COLUMNS = (Column("project", "id"), Column("name", "name"), Column("created", "created_at"))


@app.command
def create(name: str, *, json: Json = False) -> None:
    """Make a project and its owner key, which is shown this one time; one that is there stays as it is."""
    out = Output(json)
    with opened() as system:
        project, key = ensure_project(system, name)
    out.record({"project_id": str(project), "name": name, "key": key})
    out.say("Keep the key now; it is not shown again." if key else "There is such a project already; nothing was made.")


@app.command(name="webhook-secret")
def webhook_secret(name: str, *, json: Json = False) -> None:
    """Show the secret with which a project's webhooks are signed (Standard Webhooks), for whoever receives them."""
    with opened() as system, system.engine.connect() as connection:
        id = connection.execute(select(projects.c.id).where(projects.c.name == name)).scalar()
        if id is None:
            raise usage(f"There is no project {name!r}.", then="tidegate projects list")
        signing = Signing.from_settings(system.settings, system.secrets)
    Output(json).record({"name": name, "webhook_secret": signing.secret(id)}, SIGNED)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List projects by their name."""
    with opened() as system, system.engine.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(projects).order_by(projects.c.name))]
    Output(json).rows(rows, COLUMNS)
