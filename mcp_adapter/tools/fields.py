"""Arguments that several tools share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from aggregates.pace import MOST_ATTEMPTS, RATE
from aggregates.values import parse_instant
from commands.binding import TOKEN_LIMIT
from commands.confirm import COUNT_LIMIT
from commands.terms import TERM_LIMIT
from mcp_adapter.schemas import Arguments

Id = str
"""Any text: a malformed id is as unknown as any other that is not of the project."""

WorkflowId = Id
BatchJobId = Id
ScheduleId = Id
RunId = Id

Waiting = Annotated[int, Field(ge=0, le=25, description="Wait so long for it to end.")]
ComponentId = Id

Limit = Annotated[int, Field(ge=1, le=50)]


def _instant(text: str) -> str:
    parse_instant(text)
    return text


Instant = Annotated[str, AfterValidator(_instant)]

After = Annotated[str, Field(max_length=1000, description="next_cursor of the page before.")]

IdempotencyKey = Annotated[
    str,
    Field(min_length=1, max_length=200, description="A retry with the same one has no second effect."),
]

Values = Annotated[dict[str, Any], Field(description="Values over the workflow's defaults.")]

Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT, description="`affected`, as the user saw it and said yes to.")]

Token = Annotated[
    str, Field(max_length=TOKEN_LIMIT, description="Required: of the same workflows-blast-radius answer.")
]

Term = Annotated[str, Field(max_length=TERM_LIMIT)]

Exdates = Annotated[list[str], Field(max_length=TERM_LIMIT, description="Local dates or times that are left out.")]

Rate = Annotated[str, Field(pattern=f"^{RATE}$", description="The most that is sent, such as 100/minute.")]

Lifted = Annotated[list[str], Field(description="Names of these that it has no more: rate, breaker.")]

Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class BreakerGiven(Arguments):
    """Pauses the batch job when more than this share of its attempts has failed, of so many at least."""

    min_attempts: int = Field(ge=1, le=MOST_ATTEMPTS)
    max_failure_ratio: float = Field(ge=0, lt=1)


def instant_of(text: str | None) -> datetime | None:
    """An instant that was accepted as one."""
    return None if text is None else parse_instant(text)


def page_summary(count: int, noun: str, next_cursor: str | None) -> str:
    """How much is here, and how to go on."""
    shown = f"{count} {noun}{'' if count == 1 else 's'}"
    return f"{shown}; more with after=next_cursor." if next_cursor else f"{shown}; no more."


def within(
    budget: int, rows: Sequence[Mapping[str, Any]], spare: str | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """What of these rows fits into so many characters, and whether anything was left out.

    With `spare` every row stays, and what is too much loses that field; without it rows are left out from the end.
    """
    kept: list[dict[str, Any]] = []
    left = budget
    for row in rows:
        size = len(json.dumps(row, ensure_ascii=False, default=str))
        if size <= left:
            kept.append(dict(row))
            left -= size
        elif spare is not None:
            kept.append({name: value for name, value in row.items() if name != spare})
    omitted = len(kept) < len(rows) or any(len(less) < len(row) for less, row in zip(kept, rows, strict=False))
    return kept, omitted
