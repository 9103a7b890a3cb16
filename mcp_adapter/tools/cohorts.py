"""Cohorts: named sets of people that conditions can refer to."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Tool
from mcp_adapter.tools.fields import After, Limit, page_summary


class ListCohorts(Arguments):
    hide_behavioral: bool = Field(False, description="Leave out cohorts that cannot be an audience.")
    limit: Limit = 20
    after: After | None = None


class CohortRow(Row):
    cohort_id: Text
    name: str
    kind: str


class CohortList(Answer):
    cohorts: list[CohortRow]
    next_cursor: str | None = None


def list_cohorts(call: Call, given: ListCohorts) -> CohortList:
    page = call.system.reads.cohorts.list(
        call.principal, hide_behavioral=given.hide_behavioral, limit=given.limit, after=given.after
    )
    rows = [CohortRow(**row | {"cohort_id": row["id"]}) for row in page.data]
    summary = page_summary(len(rows), "cohort", page.next_cursor)
    return CohortList(summary=summary, cohorts=rows, next_cursor=page.next_cursor)


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "cohorts-list",
        "List cohorts",
        "List the cohorts that a condition can name. A behavioral one cannot be an audience: hide those while you "
        "choose one, and tell the user why if they ask for it instead of approximating it.",
        "cohorts.list",
        ListCohorts,
        CohortList,
        READS_ONLY,
        list_cohorts,
    ),
)
