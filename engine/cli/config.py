"""`tidegate config`: every setting, its value and where it came from."""

from __future__ import annotations

from cyclopts import App

from engine.cli.output import Column, Json, Output
from engine.settings import PREFIX, Settings, load_settings

app = App(name="config", help="Every setting, its value and where it came from.")

COLUMNS = (
    Column("setting", "setting"),
    Column("value", "value"),
    Column("origin", "origin"),
    Column("what it is", "description"),
)


@app.command
def show(*, json: Json = False) -> None:
    """List the settings of this process. Secrets are never printed."""
    settings = load_settings()
    rows = [
        {
            "setting": PREFIX + name.upper(),
            "value": settings.shown(name),
            "origin": settings.origin(name),
            "description": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    Output(json).rows(rows, COLUMNS)
