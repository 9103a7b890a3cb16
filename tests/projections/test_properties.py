"""What people's properties are like: keys, types, shares, and only such values as many people share."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from aggregates.properties import Statistics, findings
from projections import properties
from projections.properties import SHARED_BY, audience_findings, statistics, statistics_of
from tests.support.people import FOREIGN, PROJECT, add_people, audience, has

PEOPLE = 12


@pytest.fixture
def known(connection: Connection) -> Statistics:
    plans = ["pro"] * 6 + ["free"] * 5 + ["vip"]
    add_people(
        connection,
        *(
            {
                "email": f"p{n}@example.com" if n % 2 else None,
                "properties": {
                    "plan": plan,
                    "name": f"Name {n}",
                    "age": 20 + n % 2,
                    "age_text": str(20 + n % 2),
                    "beta": n % 2 == 0,
                    "signed_up_at": "2026-01-0" + str(1 + n % 2),
                    "tags": ["a"],
                    "gone": None,
                    **({"nickname": "Nick"} if n < 3 else {}),
                },
            }
            for n, plan in enumerate(plans)
        ),
    )
    add_people(connection, {"properties": {"theirs": "x"}}, project=FOREIGN)
    return statistics(connection, PROJECT)


def row(known: Statistics, key: str) -> dict[str, Any]:
    return next(each for each in known.as_data()["properties"] if each["key"] == key)


def test_keys_types_and_shares_are_of_the_people_of_the_project(known: Statistics) -> None:
    told = known.as_data()
    assert (told["people"], told["looked_at"], told["sampled"]) == (PEOPLE, PEOPLE, False)
    assert {each["key"]: each["types"] for each in told["properties"]} == {
        "distinct_id": ["string"],
        "email": ["string"],
        "age": ["number"],
        "age_text": ["number_as_text"],
        "beta": ["boolean"],
        "name": ["string"],
        "nickname": ["string"],
        "plan": ["string"],
        "signed_up_at": ["date"],
        "tags": ["array"],
    }
    assert (row(known, "email")["share"], row(known, "plan")["share"]) == (0.5, 1.0)
    assert row(known, "nickname")["share"] == 0.25


def test_a_value_is_told_only_if_at_least_five_people_share_it(known: Statistics) -> None:
    assert SHARED_BY == 5
    assert row(known, "plan")["values"] == [{"value": "pro", "share": 0.5}, {"value": "free", "share": 0.4167}]
    assert row(known, "age")["values"] == [{"value": "20", "share": 0.5}, {"value": "21", "share": 0.5}]
    for key in ("name", "nickname", "distinct_id", "email", "tags"):
        assert row(known, key)["values"] == []


def test_values_of_a_key_with_many_are_never_told(connection: Connection) -> None:
    add_people(connection, *({"properties": {"city": f"City {n % 21}", "few": str(n % 20)}} for n in range(21 * 5)))
    known = statistics(connection, PROJECT)
    assert row(known, "city")["values"] == []
    assert len(row(known, "few")["values"]) == 20


def test_of_many_people_a_sample_is_looked_at_and_the_answer_says_so(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(properties, "SAMPLE", 40)
    monkeypatch.setattr(properties, "WINDOWS", 10)
    add_people(connection, *({"properties": {"n": n}} for n in range(100)), {"properties": {"late": True}})
    told = statistics(connection, PROJECT).as_data()
    assert (told["people"], told["sampled"]) == (101, True)
    assert 30 <= told["looked_at"] <= 40
    known = statistics_of(connection, PROJECT, ["late", "never", "n"])
    assert known.sampled
    assert known.absent == {"never"}
    assert "late" in known.rare | set(known.properties)
    conditions = (has("late", "exact", True), has("never", "exact", 1))
    assert [problem.pointer for problem in findings(audience(*conditions), "", known)] == ["/1/key"]


def test_a_project_without_people_has_no_statistics(connection: Connection) -> None:
    known = statistics(connection, PROJECT)
    assert known.as_data() == {"people": 0, "looked_at": 0, "sampled": False, "properties": []}
    assert findings(audience(has("plan", "exact", "pro")), "", known) == []


def test_a_statement_of_it_is_bounded(connection: Connection) -> None:
    with pytest.raises(DBAPIError) as refused, properties.bounded(connection, 50):
        connection.execute(text("SELECT pg_sleep(5)"))
    assert properties.took_too_long(refused.value)
    assert connection.execute(text("SELECT 1")).scalar_one() == 1


# -- what they say against an audience


def told_of(
    connection: Connection, known: Statistics, key: str, operator: str, value: Any = None
) -> list[tuple[str, str, Any]]:
    who = audience(has(key, operator, value))
    found = findings(who, "/c", known)
    # What is asked about a few keys only says the same.
    assert audience_findings(connection, PROJECT, [("/c", who)], 5_000) == found
    assert {problem.severity for problem in found} <= {"warning"}
    return [(problem.pointer, problem.code, problem.example) for problem in found]


@pytest.mark.parametrize(
    ("key", "operator", "value", "nearest"),
    [
        ("plna", "exact", "pro", "plan"),
        ("Plan", "exact", "pro", "plan"),
        ("signedUpAt", "is_set", None, "signed_up_at"),
        ("zzzzzz", "exact", "pro", None),
    ],
)
def test_a_key_that_nobody_has_is_found_with_the_nearest_names(
    connection: Connection, known: Statistics, key: str, operator: str, value: Any, nearest: str | None
) -> None:
    assert told_of(connection, known, key, operator, value) == [("/c/0/key", "condition.key_unknown", nearest)]


@pytest.mark.parametrize("operator", ["is_not", "not_icontains", "not_regex", "is_not_set"])
def test_a_negative_condition_on_such_a_key_is_said_to_match_everyone(known: Statistics, operator: str) -> None:
    value = None if operator == "is_not_set" else "x"
    (found,) = findings(audience(has("plna", operator, value)), "", known)
    assert "matches everyone" in found.message
    (other,) = findings(audience(has("plna", "exact", "x")), "", known)
    assert "everyone" not in other.message


@pytest.mark.parametrize(
    ("key", "operator", "value"),
    [
        ("plan", "gt", 3),
        ("age_text", "gte", 18),
        ("age", "is_date_before", "-7d"),
        ("name", "exact", True),
        ("plan", "exact", 5),
        ("beta", "is_not", "yes"),
    ],
)
def test_a_value_of_another_type_is_found(
    connection: Connection, known: Statistics, key: str, operator: str, value: Any
) -> None:
    assert [found[:2] for found in told_of(connection, known, key, operator, value)] == [
        ("/c/0/value", "condition.type_mismatch")
    ]


@pytest.mark.parametrize("operator", ["is_not", "not_icontains", "not_regex"])
def test_a_negative_condition_on_a_list_is_said_to_match_whoever_has_one(
    connection: Connection, known: Statistics, operator: str
) -> None:
    (found,) = findings(audience(has("tags", operator, "a")), "", known)
    assert found.code == "condition.type_mismatch" and "matches everyone" in found.message
    # Where others have a text, those with a list match all the same.
    add_people(connection, {"properties": {"tags": "a"}})
    mixed = statistics(connection, PROJECT)
    (found,) = findings(audience(has("tags", operator, "a")), "/c", mixed)
    assert (found.pointer, found.code, found.severity) == ("/c/0", "condition.not_looked_into", "warning")


def test_a_value_that_nobody_has_is_found_with_the_nearest(connection: Connection) -> None:
    add_people(connection, *({"properties": {"plan": plan}} for plan in ["pro"] * 5 + ["free"] * 5))
    known = statistics(connection, PROJECT)
    assert told_of(connection, known, "plan", "exact", ["pro", "fre"]) == [
        ("/c/0/value/1", "condition.value_unseen", "free")
    ]
    assert told_of(connection, known, "plan", "exact", "Pro") == [("/c/0/value/0", "condition.value_unseen", "pro")]


def test_what_is_wrong_everywhere_has_twenty_findings(connection: Connection, known: Statistics) -> None:
    who = audience(*(has(f"key{n}", "exact", "x") for n in range(100)))
    assert len(findings(who, "", known)) == 20
    assert len(audience_findings(connection, PROJECT, [("/a", who), ("/b", who)], 5_000)) == 20


@pytest.mark.parametrize(
    ("key", "operator", "value"),
    [
        ("plan", "exact", ["pro", "team"]),  # not every value is told, so nothing is said of others
        ("age", "exact", "20"),
        ("age_text", "exact", 21),
        ("age", "gt", 18),
        ("signed_up_at", "is_date_after", "-7d"),
        ("beta", "exact", "true"),
        ("email", "icontains", "@"),
        ("distinct_id", "exact", "nobody"),
    ],
)
def test_what_fits_is_not_found(connection: Connection, known: Statistics, key: str, operator: str, value: Any) -> None:
    assert told_of(connection, known, key, operator, value) == []
