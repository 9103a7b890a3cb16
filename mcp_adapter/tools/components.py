"""Components: the step types that a workflow can be made of."""

from __future__ import annotations

from typing import Any

from engine import components
from mcp_adapter.schemas import Answer, Arguments, Row
from mcp_adapter.tool import READS_ONLY, Call, Tool
from mcp_adapter.tools.fields import ComponentId


class ListComponents(Arguments):
    pass


class ComponentRow(Row):
    component_id: str
    kind: str
    description: str
    external: bool
    waits: bool
    ports: list[str]


class ComponentList(Answer):
    components: list[ComponentRow]


class GetComponent(Arguments):
    component_id: ComponentId


class Component(ComponentRow, Answer):
    name: str
    category: str
    sends_email: bool
    needs_person: bool
    ports_vary: bool
    distribution: str | None = None
    config_schema: dict[str, Any]
    examples: list[dict[str, Any]]


def list_components(call: Call, given: ListComponents) -> ComponentList:
    rows = [ComponentRow(**row, component_id=row["id"]) for row in components.listed(call.principal)]
    summary = f"{len(rows)} step types. A step's `type` is the component_id, an edge's `branch` one of the ports."
    return ComponentList(summary=summary, components=rows)


def get_component(call: Call, given: GetComponent) -> Component:
    data = components.one(call.principal, given.component_id)
    return Component(summary=_summary(data), component_id=data["id"], **data)


def _summary(data: dict[str, Any]) -> str:
    vary = " The ports are those of the first example: the config decides." if data["ports_vary"] else ""
    reaches = " It reaches people or systems outside." if data["external"] else ""
    return f'A step with "type":"{data["id"]}" and a config like one of the examples.{vary}{reaches}'


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "components-list",
        "List step types",
        "List the step types that a workflow can use, with what each does and its ways out (ports).",
        "components.list",
        ListComponents,
        ComponentList,
        READS_ONLY,
        list_components,
    ),
    Tool(
        "components-get",
        "Read a step type",
        "Read one step type: the JSON Schema of its config, and examples. Call it before you write such a step.",
        "components.get",
        GetComponent,
        Component,
        READS_ONLY,
        get_component,
    ),
)
