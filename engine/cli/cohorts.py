"""`tidegate cohorts`: list and create."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from engine.cli.client import connect
from engine.cli.exits import usage
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output

app = App(name="cohorts", help="Named sets of people.")

COLUMNS = (
    Column("cohort", "id"),
    Column("name", "name"),
    Column("kind", "kind"),
    Column("description", "description"),
    Column("created", "created_at"),
)


@app.command(name="list")
def list_(*, limit: Limit = 20, after: After = None, every: Every = False, json: Json = False) -> None:
    """List cohorts, the newest first."""
    Output(json).page(connect().pages("/cohorts", limit=limit, after=after, every=every), COLUMNS)


@app.command
def create(
    name: str,
    *,
    kind: Annotated[Literal["static", "dynamic", "behavioral"], Parameter(help="How members are found.")] = "dynamic",
    description: str = "",
    conditions: Annotated[str | None, Parameter(help="A JSON list of conditions, for a dynamic cohort.")] = None,
    members: Annotated[Path | None, Parameter(help="A file with a distinct id a line, for a static one.")] = None,
    json: Json = False,
) -> None:
    """Create a cohort: a frozen list of members, or conditions that are evaluated anew each time."""
    body: dict[str, Any] = {"name": name, "kind": kind, "description": description}
    if conditions is not None:
        body["conditions"] = _json_list(conditions)
    if members is not None:
        body["members"] = _lines(members)
    Output(json).record(connect().post("/cohorts", body))


def _json_list(text: str) -> list[Any]:
    try:
        value = json_module.loads(text)
    except ValueError as error:
        raise usage(f"--conditions is not JSON: {error}.") from error
    if not isinstance(value, list):
        raise usage("--conditions is a JSON list.")
    return value


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
