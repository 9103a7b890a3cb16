"""Arguments that several tools share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from commands.confirm import COUNT_LIMIT, TOKEN_LIMIT

Id = str
"""Any text: a malformed id is as unknown as any other that is not of the project."""

WorkflowId = Id
BatchJobId = Id
ScheduleId = Id
ComponentId = Id

Limit = Annotated[int, Field(ge=1, le=50)]

After = Annotated[str, Field(max_length=1000, description="next_cursor of the page before.")]

IdempotencyKey = Annotated[
    str,
    Field(
        min_length=1, max_length=200, description="Repeat it to get the first answer again instead of a second effect."
    ),
]

Values = Annotated[dict[str, Any], Field(description="Values over the workflow's defaults.")]

Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT, description="`affected`, as the user saw it and said yes to.")]

Token = Annotated[
    str, Field(max_length=TOKEN_LIMIT, description="Required: of the same workflows-blast-radius answer.")
]

Reason = Annotated[str, Field(min_length=1, max_length=1000)]


def page_summary(count: int, noun: str, next_cursor: str | None) -> str:
    """How much is here, and how to go on."""
    shown = f"{count} {noun}{'' if count == 1 else 's'}"
    return f"{shown}; more with after=next_cursor." if next_cursor else f"{shown}; no more."
