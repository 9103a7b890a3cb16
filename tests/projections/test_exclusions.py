"""Each person who matches is reached, or excluded for one reason; consent holds for addresses."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, update

from aggregates.reach import REASONS, PerPerson, Reach
from projections import consent, people_import
from projections.audience import Audiences
from projections.tables import chunks, effects, opt_outs, people, suppressions
from tests.projections.conftest import BY_EMAIL, ELSEWHERE, freeze, size
from tests.support.people import NOW, PROJECT, add_people, audience, has

ALL = audience(has("plan", "is_set"))
NEWS = Reach(sends_email=True, topic="news")


def person(email: str | None, **more: Any) -> dict[str, Any]:
    return {"email": email, "properties": {"plan": "pro"}, **more}


def leave(conn: Connection, address: str, topic: str = "") -> None:
    consent.opt_out(conn, PROJECT, person_id=None, address=address, topic=topic, reason="asked", source="test", now=NOW)


@pytest.fixture
def each(connection: Connection) -> list[int]:
    """One person of each kind, in the order of the reasons, and one who is reached."""
    ids = add_people(
        connection,
        person("left@example.com"),
        person("stopped@example.com"),
        person(None),
        person("a..b@example.com"),
        person("twice@example.com"),
        person("TWICE@example.com"),
        person("often@example.com"),
    )
    leave(connection, "left@example.com")
    consent.suppress(connection, PROJECT, "left@example.com", "complaint", NOW)
    consent.suppress(connection, PROJECT, "stopped@example.com", "hard_bounce", NOW)
    sent(connection, ids[6], days=1)
    return ids


def sent(conn: Connection, person_id: int, *, days: float, state: str = "succeeded", n: int = 1) -> None:
    row = {"job_id": UUID(int=5), "person_id": person_id, "step_id": "mail", "state": state, "attempts": 1}
    at = NOW - timedelta(days=days)
    conn.execute(insert(effects), [{**row, "id": UUID(int=person_id * 100 + k), "started_at": at} for k in range(n)])


CAPPED = Reach(sends_email=True, cap=PerPerson(1, 7))


def test_each_person_is_excluded_for_one_reason_in_the_order_of_the_reasons(
    connection: Connection, audiences: Audiences, each: list[int]
) -> None:
    sizing = size(connection, audiences, ALL, reach=CAPPED)
    assert (sizing.matched, sizing.affected) == (7, 1)
    assert sizing.excluded == dict.fromkeys(REASONS, 1)
    told = dict(audiences.explain(connection, PROJECT, ALL, reach=CAPPED, limit=20, now=NOW))
    assert [told.get(id) for id in each] == [*REASONS[:4], None, *REASONS[4:]]
    named = dict(audiences.explain(connection, PROJECT, ALL, reach=CAPPED, person_ids=each, now=NOW))
    assert named == told
    frozen = freeze(connection, audiences, ALL, reach=CAPPED)
    assert (frozen.count, frozen.fingerprint) == (1, sizing.fingerprint)
    assert connection.scalar(select(chunks.c.person_ids)) == [each[4]]


def test_without_email_only_consent_and_the_cap_have_a_say(
    connection: Connection, audiences: Audiences, each: list[int]
) -> None:
    sizing = size(connection, audiences, ALL, reach=Reach(cap=PerPerson(1, 7)))
    assert sizing.excluded == {"opted_out": 1, "suppressed": 1, "capped": 1}
    assert sizing.affected == 4
    assert freeze(connection, audiences, ALL, reach=Reach(cap=PerPerson(1, 7))).fingerprint == sizing.fingerprint


@pytest.mark.parametrize("form", ["Left@Example.com", " left@EXAMPLE.com ", "left@\uff45xample.com"])
def test_an_address_that_left_is_left_under_every_id_and_in_every_form(
    connection: Connection, audiences: Audiences, form: str
) -> None:
    add_people(connection, person(form), person("left+tag@example.com"))
    leave(connection, "left@example.com")
    sizing = size(connection, audiences, ALL, reach=BY_EMAIL)
    assert (sizing.affected, sizing.excluded["opted_out"]) == (1, 1)


def test_a_topic_is_left_and_no_other(connection: Connection, audiences: Audiences) -> None:
    by_address, by_id = add_people(connection, person("a@example.com"), person(None))
    leave(connection, "a@example.com", "news")
    about: Any = {"topic": "news", "reason": "", "source": "", "now": NOW}
    consent.opt_out(connection, PROJECT, person_id=by_id, address=None, **about)
    topic = Reach(topic="news")
    assert size(connection, audiences, ALL, reach=topic).excluded["opted_out"] == 2
    assert size(connection, audiences, ALL, reach=Reach(topic="offers")).excluded["opted_out"] == 0
    assert size(connection, audiences, ALL, reach=Reach(topic="news", transactional=True)).excluded["opted_out"] == 0
    assert freeze(connection, audiences, ALL, reach=topic).count == 0
    # Their id left it, so another address makes no difference.
    connection.execute(update(people).where(people.c.id == by_id).values(address="new@example.com"))
    assert size(connection, audiences, ALL, reach=NEWS).affected == 0
    assert by_address


def test_nothing_transactional_goes_to_a_suppressed_address(connection: Connection, audiences: Audiences) -> None:
    add_people(connection, person("a@example.com"))
    consent.suppress(connection, PROJECT, "a@example.com", "complaint", NOW)
    sizing = size(connection, audiences, ALL, reach=Reach(sends_email=True, transactional=True))
    assert (sizing.affected, sizing.excluded["suppressed"]) == (0, 1)


def test_a_cap_counts_what_was_made_or_may_have_been_lately(connection: Connection, audiences: Audiences) -> None:
    ids = add_people(connection, *[person(f"p{n}@example.com") for n in range(5)])
    sent(connection, ids[0], days=1, n=2)
    sent(connection, ids[1], days=1, n=1)
    sent(connection, ids[2], days=8, n=2)
    sent(connection, ids[3], days=1, n=2, state="failed")
    sent(connection, ids[4], days=1, n=2, state="started")
    cap = Reach(sends_email=True, cap=PerPerson(2, 7))
    assert size(connection, audiences, ALL, reach=cap).excluded["capped"] == 2
    told = audiences.explain(connection, PROJECT, ALL, reach=cap, limit=9, now=NOW)
    assert told == [(ids[0], "capped"), (ids[4], "capped")]


def test_the_fingerprint_of_an_email_is_over_addresses_too(connection: Connection, audiences: Audiences) -> None:
    first, second = add_people(connection, person("a@example.com"), person("b@example.com"))
    before = [size(connection, audiences, ALL, reach=reach).fingerprint for reach in (BY_EMAIL, ELSEWHERE)]
    swapped = {first: "b@example.com", second: "a@example.com"}
    for id, address in swapped.items():
        connection.execute(update(people).where(people.c.id == id).values(email=address, address=address))
    after = [size(connection, audiences, ALL, reach=reach).fingerprint for reach in (BY_EMAIL, ELSEWHERE)]
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)
    for id, address in {first: "a@example.com", second: "b@example.com"}.items():
        connection.execute(update(people).where(people.c.id == id).values(email=address.upper(), address=address))
    assert size(connection, audiences, ALL, reach=BY_EMAIL).fingerprint == before[0]


def test_chunks_have_a_mark_of_each_address(connection: Connection, audiences: Audiences) -> None:
    ids = add_people(connection, person("b@example.com"), person("a@example.com"), person("c@example.com"))
    freeze(connection, audiences, ALL, reach=BY_EMAIL)
    rows = connection.execute(select(chunks.c.person_ids, chunks.c.address_marks).order_by(chunks.c.number)).all()
    found = {id: mark for row in rows for id, mark in zip(row.person_ids, row.address_marks, strict=True)}
    marks = select(people.c.id, func.hashtextextended(people.c.address, audiences.seeds.mark))
    assert found == {id: mark for id, mark in connection.execute(marks) if id in ids}
    freeze(connection, audiences, ALL, reach=ELSEWHERE, job=UUID(int=78))
    assert set(connection.scalars(select(chunks.c.address_marks).where(chunks.c.job_id == UUID(int=78)))) == {None}


def test_an_import_writes_opt_outs_by_address_and_takes_none_back(connection: Connection) -> None:
    def bring(rows: bytes) -> people_import.ImportReport:
        file = BytesIO(b"distinct_id,email,opted_out\n" + rows)
        return people_import.import_people(connection, PROJECT, file, format="csv", now=NOW)

    bring(b"u1,Left@Example.com,true\nu2,stays@example.com,\n")
    assert set(connection.scalars(select(opt_outs.c.address))) == {"left@example.com"}
    consent.suppress(connection, PROJECT, "stays@example.com", "by_hand", NOW)
    report = bring(b"u1,new@example.com,false\nu2,stays@example.com,false\n")
    assert report.addresses_changed == 1
    # The person left, so the address that they have now has left as well.
    assert set(connection.scalars(select(opt_outs.c.address))) == {"left@example.com", "new@example.com"}
    assert set(connection.scalars(select(suppressions.c.address))) == {"stays@example.com"}


def test_opting_in_takes_back_what_the_same_topic_did(connection: Connection, audiences: Audiences) -> None:
    (id,) = add_people(connection, person("a@example.com"))
    leave(connection, "a@example.com")
    leave(connection, "a@example.com", "news")
    whom: Any = {"person_id": id, "address": "a@example.com", "now": NOW}
    assert consent.opt_in(connection, PROJECT, **whom, topic="")
    assert not consent.opt_in(connection, PROJECT, **whom, topic="")
    assert size(connection, audiences, ALL, reach=BY_EMAIL).affected == 1
    assert size(connection, audiences, ALL, reach=NEWS).affected == 0


def test_addresses_of_inputs_are_refused_with_the_reasons_of_a_sizing(connection: Connection) -> None:
    leave(connection, "left@example.com")
    leave(connection, "topic@example.com", "news")
    consent.suppress(connection, PROJECT, "stopped@example.com", "complaint", NOW)
    told = ["LEFT@example.com", "stopped@example.com", "no address", "fine@example.com", "topic@example.com"]
    found = consent.refused_addresses(connection, PROJECT, told, Reach())
    assert found == dict(zip(told[:3], ["opted_out", "suppressed", "invalid_address"], strict=True))
    found = consent.refused_addresses(connection, PROJECT, told, Reach(topic="news", transactional=True))
    assert found == dict(zip(told[:3], ["opted_out", "suppressed", "invalid_address"], strict=True))
    found = consent.refused_addresses(connection, PROJECT, told, Reach(topic="news"))
    assert found[told[4]] == "opted_out"


def test_an_address_of_an_input_is_refused_for_the_person_who_has_it(connection: Connection) -> None:
    """They left by id, and have another address since."""
    of_all, of_news = add_people(connection, person("all@example.com"), person("news@example.com"))
    whom: Any = {"address": None, "reason": "asked", "source": "test", "now": NOW}
    consent.opt_out(connection, PROJECT, person_id=of_all, topic="", **whom)
    consent.opt_out(connection, PROJECT, person_id=of_news, topic="news", **whom)
    told = ["all@example.com", "news@example.com"]
    found = consent.refused_addresses(connection, PROJECT, told, Reach(topic="news"))
    assert found == dict.fromkeys(told, "opted_out")
    assert consent.refused_addresses(connection, PROJECT, told, Reach()) == {told[0]: "opted_out"}
    assert consent.refused_addresses(connection, PROJECT, told, Reach(topic="news", transactional=True)) == {
        told[0]: "opted_out"
    }


def test_an_address_follows_where_only_the_email_is_written(connection: Connection) -> None:
    (id,) = add_people(connection, person("a@example.com"))
    for email, address in ((" B@Example.com", "b@example.com"), ("x@bücher.example", None), ("a..b@c.de", None)):
        connection.execute(update(people).where(people.c.id == id).values(email=email))
        assert connection.scalar(select(people.c.address).where(people.c.id == id)) == address
