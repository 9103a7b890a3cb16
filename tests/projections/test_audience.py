"""Sizing, freezing, explaining and matching agree about who an audience is."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select, text

from aggregates.errors import DomainError
from aggregates.reach import REASONS, Reach
from projections.audience import Audiences
from projections.audience_masks import mask, mask_email
from projections.tables import chunks, people
from tests.projections.conftest import BY_EMAIL, ELSEWHERE, freeze, size
from tests.support.people import FOREIGN, NOW, PROJECT, add_cohort, add_people, audience, has, within

EVERYONE = audience()
PRO = audience(has("plan", "exact", ["pro"]))


def test_sizing_counts_who_matches_and_who_is_excluded(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    sizing = size(connection, audiences, PRO)
    assert (sizing.matched, sizing.affected, sizing.total) == (7, 5, 8)
    assert sizing.excluded == {"opted_out": 2, "suppressed": 0, "capped": 0}
    assert not sizing.everyone


def test_sizing_of_an_email_workflow_counts_missing_and_double_addresses(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    sizing = size(connection, audiences, PRO, reach=BY_EMAIL)
    assert sizing.excluded == {
        "opted_out": 2, "suppressed": 0, "no_address": 1, "invalid_address": 0, "duplicate_address": 1, "capped": 0,
    }  # fmt: skip
    assert list(sizing.excluded) == list(REASONS)
    assert sizing.matched == sizing.affected + sum(sizing.excluded.values()) == 7


def test_an_address_of_somebody_who_opted_out_excludes_nobody_else(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    freeze(connection, audiences, PRO, reach=BY_EMAIL, chunk_size=100)
    assert connection.scalar(select(chunks.c.person_ids)) == [crowd[0], crowd[3], crowd[6]]


def test_no_conditions_are_everyone_of_the_project(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    sizing = size(connection, audiences, EVERYONE)
    assert sizing.everyone
    assert sizing.matched == sizing.total == 8


def test_an_empty_audience_is_counted_too(connection: Connection, audiences: Audiences, crowd: list[int]) -> None:
    sizing = size(connection, audiences, audience(has("plan", "exact", "none")), reach=BY_EMAIL, sample=3, needs=["x"])
    assert (sizing.matched, sizing.affected, sizing.sample, sizing.missing_variables) == (0, 0, [], {"x": 0})
    assert freeze(connection, audiences, audience(has("plan", "exact", "none"))).chunks == 0


def test_the_total_is_left_out_when_it_is_not_asked_for(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    assert size(connection, audiences, PRO, with_total=False).total is None


@pytest.mark.parametrize(("reach", "lacking"), [(ELSEWHERE, 3), (BY_EMAIL, 1)])
def test_sizing_counts_the_affected_people_who_lack_a_needed_property(
    connection: Connection, audiences: Audiences, crowd: list[int], reach: Reach, lacking: int
) -> None:
    needs = ["city", "plan", "email", "distinct_id", "nobody has'it"]
    missing = size(connection, audiences, PRO, reach=reach, needs=needs).missing_variables
    reached = 3 if reach.sends_email else 5
    without_email = 0 if reach.sends_email else 1
    assert missing == {"city": lacking, "plan": 0, "email": without_email, "distinct_id": 0, "nobody has'it": reached}


def test_the_sample_is_masked_and_of_affected_people(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    sample = size(connection, audiences, PRO, reach=BY_EMAIL, sample=2).sample
    assert [person["id"] for person in sample] == [crowd[0], crowd[3]]
    assert sample[0] == {"id": crowd[0], "distinct_id": "us…42", "email": "a…@e….com"}


def test_masking_shows_little_of_short_texts() -> None:
    assert (mask("u1"), mask("abcdefg"), mask_email(None), mask_email("a@b.c")) == ("u…", "ab…fg", None, "a…@b….c")


@pytest.mark.parametrize("reach", [ELSEWHERE, BY_EMAIL])
def test_freezing_writes_the_people_who_were_sized(
    connection: Connection, audiences: Audiences, crowd: list[int], reach: Reach
) -> None:
    sizing = size(connection, audiences, PRO, reach=reach, sample=2, needs=["city"])
    frozen = freeze(connection, audiences, PRO, reach=reach)
    assert (frozen.count, frozen.fingerprint) == (sizing.affected, sizing.fingerprint)
    rows = connection.execute(select(chunks).order_by(chunks.c.number)).all()
    assert [row.number for row in rows] == list(range(frozen.chunks))
    assert [row.size for row in rows] == [len(row.person_ids) for row in rows]
    ids = [id for row in rows for id in row.person_ids]
    assert ids == sorted(ids)
    assert len(set(ids)) == frozen.count


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 11])
def test_everybody_is_in_one_chunk_however_many_they_are(
    connection: Connection, audiences: Audiences, count: int
) -> None:
    ids = add_people(connection, *[{}] * count)
    frozen = freeze(connection, audiences, EVERYONE, chunk_size=5)
    rows = connection.execute(select(chunks).order_by(chunks.c.number)).all()
    assert (frozen.count, frozen.chunks) == (count, len(rows))
    assert frozen.chunks == -(-count // 5)
    assert [id for row in rows for id in row.person_ids] == ids
    assert all(row.size == 5 for row in rows[:-1])


def test_one_person_an_address_also_when_they_are_chunks_apart(connection: Connection, audiences: Audiences) -> None:
    spellings = ("ann@example.com", " Ann@Example.COM ", "ANN@EXAMPLE.COM")
    rows = [{"email": spellings[n % 3] if n % 4 == 0 else f"p{n}@example.com"} for n in range(24)]
    ids = add_people(connection, *rows)
    sizing = size(connection, audiences, EVERYONE, reach=BY_EMAIL)
    frozen = freeze(connection, audiences, EVERYONE, reach=BY_EMAIL, chunk_size=2)
    written = list(connection.scalars(select(chunks.c.person_ids).order_by(chunks.c.number)))
    assert [id for chunk in written for id in chunk] == [id for n, id in enumerate(ids) if n == 0 or n % 4]
    assert (sizing.affected, sizing.fingerprint) == (frozen.count, frozen.fingerprint)
    assert sizing.excluded["duplicate_address"] == 5


def test_the_fingerprint_tells_people_apart_and_not_how_they_were_found(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    def of(*names: str) -> str:
        return str(size(connection, audiences, audience(has("distinct_id", "exact", list(names)))).fingerprint)

    names = list(connection.scalars(select(people.c.distinct_id).where(people.c.id.in_(crowd))))
    assert of(names[0], names[1]) == of(names[1], names[0])
    assert of(names[0], names[1]) != of(names[0], names[3])
    other = Audiences(seeds=(42, -77), key=b"x" * 32)
    assert size(connection, other, PRO).fingerprint != size(connection, audiences, PRO).fingerprint


def test_people_of_another_project_are_never_reached(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    theirs = connection.scalars(select(people.c.id).where(people.c.project_id == FOREIGN)).all()
    cohort = add_cohort(connection, 1, "static", members=tuple(theirs))
    assert size(connection, audiences, audience(within(cohort))).matched == 0
    assert audiences.matching(connection, PROJECT, EVERYONE, list(theirs), now=NOW) == set()
    assert audiences.explain(connection, PROJECT, PRO, reach=BY_EMAIL, person_ids=theirs, now=NOW) == []


def test_explaining_gives_some_of_each_reason(connection: Connection, audiences: Audiences, crowd: list[int]) -> None:
    found = audiences.explain(connection, PROJECT, PRO, reach=BY_EMAIL, limit=3, now=NOW)
    assert sorted(found) == [(crowd[1], "duplicate_address"), (crowd[2], "opted_out"), (crowd[4], "no_address")]
    found = audiences.explain(connection, PROJECT, PRO, reach=ELSEWHERE, limit=10, now=NOW)
    assert found == [(crowd[2], "opted_out"), (crowd[5], "opted_out")]


def test_explaining_named_people_leaves_out_those_who_are_reached(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    named = [*crowd, 999_999, -1, 2**70]
    assert audiences.explain(connection, PROJECT, PRO, reach=BY_EMAIL, person_ids=named, now=NOW) == [
        (crowd[1], "duplicate_address"),
        (crowd[2], "opted_out"),
        (crowd[4], "no_address"),
        (crowd[5], "opted_out"),
        (crowd[7], "not_matched"),
    ]
    assert audiences.explain(connection, PROJECT, PRO, reach=ELSEWHERE, person_ids=crowd[:2], now=NOW) == []


def test_matching_asks_about_named_people_only(connection: Connection, audiences: Audiences, crowd: list[int]) -> None:
    assert audiences.matching(connection, PROJECT, PRO, [crowd[0], crowd[7]], now=NOW) == {crowd[0]}
    assert audiences.matching(connection, PROJECT, PRO, [], now=NOW) == set()


@pytest.mark.parametrize("pattern", ["(?<name>a)", "a{256}", r"[[:nothing:]]"])
def test_a_regex_that_postgresql_does_not_read_is_named(
    connection: Connection, audiences: Audiences, crowd: list[int], pattern: str
) -> None:
    who = audience(has("plan", "is_set"), has("plan", "regex", "^p"), has("plan", "not_regex", pattern))
    assert [problem.pointer for problem in audiences.problems(connection, PROJECT, who, "/at")] == ["/at/2"]
    with pytest.raises(DomainError) as refusal:
        size(connection, audiences, who)
    assert refusal.value.code == "audience.unanswerable"
    assert [problem.pointer for problem in refusal.value.problems] == ["/trigger/filters/properties/2"]
    assert size(connection, audiences, PRO).matched == 7  # the transaction goes on


def test_a_bad_regex_inside_a_cohort_is_named_by_the_condition_that_leads_there(
    connection: Connection, audiences: Audiences, crowd: list[int]
) -> None:
    cohort = add_cohort(connection, 1, "dynamic", has("plan", "regex", "a{256}"))
    with pytest.raises(DomainError) as refusal:
        size(connection, audiences, audience(has("plan", "is_set"), within(cohort)))
    assert [problem.pointer for problem in refusal.value.problems] == ["/trigger/filters/properties/1"]


def test_what_cannot_be_compiled_is_named(connection: Connection, audiences: Audiences) -> None:
    with pytest.raises(DomainError) as refusal:
        size(connection, audiences, audience(has("a", "is_set"), has("seen", "is_date_after", "-9999y")))
    assert (refusal.value.code, refusal.value.problems[0].pointer) == (
        "audience.unanswerable",
        "/trigger/filters/properties/1",
    )


def test_a_query_that_takes_too_long_is_a_refusal(connection: Connection, crowd: list[int]) -> None:
    connection.execute(
        insert(people).from_select(
            ["project_id", "distinct_id", "properties"],
            select(
                text("'00000000-0000-0000-0000-000000000001'::uuid"),
                text("'many-' || g"),
                text("jsonb_build_object('plan', repeat('ab', 200))"),
            ).select_from(text("generate_series(1, 20000) g")),
        )
    )
    hasty = Audiences(seeds=(1, 2), key=b"k", statement_timeout_ms=5)
    with pytest.raises(DomainError) as refusal:
        size(connection, hasty, audience(*[has("plan", "not_icontains", "x")] * 10))
    assert refusal.value.code == "audience.unanswerable"
    assert "too long" in refusal.value.problems[0].message


def test_the_callers_settings_are_as_before(connection: Connection, audiences: Audiences, crowd: list[int]) -> None:
    connection.execute(text("SET LOCAL statement_timeout = '7s'"))
    connection.execute(text("SET LOCAL timezone = 'Asia/Tokyo'"))
    size(connection, audiences, PRO)
    with pytest.raises(DomainError):
        size(connection, audiences, audience(has("plan", "regex", "a{256}")))
    assert connection.scalar(text("SELECT current_setting('statement_timeout')")) == "7s"
    assert connection.scalar(text("SELECT current_setting('timezone')")) == "Asia/Tokyo"


def test_dates_are_utc_whatever_the_zone_of_the_session(connection: Connection, audiences: Audiences) -> None:
    connection.execute(text("SET LOCAL timezone = 'Asia/Tokyo'"))
    ids = add_people(connection, {"properties": {"at": "2024-01-31"}}, {"properties": {"at": "2024-01-31T23:00"}})
    who = audience(has("at", "is_date_exact", "2024-01-31"))
    assert audiences.matching(connection, PROJECT, who, ids, now=NOW) == set(ids)
