"""People and conditions for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from aggregates.address import normalised
from aggregates.audience import Audience, CohortCondition, Condition, PersonCondition
from projections.tables import cohort_members, cohorts, opt_outs, people

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
PROJECT = UUID(int=1)
FOREIGN = UUID(int=2)


def add_people(conn: Connection, *rows: dict[str, Any], project: UUID = PROJECT) -> list[int]:
    """Insert people; each row may lack everything. Their ids, ascending."""
    taken = (
        conn.execute(people.select().with_only_columns(people.c.id).order_by(people.c.id.desc()).limit(1)).scalar() or 0
    )
    full = [
        {
            "project_id": project,
            "distinct_id": f"user-{taken + number}",
            "email": None,
            "properties": {},
            "opted_out_at": None,
            "address": normalised(row.get("email") or ""),
            **row,
        }
        for number, row in enumerate(rows, 1)
    ]
    ids = sorted(conn.scalars(insert(people).returning(people.c.id), full)) if full else []
    left = {row["address"] for row in full if row["opted_out_at"] and row["address"]}
    if left:
        conn.execute(insert(opt_outs), [{"project_id": project, "address": address, "at": NOW} for address in left])
    return ids


def add_cohort(
    conn: Connection,
    id: int,
    kind: str,
    *conditions: Condition,
    members: tuple[int, ...] = (),
    project: UUID = PROJECT,
) -> UUID:
    """Insert a cohort as it stands, whether it could be made so or not."""
    row = {
        "id": UUID(int=id),
        "project_id": project,
        "name": f"cohort {id}",
        "kind": kind,
        "conditions": [condition.as_data() for condition in conditions],
    }
    conn.execute(insert(cohorts).values(row))
    if members:
        conn.execute(insert(cohort_members), [{"cohort_id": UUID(int=id), "person_id": member} for member in members])
    return UUID(int=id)


def has(key: str, operator: str, value: Any = None) -> PersonCondition:
    if isinstance(value, list):
        value = tuple(value)
    return PersonCondition(key, operator, value)  # type: ignore[arg-type]  # tests also try what is not one


def within(cohort: UUID, operator: str = "in") -> CohortCondition:
    return CohortCondition(cohort, operator)  # type: ignore[arg-type]  # the same


def audience(*conditions: Condition) -> Audience:
    return Audience(tuple(conditions))
