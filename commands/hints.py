"""Warnings about an audience that names what no person has: they tell of people, so not everybody is told."""

from __future__ import annotations

from aggregates.errors import Problem
from aggregates.workflow.definition import Definition
from commands.context import Context

NEEDS = "person:read"


def audience_findings(ctx: Context, definition: Definition | None) -> list[Problem]:
    """Warnings about each audience of the content; nothing for a principal that may not learn what people are like."""
    if definition is None or NEEDS not in ctx.meta.principal.scopes:
        return []
    return ctx.people.audience_findings(ctx.meta.principal.project_id, list(definition.audiences()))
