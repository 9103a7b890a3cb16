"""Cohorts that an audience leads to, and what they mean in SQL.

A static cohort is its member list. A dynamic one is its conditions, which may name further cohorts; a cohort that
leads back to itself has nobody through that way. A behavioral one cannot be evaluated, so an audience that reaches
one by any path is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Exists, and_, false, not_, select, true
from sqlalchemy.sql.expression import FromClause

from aggregates.audience import Audience, CohortCondition, Condition
from aggregates.errors import Problem
from projections.conditions import Unanswerable, Verdict, holds, negate
from projections.tables import cohort_members, cohorts

DEPTH_LIMIT = 32
"""Deepest nesting of dynamic cohorts that is compiled."""

SIZE_LIMIT = 1_000
"""Most conditions of one audience after its cohorts are spelt out."""


@dataclass(frozen=True)
class Node:
    """One cohort as the compiler needs it."""

    id: UUID
    name: str
    kind: str
    audience: Audience

    @property
    def leads_to(self) -> tuple[UUID, ...]:
        """Only a dynamic cohort depends on others: a static list is frozen, a behavioral one is opaque."""
        return self.audience.cohort_ids if self.kind == "dynamic" else ()


Graph = Mapping[UUID, Node]


def load(conn: Connection, project_id: UUID, ids: Iterable[UUID]) -> dict[UUID, Node]:
    """Every cohort of the project that is reachable from `ids`: one statement a level, none without cohorts."""
    graph: dict[UUID, Node] = {}
    wanted, asked = set(ids), set[UUID]()
    while wanted:
        asked |= wanted
        rows = conn.execute(
            select(cohorts.c.id, cohorts.c.name, cohorts.c.kind, cohorts.c.conditions).where(
                cohorts.c.project_id == project_id, cohorts.c.id.in_(wanted)
            )
        ).all()
        for row in rows:
            graph[row.id] = _node(row)
        wanted = {id for row in rows for id in graph[row.id].leads_to} - asked
    return graph


def reachable(graph: Graph, start: UUID) -> Iterator[UUID]:
    """`start` and every cohort that it leads to, each once, so that cycles end."""
    seen, ahead = {start}, [start]
    while ahead:
        id = ahead.pop()
        yield id
        fresh = [next_id for next_id in (graph[id].leads_to if id in graph else ()) if next_id not in seen]
        seen.update(fresh)
        ahead.extend(fresh)


def problems(graph: Graph, audience: Audience, pointer: str) -> list[Problem]:
    """One problem for each condition and each cohort at fault behind it; `got` names that cohort."""
    found: list[Problem] = []
    for index, condition in enumerate(audience.conditions):
        if isinstance(condition, CohortCondition):
            faults = (
                _fault(graph, id, condition.cohort_id, f"{pointer}/{index}/value")
                for id in reachable(graph, condition.cohort_id)
            )
            found += [fault for fault in faults if fault]
    return found


def compile(graph: Graph, audience: Audience, person: FromClause, now: datetime) -> Verdict:
    """Whether a row of `person` is in the audience; the audience has no `problems`. May raise `Unanswerable`."""
    return _Compiler(graph, person, now).all_of(audience.conditions, ())


class _Compiler:
    def __init__(self, graph: Graph, person: FromClause, now: datetime) -> None:
        self.graph, self.person, self.now = graph, person, now
        self.size = 0

    def all_of(self, conditions: tuple[Condition, ...], path: tuple[UUID, ...]) -> Verdict:
        self.size += len(conditions)
        if self.size > SIZE_LIMIT or len(path) > DEPTH_LIMIT:
            raise Unanswerable(f"Cohorts are nested too deep or have more than {SIZE_LIMIT} conditions together.")
        return and_(true(), *(self.one(condition, path) for condition in conditions))

    def one(self, condition: Condition, path: tuple[UUID, ...]) -> Verdict:
        if not isinstance(condition, CohortCondition):
            return holds(condition, self.person, self.now)
        inside = self.member(condition.cohort_id, path)
        if condition.operator == "in":
            return inside
        return not_(inside) if isinstance(inside, Exists) else negate(inside)

    def member(self, cohort_id: UUID, path: tuple[UUID, ...]) -> Verdict:
        if cohort_id in path:
            return false()
        node = self.graph[cohort_id]
        if node.kind == "dynamic":
            return self.all_of(node.audience.conditions, (*path, cohort_id))
        if node.kind != "static":
            raise Unanswerable("A behavioral cohort cannot be evaluated.")
        # EXISTS is a join or an index probe for each person, never a list held in memory.
        members = select(cohort_members.c.person_id).where(
            cohort_members.c.cohort_id == cohort_id, cohort_members.c.person_id == self.person.c.id
        )
        return members.correlate(self.person).exists()


def _node(row: Any) -> Node:
    audience, faults = Audience.parse(row.conditions) if row.kind == "dynamic" else (Audience(), [])
    # Part of a definition would be a wider audience than was meant: it is none at all.
    return Node(row.id, row.name, "unreadable" if faults else row.kind, audience)


def _fault(graph: Graph, id: UUID, named: UUID, pointer: str) -> Problem | None:
    through = {"through": str(named)} if id != named else {}
    node = graph.get(id)
    if node is None:
        return Problem(
            pointer, "cohort.unknown", "There is no such cohort.", {"id": str(id), **through}, "the id of a cohort"
        )
    if node.kind == "unreadable":
        return Problem(pointer, "cohort.unreadable", "The cohort's stored conditions are not valid.", {"id": str(id)})
    if node.kind != "behavioral":
        return None
    return Problem(
        pointer,
        "cohort.behavioral",
        "A behavioral cohort cannot be an audience, nor a part of one: who is in it changes with what people do.",
        {"id": str(id), "name": node.name, **through},
        "a static or a dynamic cohort",
        "Choose another one, or ask a person with cohort:write to make a static cohort of these people.",
    )
