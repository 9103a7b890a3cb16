"""Cohorts as conditions of an audience: what each means, and which cannot be asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select

from aggregates.errors import DomainError
from projections.audience import Audiences
from projections.tables import cohort_members, people
from tests.projections.conftest import ELSEWHERE, freeze, size
from tests.support.people import FOREIGN, NOW, PROJECT, add_cohort, audience, has, within


def ids_of(connection: Connection, audiences: Audiences, crowd: list[int], *conditions: Any) -> list[int]:
    found = audiences.matching(connection, PROJECT, audience(*conditions), crowd, now=NOW)
    return [crowd.index(id) for id in sorted(found)]


def test_static_and_dynamic_cohorts_and_their_opposites(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    static = add_cohort(connection, 1, "static", members=(crowd[0], crowd[7]))
    free = add_cohort(connection, 2, "dynamic", has("plan", "exact", "free"))
    nested = add_cohort(connection, 3, "dynamic", within(static), within(free, "not_in"))
    assert ids_of(connection, audiences, crowd, within(static)) == [0, 7]
    assert ids_of(connection, audiences, crowd, within(static, "not_in")) == [1, 2, 3, 4, 5, 6]
    assert ids_of(connection, audiences, crowd, within(free)) == [7]
    assert ids_of(connection, audiences, crowd, within(free, "not_in")) == [0, 1, 2, 3, 4, 5, 6]
    assert ids_of(connection, audiences, crowd, within(nested)) == [0]
    assert ids_of(connection, audiences, crowd, within(nested, "not_in"), has("city", "is_not_set")) == [
        1,
        2,
        4,
        5,
        6,
        7,
    ]


def test_a_cohort_that_leads_back_to_itself_ends(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    one = add_cohort(connection, 1, "dynamic", within(UUID(int=2), "not_in"))
    two = add_cohort(connection, 2, "dynamic", has("plan", "exact", "free"), within(one, "not_in"))
    assert audiences.problems(connection, PROJECT, audience(within(one), within(two))) == []
    assert ids_of(connection, audiences, crowd, within(two)) == []
    assert ids_of(connection, audiences, crowd, within(one)) == [0, 1, 2, 3, 4, 5, 6]


def test_behavioral_cohorts_are_refused_at_any_depth(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    behavioral = add_cohort(connection, 100, "behavioral")
    before = behavioral
    for number in range(1, 60):
        before = add_cohort(connection, number, "dynamic", within(before, "not_in"), within(UUID(int=59)))
    who = audience(has("plan", "is_set"), within(before, "not_in"), within(behavioral))
    problems = audiences.problems(connection, PROJECT, who, "/at")
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/at/1/value", "cohort.behavioral"),
        ("/at/2/value", "cohort.behavioral"),
    ]
    assert problems[0].got == {"id": str(behavioral), "name": "cohort 100", "through": str(before)}
    for ask in (
        lambda: size(connection, audiences, who),
        lambda: freeze(connection, audiences, who),
        lambda: audiences.matching(connection, PROJECT, who, crowd, now=NOW),
        lambda: audiences.explain(connection, PROJECT, who, reach=ELSEWHERE, now=NOW),
    ):
        with pytest.raises(DomainError) as refusal:
            ask()
        assert refusal.value.code == "audience.invalid"


def test_a_static_cohort_is_exempt_whatever_it_came_from(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    behavioral = add_cohort(connection, 1, "behavioral")
    static = add_cohort(connection, 2, "static", within(behavioral), members=(crowd[0],))
    assert audiences.problems(connection, PROJECT, audience(within(static))) == []
    assert ids_of(connection, audiences, crowd, within(static)) == [0]


def test_unknown_and_foreign_cohorts_answer_alike(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    foreign = add_cohort(connection, 1, "static", members=(crowd[0],), project=FOREIGN)
    nested = add_cohort(connection, 2, "dynamic", within(UUID(int=404)))
    who = audience(within(foreign), within(UUID(int=405)), within(nested))
    problems = audiences.problems(connection, PROJECT, who)
    assert {(problem.code, problem.message) for problem in problems} == {("cohort.unknown", "There is no such cohort.")}
    assert [problem.got["id"] for problem in problems] == [str(UUID(int=n)) for n in (1, 405, 404)]


def test_a_cohort_whose_conditions_cannot_be_read_is_refused_and_not_widened(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    broken = add_cohort(connection, 1, "dynamic", has("plan", "unheard_of", "x"), has("city", "is_set"))
    problems = audiences.problems(connection, PROJECT, audience(within(broken)))
    assert [problem.code for problem in problems] == ["cohort.unreadable"]


def test_cohorts_that_multiply_are_refused(connection: Connection, audiences: Audiences) -> None:
    before = add_cohort(connection, 1, "dynamic", has("a", "is_set"))
    for number in range(2, 25):
        before = add_cohort(connection, number, "dynamic", within(before), within(before, "not_in"))
    with pytest.raises(DomainError) as refusal:
        size(connection, audiences, audience(within(before)))
    assert refusal.value.code == "audience.unanswerable"
    assert refusal.value.problems[0].pointer == "/trigger/filters/properties/0"


def test_members_go_with_the_person(connection: Connection, crowd: list[int]) -> None:
    add_cohort(connection, 1, "static", members=(crowd[0], crowd[1]))
    connection.execute(people.delete().where(people.c.id == crowd[0]))
    assert connection.scalars(select(cohort_members.c.person_id)).all() == [crowd[1]]
