"""The terms of a schedule, and of a job, as they may be sent.

Only their types are looked at here: the command judges the rest, so that one refusal names all that is wrong.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from aggregates.pace import LIFTED, RATE
from aggregates.schedule.firing import CATCH_UPS, LONGEST_WINDOW_MINUTES, OVERLAPS
from commands.terms import TERM_LIMIT

Rule = Annotated[
    str,
    Field(
        max_length=TERM_LIMIT,
        description="One RFC 5545 RRULE, HOURLY or slower.",
        examples=["FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"],
    ),
]
Rate = Annotated[
    str,
    Field(
        max_length=TERM_LIMIT,
        pattern=f"^{RATE}$",
        description="The most that is sent, all workers together.",
        examples=["100/minute"],
    ),
]
Lifted = Annotated[
    list[str],
    Field(
        max_length=TERM_LIMIT,
        description="What of a schedule's pace is taken away.",
        json_schema_extra={"items": {"type": "string", "enum": list(LIFTED)}},
    ),
]
Start = Annotated[
    str, Field(max_length=TERM_LIMIT, description="Local wall time in `timezone`.", examples=["2027-01-04T09:00:00"])
]
Zone = Annotated[str, Field(max_length=TERM_LIMIT, examples=["Europe/Berlin"])]
Exdates = Annotated[
    list[str],
    Field(
        max_length=TERM_LIMIT,
        description="Dates and local times that are left out.",
        examples=[["2027-12-24", "2027-12-31T09:00:00"]],
    ),
]
Overlap = Annotated[
    str,
    Field(
        max_length=TERM_LIMIT,
        description="While the job of an earlier occurrence is at work: skip, keep one waiting, or start beside it.",
        json_schema_extra={"enum": list(OVERLAPS)},
    ),
]
CatchUp = Annotated[
    str,
    Field(
        max_length=TERM_LIMIT,
        description="Of missed occurrences, none, the latest or all are made up.",
        json_schema_extra={"enum": list(CATCH_UPS)},
    ),
]
Window = Annotated[
    int,
    Field(
        description="Minutes; what was missed longer ago than this is not made up.",
        json_schema_extra={"minimum": 0, "maximum": LONGEST_WINDOW_MINUTES},
    ),
]
Growth = Annotated[
    float,
    Field(
        description="How much the audience may grow, as a share: `0.1` is ten per cent. At most what policy allows.",
        examples=[0.1],
        json_schema_extra={"minimum": 0},
    ),
]
Expiry = Annotated[
    str,
    Field(
        max_length=TERM_LIMIT,
        description="When the standing approval ends, with its offset; `never` takes an end away.",
        examples=["2027-12-31T00:00:00Z"],
    ),
]
