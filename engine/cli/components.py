"""`tidegate components`: the step types that a workflow can be made of, and the operators of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any
from urllib.parse import quote

from cyclopts import App

from engine.cli.client import connect
from engine.cli.output import Column, Json, Output

app = App(name="components", help="The step types that workflows are made of.")

COLUMNS = (
    Column("component", "id"),
    Column("kind", "kind"),
    Column("category", "category"),
    Column("external", "external"),
    Column("waits", "waits"),
    Column("ports", "ports"),
    Column("distribution", lambda row: row["distribution"] or "built in"),
    Column("description", "description", eye=False),
)
OPERATORS = (
    Column("operator", "operator"),
    Column("of", "of"),
    Column("meaning", "meaning"),
    Column("takes", "takes"),
    Column("example", lambda row: dumps(row["example"], ensure_ascii=False)),
)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List every step type."""
    Output(json).page([connect().get("/components")], COLUMNS)


@app.command
def operators(*, json: Json = False) -> None:
    """List the operators of conditions, with what each means and an example."""
    Output(json).page([connect().get("/operators")], OPERATORS)


@app.command
def show(component: str, *, json: Json = False) -> None:
    """Show one step type: what it does, the fields of its config, examples. In a pipe or as JSON with the schema."""
    data = connect().get(f"/components/{quote(component, safe='')}")
    Output(json).record(data, list(_shown(data)))


def _shown(data: Mapping[str, Any]) -> Iterator[Column]:
    """A schema is for programs; an eye gets its fields instead, and each example on a line of its own."""
    for name in data:
        if name not in {"config_schema", "examples"}:
            yield Column(name.replace("_", " "), name)
    schema = data["config_schema"]
    yield Column("config schema", lambda _: dumps(schema, ensure_ascii=False), eye=False)
    for name, field in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else "optional; "
        told = f"{optional}{_type(field)}. {field.get('description', '')}".strip()
        yield Column(f"config.{name}", _constant(told), pipe=False)
    for example in data["examples"]:
        yield Column("example", _constant(dumps(example, ensure_ascii=False)))


def _type(schema: Mapping[str, Any]) -> str:
    """A schema's type in a word or two."""
    if "anyOf" in schema:
        options = [_type(option) for option in schema["anyOf"] if option != {"type": "null"}]
        return " or ".join(dict.fromkeys(options))
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    kind = schema.get("type", "object" if "$ref" in schema else "anything")
    return "|".join(kind) if isinstance(kind, list) else str(kind)


def _constant(value: Any) -> Any:
    return lambda _row: value
