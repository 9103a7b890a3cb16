"""What a workflow sends, as commands ask about it: refused where the policy does not allow it, else told."""

from __future__ import annotations

from typing import Any

from aggregates.errors import invalid
from aggregates.workflow.definition import Definition
from commands.context import Context


def refuse_elsewhere(ctx: Context, definition: Definition) -> None:
    """Refuse content whose emails would go where the policy lets none go, or that sends one person too much.

    It was saved before the rule, or under another policy; the sender compares once more.
    """
    problems = definition.sending_problems(ctx.policy)
    if problems:
        raise invalid("workflow.invalid", problems)


def sends_answer(definition: Definition, people: int) -> dict[str, Any]:
    """What of a sizing is about messages: the most that one person gets, by step type and in all, and in words."""
    sends = definition.sends
    by_type = dict(sends.by_type)
    kinds = ", ".join(f"{count} {type}" for type, count in by_type.items())
    told = f"{people:,} people"
    if kinds:
        told += f", at most {sends.per_person} messages each ({kinds})"
    if sends.beyond:
        told += ", and whoever the receiver tells"
    return {"deliveries": by_type, "per_person": sends.per_person or 0, "reaches": f"{told}."}
