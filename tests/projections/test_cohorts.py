"""Cohorts are made whole or not at all, and listed with what they can be used for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from aggregates.base import Principal
from aggregates.errors import DomainError
from projections import cohorts
from projections.audience import Audiences
from projections.cohorts import CohortReads
from projections.tables import cohorts as table
from projections.tables import projects
from tests.support.people import FOREIGN, NOW, PROJECT, add_cohort, add_people, audience, has, within

ID = UUID(int=5)
PRO = {"type": "person", "key": "plan", "operator": "exact", "value": ["pro"]}


def create(connection: Connection, **fields: Any) -> Any:
    return cohorts.create(connection, PROJECT, ID, **{"name": "Fans", "kind": "static", "now": NOW, **fields})


def refused(connection: Connection, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(DomainError) as refusal, connection.begin_nested():
        create(connection, **fields)
    assert refusal.value.code == "cohort.invalid"
    assert connection.scalar(select(table.c.id)) is None
    return [(problem.pointer, problem.code) for problem in refusal.value.problems]


def test_a_static_cohort_holds_the_named_people_once(connection: Connection) -> None:
    ids = add_people(connection, {"distinct_id": "a"}, {"distinct_id": "b"}, {"distinct_id": "c"})
    answer = create(connection, members=["c", "a", "c"])
    assert answer == {"name": "Fans", "kind": "static", "members": 2}
    assert cohorts.members(connection, PROJECT, ID) == [ids[0], ids[2]]
    assert cohorts.members(connection, PROJECT, str(ID), after=ids[0], limit=1) == [ids[2]]


def test_members_who_are_not_of_the_project_are_named_by_their_places(connection: Connection) -> None:
    add_people(connection, {"distinct_id": "theirs"}, project=FOREIGN)
    add_people(connection, {"distinct_id": "ours"})
    assert refused(connection, members=["ours", "theirs", "nobody"]) == [
        ("/members/1", "person.unknown"),
        ("/members/2", "person.unknown"),
    ]


def test_a_static_cohort_can_freeze_who_matches_now(connection: Connection, audiences: Audiences) -> None:
    ids = add_people(connection, {"properties": {"plan": "pro"}}, {"properties": {"plan": "free"}})
    assert create(connection, conditions=[PRO], audiences=audiences)["members"] == 1
    add_people(connection, {"properties": {"plan": "pro"}})
    assert cohorts.members(connection, PROJECT, ID) == ids[:1]


def test_a_dynamic_cohort_follows_its_conditions(connection: Connection, audiences: Audiences) -> None:
    assert create(connection, kind="dynamic", conditions=[PRO]) == {"name": "Fans", "kind": "dynamic", "members": None}
    ids = add_people(connection, {"properties": {"plan": "pro"}}, {"properties": {"plan": "free"}})
    assert audiences.matching(connection, PROJECT, audience(within(ID)), ids, now=NOW) == {ids[0]}
    assert cohorts.get(connection, PROJECT, ID).conditions == [PRO]


def test_a_behavioral_cohort_keeps_its_definition_as_it_is(connection: Connection) -> None:
    definition = [{"event": "purchased", "times": 3}]
    create(connection, kind="behavioral", conditions=definition)
    assert cohorts.get(connection, PROJECT, ID).conditions == definition


def test_every_problem_of_a_cohort_is_told_at_once(connection: Connection) -> None:
    bad = {"type": "person", "key": "plan", "operator": "resembles", "value": 1}
    assert refused(connection, name=" ", description=5, kind="dynamic", conditions=[bad], members=["x"]) == [
        ("/name", "name.invalid"),
        ("/description", "field.invalid"),
        ("/members", "cohort.members"),
        ("/conditions/0/operator", "condition.operator_unknown"),
    ]
    assert refused(connection, kind="magic") == [("/kind", "cohort.kind_unknown")]
    assert refused(connection, members=[1, "a\0"]) == [("/members", "cohort.members")]
    assert refused(connection, conditions=[PRO]) == [("/conditions", "cohort.conditions")]


def test_a_dynamic_cohort_may_depend_on_a_behavioral_one_but_not_on_an_unknown_one(connection: Connection) -> None:
    unknown = within(UUID(int=404)).as_data()
    assert refused(connection, kind="dynamic", conditions=[unknown]) == [("/conditions/0/value", "cohort.unknown")]
    behavioral = add_cohort(connection, 1, "behavioral")
    create(connection, kind="dynamic", conditions=[within(behavioral).as_data()])


@pytest.mark.parametrize("id", [UUID(int=404), "not an id", UUID(int=9)])
def test_unknown_and_foreign_cohorts_are_not_found(connection: Connection, id: object) -> None:
    add_cohort(connection, 9, "static", project=FOREIGN)
    with pytest.raises(DomainError) as refusal:
        cohorts.get(connection, PROJECT, id)
    assert refusal.value.code == "cohort.not_found"


# -- reads


@pytest.fixture
def reads(database_url: str) -> Any:
    engine = create_engine(database_url)
    with engine.begin() as conn:
        conn.execute(insert(projects), [{"id": PROJECT, "name": "ours"}, {"id": FOREIGN, "name": "theirs"}])
        static = add_cohort(conn, 1, "static", members=tuple(add_people(conn, {})))
        behavioral = add_cohort(conn, 2, "behavioral")
        dependent = add_cohort(conn, 3, "dynamic", within(behavioral, "not_in"))
        add_cohort(conn, 4, "dynamic", has("a", "is_set"), within(dependent), within(UUID(int=5)))
        add_cohort(conn, 5, "dynamic", within(UUID(int=5)), within(UUID(int=6)))
        add_cohort(conn, 6, "dynamic", within(static), within(UUID(int=5)))
        add_cohort(conn, 7, "static", project=FOREIGN)
        for number in range(1, 8):
            conn.execute(
                table.update().where(table.c.id == UUID(int=number)).values(created_at=NOW + timedelta(days=number))
            )
    yield CohortReads(engine, lambda principal, name: None)
    engine.dispose()


READER = Principal(PROJECT, "key", frozenset(), "api")


def test_listing_goes_newest_first_page_by_page(reads: CohortReads) -> None:
    seen, after = [], None
    while True:
        page = reads.list(READER, limit=2, after=after)
        seen += [row["id"].int for row in page.data]
        after = page.next_cursor
        if after is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1]
    assert "conditions" not in page.data[0]


def test_hiding_behavioral_cohorts_hides_what_depends_on_them_and_ends_on_cycles(reads: CohortReads) -> None:
    assert [row["id"].int for row in reads.list(READER, hide_behavioral=True).data] == [6, 5, 1]


def test_one_cohort_shows_its_size_to_who_may_read_people(reads: CohortReads) -> None:
    reader = replace(READER, scopes=frozenset({"person:read"}))
    assert reads.get(reader, str(UUID(int=1)))["members"] == 1
    assert reads.get(reader, UUID(int=2))["members"] is None
    assert reads.get(READER, UUID(int=1))["members"] is None
