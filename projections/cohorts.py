"""Cohorts: named sets of people. `static` is a member list, `dynamic` conditions, `behavioral` an opaque definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Text, bindparam, cast, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from aggregates.audience import Audience
from aggregates.base import Principal
from aggregates.errors import DomainError, Problem, invalid
from aggregates.values import NAME_LIMIT
from projections import cohort_graph
from projections.audience import Audiences
from projections.page import Page, Reader, as_id, paged
from projections.tables import cohort_members, cohorts, people

KINDS = ("static", "dynamic", "behavioral")

SHOWN = tuple(column for column in cohorts.c if column.name != "project_id")
LISTED = tuple(column for column in SHOWN if column.name != "conditions")


@dataclass(frozen=True)
class Cohort:
    """A cohort, as stored."""

    id: UUID
    name: str
    description: str
    kind: str
    conditions: list[Any]
    created_at: datetime
    updated_at: datetime


def create(
    conn: Connection,
    project_id: UUID,
    id: UUID,
    *,
    name: str,
    kind: str,
    now: datetime,
    description: str = "",
    conditions: Sequence[Any] = (),
    members: Sequence[str] = (),
    audiences: Audiences | None = None,
) -> Mapping[str, Any]:
    """Make a cohort; {name, kind, members} with the number of members of a static one, else None.

    A static cohort has `members` (distinct ids), or, given the evaluator, everybody who matches `conditions` now. A
    dynamic one may depend on a behavioral one; no audience can then use it.
    """
    conditions, members = list(conditions or ()), list(members or ())
    problems = _problems(name, kind, description, conditions, members)
    problems += _condition_problems(conn, project_id, kind, conditions)
    if kind == "static" and conditions and audiences is None:
        problems.append(Problem("/conditions", "cohort.conditions", "A static cohort is a list of members."))
    if problems:
        raise invalid("cohort.invalid", problems)
    audience = Audience.parse(conditions)[0] if kind != "behavioral" else Audience()
    conn.execute(
        insert(cohorts).values(
            id=id, project_id=project_id, name=name, description=description, kind=kind,
            conditions=audience.as_data() if kind == "dynamic" else conditions, created_at=now, updated_at=now,
        )
    )  # fmt: skip
    count = None
    if kind == "static" and audiences and conditions:
        count = audiences.store_members(conn, id, project_id, audience, now=now, pointer="/conditions")
    elif kind == "static":
        count = _store_members(conn, project_id, id, members)
    return {"name": name, "kind": kind, "members": count}


def get(conn: Connection, project_id: UUID, cohort_id: object) -> Cohort:
    """The cohort, or `cohort.not_found`, alike for unknown and foreign ids."""
    row = conn.execute(
        select(*SHOWN).where(cohorts.c.id == as_id(cohort_id, "cohort.not_found"), cohorts.c.project_id == project_id)
    ).one_or_none()
    if row is None:
        raise DomainError("cohort.not_found")
    return Cohort(**row._mapping)


def members(conn: Connection, project_id: UUID, cohort_id: object, *, after: int = 0, limit: int = 100) -> list[int]:
    """The person ids of a static cohort, ascending, beginning after one."""
    cohort = get(conn, project_id, cohort_id)
    of_cohort = select(cohort_members.c.person_id).where(
        cohort_members.c.cohort_id == cohort.id, cohort_members.c.person_id > after
    )
    return list(conn.scalars(of_cohort.order_by(cohort_members.c.person_id).limit(limit)))


class CohortReads(Reader):
    """Cohorts of the principal's project."""

    def list(
        self, principal: Principal, *, hide_behavioral: bool = False, limit: int = 20, after: str | None = None
    ) -> Page:
        """Newest first. `hide_behavioral` also hides what depends on a behavioral one: no audience can use either."""
        self.authorize(principal, "cohorts.list")
        statement = select(*LISTED).where(cohorts.c.project_id == principal.project_id)
        if hide_behavioral:
            statement = statement.where(cohorts.c.id.not_in(select(_unusable(principal.project_id).c.id)))
        return self.page(paged(statement, cohorts.c.created_at, cohorts.c.id, after), limit, ("created_at", "id"), None)

    def get(self, principal: Principal, cohort_id: object) -> dict[str, Any]:
        """One cohort with its conditions; `members` is how many a static one has, for callers with person:read."""
        self.authorize(principal, "cohorts.get")
        count = select(func.count()).select_from(cohort_members)
        with self.engine.connect() as connection:
            cohort = get(connection, principal.project_id, cohort_id)
            static = cohort.kind == "static" and "person:read" in principal.scopes
            size = connection.scalar(count.where(cohort_members.c.cohort_id == cohort.id)) if static else None
        return {**vars(cohort), "members": size}


