"""Conditions mean in SQL what they mean in plain Python."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text

from aggregates.audience import Audience, PersonCondition
from projections import conditions
from projections.audience import Audiences
from projections.tables import people
from tests.support.people import NOW, PROJECT, add_people, audience, has

# -- the oracle


def canonical(value: Any) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            with localcontext() as context:
                context.prec = 2000
                plain = format(Decimal(repr(value)).normalize(), "f")
            return "0" if Decimal(plain) == 0 else plain
        case str():
            return value
    return None


ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)


def instant(value: Any) -> datetime | None:
    if not isinstance(value, str) or not ISO.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value.replace(" +", "+").replace(" Z", "Z"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


OPERANDS = {
    "2024-01-31": (datetime(2024, 1, 31, tzinfo=UTC), timedelta(days=1)),
    "2024-01-31T10:00:00+02:00": (datetime(2024, 1, 31, 8, tzinfo=UTC), timedelta(0)),
    "2024-01-31T23:30": (datetime(2024, 1, 31, 23, 30, tzinfo=UTC), timedelta(0)),
    "-36h": (NOW - timedelta(hours=36), timedelta(0)),
    "-7d": (NOW - timedelta(days=7), timedelta(0)),
    "-2w": (NOW - timedelta(days=14), timedelta(0)),
    "-1m": (datetime(2026, 2, 28, 12, tzinfo=UTC), timedelta(0)),
    "-2y": (datetime(2024, 3, 31, 12, tzinfo=UTC), timedelta(0)),
}

COMPARE = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
POSITIVE = {"is_not": "exact", "not_icontains": "icontains", "not_regex": "regex", "is_not_set": "is_set"}


def verdict(condition: PersonCondition, person: dict[str, Any]) -> bool:
    if condition.operator in POSITIVE:
        return not verdict(has(condition.key, POSITIVE[condition.operator], condition.value), person)
    found = (
        person[condition.key] if condition.key in ("email", "distinct_id") else person["properties"].get(condition.key)
    )
    told, value = canonical(found), condition.value
    match condition.operator:
        case "is_set":
            return found is not None
        case "exact":
            return told is not None and told in {
                canonical(each) for each in (value if isinstance(value, tuple) else [value])
            }
        case "icontains":
            return told is not None and str(value).lower() in told.lower()
        case "regex":
            return told is not None and bool(re.search(str(value).replace("$", r"\Z"), told, re.DOTALL))
        case "gt" | "gte" | "lt" | "lte":
            number = isinstance(found, (int, float)) and not isinstance(found, bool)
            return number and bool(getattr(Decimal(repr(found)), COMPARE[condition.operator])(Decimal(repr(value))))
    moment, (start, length) = instant(found), OPERANDS[str(value)]
    if moment is None:
        return False
    if condition.operator == "is_date_exact":
        return moment.date() == start.date()
    if condition.operator == "is_date_before":
        return moment < start
    return moment >= start + length if length else moment > start


# -- what is drawn

KEYS = [
    "plan",
    "a'); DROP TABLE people; --",
    "%",
    "%(key)s",
    ":key",
    "\\",
    "$.**",
    'q"uote',
    "日本",
    "0",
    "😀",
    "{k}",
    "??",
]
TEXTS = st.text(alphabet="aAbB%_\\'\"$*.?|;:@ \t\n{}[]05-äÄéÉ日😀", max_size=6)
LOOKALIKES = st.sampled_from(
    ["5", "5.0", "05", "-0", "0", "true", "True", "null", "1e3", "1000", "0.1", "-5", "", " ", "[]", "{}"]
)
DATES = st.sampled_from(
    """
    2024-01-31|2024-02-01|2024-02-30|2024-01-31T10:00|2024-01-31T08:00:00Z|2024-01-31 10:00:00.5+02:00|2024-1-3|now
    2024-01-31T23:59:59.999999+0530|2024-01-30T23:30:00-02|2024-01-31T25:00|20240131|infinity|-infinity|epoch|today
    0000-01-01|2024-01-31 BC|2024-01-31 EST|2024-01-31 +05|Jan 31 2024|31-01-2024|2024-13-01|2026-03-24T12:00:00Z
    2026-03-24| 2024-01-31|2026-02-28T12:00:00Z|2024-03-31 12:00 Z|\u0662\u0660\u0662\u0664-01-31|2024-01-31T10:60
    9999-12-31|2024-01-31T10:00:00+99|2024-01-31T10:00:60|2024-01-31T24:00|2024-01-31T10:00Z junk|2024-01-31\t
    """.strip(" \n")
    .replace("\n    ", "|")
    .split("|")
)
NUMBERS = st.one_of(
    st.sampled_from([5, 5.0, -0.0, 0, 0.1, 1e3, 1000, 1e300, 5e-324, 2.50, 10**30]),
    st.integers(-6, 6),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(LOOKALIKES, NUMBERS, st.booleans(), TEXTS)
OTHERS = st.one_of(st.none(), st.lists(SCALARS, max_size=2), st.dictionaries(TEXTS, SCALARS, max_size=1))
COLUMNS = {
    "email": ["a@b.example", "A@b.example", "5", "2024-01-31", "aB"],
    "distinct_id": ["5", "a", "2024-01-31", "äB"],
}
PATTERNS = [
    "^a",
    "b$",
    "a.*B",
    "[0-9]+",
    "a|5",
    r"\.",
    "^$",
    "^.$",
    "(a|b)+",
    r"\\",
    "ä",
    "^true$",
    "^[^5]*$",
    r"^\d",
    "%",
]

# Each family of operators with its operands, and with what people are likely to have for it to be worth asking.
LISTS = st.one_of(SCALARS, st.lists(SCALARS, min_size=1, max_size=4), st.lists(SCALARS, min_size=21, max_size=25))
FAMILIES: list[tuple[list[str], st.SearchStrategy[Any], st.SearchStrategy[Any]]] = [
    (["exact", "is_not"], LISTS, SCALARS),
    (
        ["icontains", "not_icontains"],
        st.one_of(st.text("aÄ%_\\5.", min_size=1, max_size=2), LOOKALIKES.filter(bool)),
        SCALARS,
    ),
    (["regex", "not_regex"], st.sampled_from(PATTERNS), SCALARS),
    (["gt", "gte", "lt", "lte"], NUMBERS, st.one_of(NUMBERS, LOOKALIKES)),
    (["is_set", "is_not_set"], st.none(), SCALARS),
    (["is_date_exact", "is_date_before", "is_date_after"], st.sampled_from(list(OPERANDS)), DATES),
]

Crowd = list[dict[str, Any]]


@st.composite
def questions(draw: st.DrawFn) -> tuple[Crowd, list[PersonCondition]]:
    """A few people who mostly have some value for one key, and every operator of a family asked about that key."""
    key = draw(st.sampled_from([*KEYS, *COLUMNS]))
    operators, operands, likely = draw(st.sampled_from(FAMILIES))
    held = st.one_of(likely, likely, likely, OTHERS)
    crowd = []
    for number, value in enumerate(draw(st.lists(held, min_size=4, max_size=12))):
        person: dict[str, Any] = {
            "properties": draw(st.sampled_from([{}, {key: value}, {key: value}, {"else": value}]))
        }
        if key in COLUMNS:
            person[key] = draw(st.sampled_from(COLUMNS[key])) + (
                f" {number}" if key == "distinct_id" and number else ""
            )
        crowd.append(person)
    told = [value for person in crowd for value in person["properties"].values()]
    if operators[0] == "exact":
        same = [value for value in told if isinstance(value, (str, int, float))]
        operands = st.one_of(operands, st.sampled_from(same)) if same else operands
    return crowd, [has(key, operator, draw(operands)) for operator in operators]


# -- the properties


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions())
def test_sql_agrees_with_the_oracle(
    connection: Connection, audiences: Audiences, question: tuple[Crowd, list[PersonCondition]]
) -> None:
    crowd, asked = question
    with connection.begin_nested() as savepoint:
        ids = add_people(connection, *crowd)
        columns = (people.c.id, people.c.distinct_id, people.c.email)
        stored = {
            row.id: dict(row._mapping) for row in connection.execute(select(*columns).where(people.c.id.in_(ids)))
        }
        for id, person in zip(ids, crowd, strict=True):
            stored[id]["properties"] = person["properties"]
        for condition in asked:
            found = audiences.matching(connection, PROJECT, audience(condition), ids, now=NOW)
            wanted = {id for id, person in stored.items() if verdict(condition, person)}
            assert found == wanted, (condition, [stored[id] for id in found ^ wanted])
        savepoint.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(questions=st.lists(questions(), min_size=2, max_size=3))
def test_conditions_of_an_audience_all_have_to_hold(
    connection: Connection, audiences: Audiences, questions: list[tuple[Crowd, list[PersonCondition]]]
) -> None:
    asked = [condition for _, conditions in questions for condition in conditions[:1]]
    with connection.begin_nested() as savepoint:
        crowds = [[{"properties": person["properties"]} for person in crowd] for crowd, _ in questions]
        ids = add_people(connection, *(person for crowd in crowds for person in crowd))
        each = [audiences.matching(connection, PROJECT, audience(condition), ids, now=NOW) for condition in asked]
        assert audiences.matching(connection, PROJECT, audience(*asked), ids, now=NOW) == set.intersection(*each)
        savepoint.rollback()


@pytest.mark.parametrize(
    ("held", "operator", "value", "holds"),
    [
        ("5", "exact", 5, True),
        (5.0, "exact", "5", True),
        (5, "exact", "5.0", False),
        (True, "exact", "true", True),
        ("pro", "exact", ["team", "pro"], True),
        (["pro"], "exact", "pro", False),
        (None, "is_not", "pro", True),
        (None, "is_set", None, False),
        ("Zürich", "icontains", "ZÜR", True),
        ("50%", "icontains", "0%", True),
        ("50 percent", "icontains", "0%", False),
        ("pro", "regex", "^P", False),
        ("30", "gt", 18, False),
        (30, "gt", 18, True),
        ("2024-01-31T10:00", "is_date_after", "2024-01-31", False),
        ("2024-01-31T10:00", "is_date_before", "2024-01-31", False),
        ("2024-01-31T10:00", "is_date_exact", "2024-01-31", True),
        ("2024-02-01", "is_date_after", "2024-01-31", True),
        ("2024-01-31T00:30+02:00", "is_date_before", "2024-01-31", True),
        ("2024-01-31T10:00:01Z", "is_date_after", "2024-01-31T12:00:00+02:00", True),
        ("2026-03-24T12:00:01Z", "is_date_after", "-7d", True),
        ("2026-03-24T12:00:00Z", "is_date_after", "-7d", False),
        ("2026-02-28T11:59:59Z", "is_date_before", "-1m", True),
        ("yesterday", "is_date_before", "2999-01-01", False),
        ("2024-01-31 EST", "is_date_before", "2999-01-01", False),
    ],
)
def test_the_rules_by_example(
    connection: Connection, audiences: Audiences, held: Any, operator: str, value: Any, holds: bool
) -> None:
    ids = add_people(connection, {"properties": {"k": held}})
    found = audiences.matching(connection, PROJECT, audience(has("k", operator, value)), ids, now=NOW)
    assert bool(found) is holds


@pytest.mark.parametrize("value", [5, "5", 5.0, True, "true", "pro", ["pro", "team", 7]])
def test_exact_uses_the_index_on_properties(connection: Connection, value: Any) -> None:
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    held = conditions.holds(has("plan", "exact", value), people, NOW)
    plan = connection.execute(text(f"EXPLAIN {_literal(select(people.c.id).where(held), connection)}")).scalars()
    assert "people_by_property" in "\n".join(plan)


def test_exact_email_uses_the_index_on_addresses(connection: Connection) -> None:
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    held = conditions.holds(has("email", "exact", "a@b.example"), people, NOW)
    statement = select(people.c.id).where(people.c.project_id == PROJECT, held)
    plan = connection.execute(text(f"EXPLAIN {_literal(statement, connection)}")).scalars()
    assert "people_by_address" in "\n".join(plan)


def test_no_value_and_no_key_is_part_of_the_statement() -> None:
    hostile = "a'); DROP TABLE people; --"
    for operator, value in [("exact", hostile), ("icontains", hostile), ("regex", "DROP"), ("is_set", None)]:
        assert "DROP" not in str(conditions.holds(has(hostile, operator, value), people, NOW))


@pytest.mark.parametrize("text_", ["\ud800", "a\0b"])
def test_a_text_that_postgresql_cannot_hold_is_unanswerable(text_: str) -> None:
    for condition in (has(text_, "is_set"), has("k", "exact", [text_]), has("k", "icontains", text_)):
        with pytest.raises(conditions.Unanswerable):
            conditions.holds(condition, people, NOW)


def test_a_relative_date_before_the_first_year_is_unanswerable() -> None:
    with pytest.raises(conditions.Unanswerable):
        conditions.holds(has("seen", "is_date_after", "-9999y"), people, NOW)


def test_everything_that_parses_compiles() -> None:
    raw = [
        {"type": "person", "key": "k", "operator": operator, "value": value}
        for operator, value in [
            ("exact", [1, "a", True, 10**299]), ("is_not", "x"), ("icontains", "%"), ("regex", "a"), ("gt", -1e300),
            ("is_set", None), ("is_date_exact", "2024-W05-1"), ("is_date_before", "20240131"), ("is_date_after", "-0d"),
            ("is_date_after", "9999-12-31"), ("is_date_exact", "9999-12-31T23:59:59"), ("is_date_before", "0001-01-01"),
        ]
    ]  # fmt: skip
    parsed, problems = Audience.parse(json.loads(json.dumps(raw)))
    assert not problems
    for condition in parsed.conditions:
        assert isinstance(condition, PersonCondition)
        conditions.holds(condition, people, NOW)


def _literal(statement: Any, connection: Connection) -> str:
    return str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
