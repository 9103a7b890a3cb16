"""People's properties: which keys a condition can name. People themselves are not read here."""

from __future__ import annotations

from typing import Any

from mcp_adapter.schemas import Answer, Arguments
from mcp_adapter.tool import READS_ONLY, Call, Tool
from mcp_adapter.tools.fields import within

BUDGET = 16_000
"""Characters of properties that one answer carries."""


class ReadProperties(Arguments):
    pass


class Properties(Answer):
    people: int
    looked_at: int
    sampled: bool
    properties: list[dict[str, Any]]
    properties_omitted: int | None = None


def read_properties(call: Call, given: ReadProperties) -> Properties:
    found = call.system.reads.people.properties(call.principal)
    shown, _ = within(BUDGET, found["properties"])
    omitted = len(found["properties"]) - len(shown)
    summary = f"{len(found['properties'])} properties of {found['people']:,} people."
    if found["sampled"]:
        summary += f" {found['looked_at']:,} of them were looked at, so a rare property may be missing."
    if omitted:
        summary += f" The {omitted} least common are left out here."
    return Properties(**found | {"summary": summary, "properties": shown, "properties_omitted": omitted or None})


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "people-properties",
        "List people's properties",
        "List the property keys that people have, with types, share of people, and frequent values of keys with few. "
        "Call it before you write a condition: a misspelt key reaches no one, or with a negative operator everyone.",
        "people.properties",
        ReadProperties,
        Properties,
        READS_ONLY,
        read_properties,
    ),
)