def _unusable(project_id: UUID) -> Any:
    """Behavioral cohorts and every dynamic one that leads to one; UNION, and not UNION ALL, makes cycles end."""
    mine = cohorts.c.project_id == project_id
    found = select(cohorts.c.id).where(mine, cohorts.c.kind == "behavioral").cte("unusable", recursive=True)
    named = func.jsonb_build_array(func.jsonb_build_object("type", "cohort", "value", cast(found.c.id, Text)))
    dependent = cohorts.c.conditions.op("@>", is_comparison=True)(cast(named, JSONB))
    return found.union(select(cohorts.c.id).join(found, dependent).where(mine, cohorts.c.kind == "dynamic"))


def _problems(name: Any, kind: Any, description: Any, conditions: list[Any], members: list[Any]) -> list[Problem]:
    problems = []
    if not isinstance(name, str) or not 0 < len(name.strip()) <= NAME_LIMIT or "\0" in name:
        problems.append(Problem("/name", "name.invalid", f"A name has 1 to {NAME_LIMIT} characters.", None, "string"))
    if not isinstance(description, str) or len(description) > 10 * NAME_LIMIT or "\0" in description:
        problems.append(Problem("/description", "field.invalid", "A short text.", None, "string"))
    if kind not in KINDS:
        return [
            *problems,
            Problem("/kind", "cohort.kind_unknown", "There is no such kind.", None, list(KINDS), "static"),
        ]
    if members and (kind != "static" or conditions):
        problems.append(
            Problem("/members", "cohort.members", "Only a static cohort has members, and then no conditions.")
        )
    if not all(isinstance(member, str) and "\0" not in member for member in members):
        problems.append(Problem("/members", "cohort.members", "Members are distinct ids.", None, "array of strings"))
    return problems


def _condition_problems(conn: Connection, project_id: UUID, kind: str, conditions: list[Any]) -> list[Problem]:
    """A behavioral cohort is no fault here: it makes a dynamic one unusable, not wrong."""
    if kind == "behavioral" or not conditions:
        return []
    audience, faults = Audience.parse(conditions, "/conditions")
    graph = cohort_graph.load(conn, project_id, audience.cohort_ids)
    found = cohort_graph.problems(graph, audience, "/conditions")
    return faults or [fault for fault in found if fault.code == "cohort.unknown"]


def _store_members(conn: Connection, project_id: UUID, id: UUID, members: Sequence[str]) -> int:
    """Store the people with these distinct ids; refuses, by their places, those who are not in the project."""
    told = (
        func.unnest(bindparam(None, list(members), type_=ARRAY(Text), unique=True))
        .table_valued("distinct_id", with_ordinality="place", name="told")
        .render_derived()
    )
    known = told.outerjoin(
        people, (people.c.project_id == project_id) & (people.c.distinct_id == cast(told.c.distinct_id, Text))
    )
    missing = select(told.c.place).select_from(known).where(people.c.id.is_(None)).order_by(told.c.place).limit(100)
    if unknown := list(conn.scalars(missing)):
        problems = [Problem(f"/members/{place - 1}", "person.unknown", "There is no such person.") for place in unknown]
        raise invalid("cohort.invalid", problems)
    ids = select(literal(id).label("cohort_id"), people.c.id).select_from(known).distinct()
    stored = insert(cohort_members).from_select(["cohort_id", "person_id"], ids)
    return conn.execute(stored.execution_options(preserve_rowcount=True)).rowcount
