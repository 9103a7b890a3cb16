"""People are upserted by distinct_id, found by id, and stay opted out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert

from aggregates.base import Principal
from aggregates.errors import DomainError
from projections import people
from projections.people import PeopleReads
from projections.person_rules import PersonInput
from projections.tables import projects
from tests.support.people import FOREIGN, NOW, PROJECT, add_people

LATER = NOW + timedelta(days=1)


def upsert(connection: Connection, distinct_id: str = "u", **fields: Any) -> tuple[people.Person, bool]:
    return people.upsert(connection, PROJECT, PersonInput(distinct_id, **fields), fields.pop("now", NOW))


def test_upserting_makes_a_person_and_then_brings_it_up_to_date(connection: Connection) -> None:
    first, made = upsert(connection, email="a@b.example", properties={"plan": "free", "age": 5})
    assert made
    second, made = people.upsert(connection, PROJECT, PersonInput("u", properties={"plan": "pro"}), LATER)
    assert not made
    assert (second.id, second.email, second.created_at, second.updated_at) == (first.id, "a@b.example", NOW, LATER)
    assert second.properties == {"plan": "pro", "age": 5}


def test_an_upsert_never_opts_anybody_in(connection: Connection) -> None:
    person, _ = upsert(connection, opted_out_at=NOW)
    again, _ = people.upsert(connection, PROJECT, PersonInput("u", opted_out_at=LATER), LATER)
    assert again.opted_out_at == NOW
    assert people.get(connection, PROJECT, person.id).opted_out_at == NOW


def test_the_same_distinct_id_in_two_projects_is_two_people(connection: Connection) -> None:
    ours, _ = upsert(connection)
    theirs, made = people.upsert(connection, FOREIGN, PersonInput("u"), NOW)
    assert made
    assert ours.id != theirs.id


def test_unknown_malformed_and_foreign_ids_are_not_found(connection: Connection) -> None:
    (foreign,) = add_people(connection, {}, project=FOREIGN)
    for id in (foreign, 10**30, -1, "x", "", "1.0", "²", None):
        with pytest.raises(DomainError) as refusal:
            people.get(connection, PROJECT, id)
        assert refusal.value.code == "person.not_found"
        with pytest.raises(DomainError) as refusal:
            people.addressed(connection, PROJECT, id or "", None)
        assert refusal.value.code == "person.not_found"


@pytest.mark.parametrize(
    ("raw", "faults"),
    [
        ([], {("", "person.not_an_object")}),
        ({}, {("/distinct_id", "distinct_id.missing")}),
        ({"distinct_id": 5}, {("/distinct_id", "distinct_id.missing")}),
        ({"distinct_id": "a\ud800"}, {("/distinct_id", "text.not_unicode")}),
        (
            {"distinct_id": "x" * 201, "email": 5},
            {("/distinct_id", "distinct_id.too_long"), ("/email", "email.invalid")},
        ),
        ({"distinct_id": "a\nb"}, {("/distinct_id", "text.control_character")}),
        ({"distinct_id": "a", "plan": "pro"}, {("/plan", "field.unknown")}),
        ({"distinct_id": "a", "properties": []}, {("/properties", "properties.not_an_object")}),
        ({"distinct_id": "a", "properties": {"": 1}}, {("/properties", "properties.name_invalid")}),
        ({"distinct_id": "a", "properties": {"k": ["a\0"]}}, {("/properties", "text.nul")}),
        ({"distinct_id": "a", "properties": {"k": "\udfff"}}, {("/properties", "text.not_unicode")}),
        ({"distinct_id": "a", "properties": {"k": float("nan")}}, {("/properties", "properties.not_json")}),
        ({"distinct_id": "a", "properties": {"k": "x" * 70_000}}, {("/properties", "properties.too_large")}),
        (
            {"distinct_id": "a", "properties": dict.fromkeys(map(str, range(201)))},
            {("/properties", "properties.too_many")},
        ),
        ({"distinct_id": "a", "opted_out_at": "soon"}, {("/opted_out_at", "date.invalid")}),
        ({"distinct_id": "a", "opted_out": "yes"}, {("/opted_out_at", "opted_out.invalid")}),
    ],
)
def test_a_person_that_cannot_be_is_refused_with_every_reason(raw: Any, faults: set[tuple[str, str]]) -> None:
    person, problems = PersonInput.parse(raw, NOW)
    assert person is None
    assert {(problem.pointer, problem.code) for problem in problems} == faults


def test_nesting_is_bounded() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    _, problems = PersonInput.parse({"distinct_id": "a", "properties": {"k": deep}}, NOW)
    assert [problem.code for problem in problems] == ["properties.too_deep"]


@pytest.mark.parametrize("email", ["a@b.example", "Ä.b+c@sub-domain.exämple", "a'b@x.co", "1@2.example"])
def test_plain_addresses_are_accepted(email: str) -> None:
    assert PersonInput.parse({"distinct_id": "a", "email": email}, NOW)[1] == []


@pytest.mark.parametrize(
    "email",
    [
        *("a", "a@b", "a b@c.example", "a@b@c.example", "@b.example", "a@-b.example", "a@b..example", "a@b.example "),
        *("a@b.example\nBcc: x@y.example", "A <a@b.example>", "a@b.example,c@d.example", "a\0@b.example"),
        *("x" * 65 + "@b.example", "a@" + "b" * 250 + ".example"),
    ],
)
def test_what_is_not_one_plain_address_is_refused(email: str) -> None:
    assert PersonInput.parse({"distinct_id": "a", "email": email}, NOW)[1] != []


def test_reading_people_goes_by_id_and_finds_addresses_however_they_are_written(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as conn:
        conn.execute(insert(projects), [{"id": PROJECT, "name": "ours"}, {"id": FOREIGN, "name": "theirs"}])
        ids = add_people(conn, {"email": "A@b.example"}, {"email": "c@d.example", "distinct_id": "x"}, {})
        add_people(conn, {"email": "a@b.example"}, project=FOREIGN)
    reads, reader = PeopleReads(engine, lambda principal, name: None), Principal(PROJECT, "key", frozenset(), "api")
    first = reads.list(reader, limit=2)
    assert [row["id"] for row in first.data] == ids[:2]
    assert [row["id"] for row in reads.list(reader, limit=2, after=first.next_cursor).data] == ids[2:]
    assert [row["id"] for row in reads.list(reader, email=" a@B.example ").data] == ids[:1]
    assert [row["id"] for row in reads.list(reader, distinct_id="x").data] == ids[1:2]
    assert reads.get(reader, ids[1])["distinct_id"] == "x"
    with pytest.raises(DomainError):
        reads.list(reader, after="bm9uc2Vuc2U")
    engine.dispose()
