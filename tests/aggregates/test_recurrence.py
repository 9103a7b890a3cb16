"""What a recurrence is made of: which rules and fields are taken, which are refused, and with how much work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregates.errors import Problem
from aggregates.recurrence import Recurrence
from aggregates.recurrence.days import _named
from aggregates.recurrence.lines import line
from aggregates.recurrence.rule import Rule
from tests.aggregates.recurrence_rules import BOMBS, FORBIDDEN, FREQUENT, HEAVY, HOURS, NEVER

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = "2026-01-01T09:00:00"
MOST_STEPS = 150_000
"""Calls of functions, the cost of the dearest answer by far. A scan to the year 9999 takes millions."""


def problems(rrule: Any = "FREQ=DAILY", starts_at: Any = START, zone: Any = "UTC", **more: Any) -> list[Problem]:
    return Recurrence.parse(rrule, starts_at, zone, **{"now": NOW, **more})[1]


def codes(*fields: Any, **more: Any) -> list[str]:
    return [problem.code for problem in problems(*fields, **more)]


def parsed(rrule: str = "FREQ=DAILY", starts_at: Any = START, zone: str = "UTC", **more: Any) -> Recurrence:
    found, wrong = Recurrence.parse(rrule, starts_at, zone, **{"now": NOW, **more})
    assert found is not None, wrong
    return found


def forget() -> None:
    """Every answer is worked out anew."""
    for kept in (_named, line, Rule.read):
        kept.cache_clear()


def steps(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls."""
    taken = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal taken
        taken += event in {"call", "c_call"}

    forget()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return taken


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_rule_outside_the_grammar_is_refused_with_a_reason(name: str) -> None:
    rule, code = FORBIDDEN[name]
    found, wrong = Recurrence.parse(rule, START, "UTC", now=NOW)
    assert found is None
    assert {problem.pointer for problem in wrong} == {"/rrule"}
    assert code in {problem.code for problem in wrong}
    assert all(problem.message and len(str(problem.got)) <= 20 for problem in wrong)


@pytest.mark.parametrize("name", BOMBS)
def test_a_rule_that_never_occurs_is_refused_without_a_long_search(name: str) -> None:
    rule, starts_at = BOMBS[name]
    assert codes(rule, starts_at) == [NEVER]
    assert steps(partial(problems, rule, starts_at)) < MOST_STEPS


@pytest.mark.parametrize("name", HEAVY)
def test_the_next_occurrence_is_found_without_a_long_search(name: str) -> None:
    found = parsed(*HEAVY[name], "America/New_York")
    assert steps(partial(problems, *HEAVY[name], "America/New_York")) < MOST_STEPS
    for year in (1, 1969, 2026, 2099, 9999):
        assert steps(partial(found.next_after, datetime(year, 1, 1, tzinfo=UTC))) < MOST_STEPS


def test_a_policy_of_a_longer_interval_is_answered_without_a_long_search() -> None:
    for rule, starts_at in [*BOMBS.values(), *HEAVY.values()]:
        for hours in (25, 24 * 8, 24 * 366):
            policy = timedelta(hours=hours)
            assert steps(partial(problems, rule, starts_at, minimum_interval=policy)) < MOST_STEPS


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_rule_outside_the_grammar_is_refused_without_a_long_search(name: str) -> None:
    assert steps(partial(problems, FORBIDDEN[name][0])) < MOST_STEPS


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=HOURLY",
        "FREQ=HOURLY;INTERVAL=3;BYMINUTE=30;BYDAY=MO,TU",
        "FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-1",
        "FREQ=DAILY;BYHOUR=9;BYMINUTE=0,30;BYSETPOS=1",
        f"FREQ=DAILY;BYHOUR={HOURS}",
        "FREQ=DAILY;BYHOUR=09;BYMINUTE=00",
        "FREQ=DAILY;INTERVAL=002",
        "FREQ=WEEKLY;BYDAY=MO,WE,FR;WKST=SU",
        "FREQ=MONTHLY;BYDAY=+1MO,-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=31,-1",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2,-1",
        "FREQ=YEARLY;BYWEEKNO=+20,-1;BYDAY=MO",
        "FREQ=YEARLY;BYDAY=53MO,-53TU",
        "FREQ=YEARLY;BYYEARDAY=-366,366",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=DAILY;UNTIL=20301231T235959",
        "FREQ=DAILY;COUNT=10000",
    ],
)
def test_a_rule_of_the_grammar_is_taken_in_any_letter_case_with_or_without_prefix(rule: str) -> None:
    assert parsed(rule).rrule == rule
    assert parsed(f"rrule:{rule.lower()}") == parsed(rule)


def test_a_rule_is_too_frequent_at_every_minute_of_the_day_or_at_none() -> None:
    rules = ["FREQ=DAILY;BYHOUR=9;BYMINUTE=0,1", "FREQ=HOURLY", f"FREQ=DAILY;BYHOUR={HOURS}", "FREQ=MINUTELY"]
    for rule in rules:
        answers = {
            tuple(
                codes(rule, now=datetime(2026, 3, 8, tzinfo=UTC) + timedelta(minutes=minute), zone="America/New_York")
            )
            for minute in range(24 * 60)
        }
        assert answers == {(FREQUENT,) if "MINUTE" in rule else ()}


@pytest.mark.parametrize(
    ("rule", "hours", "taken"),
    [
        ("FREQ=HOURLY;INTERVAL=6", 6, True),
        ("FREQ=HOURLY;INTERVAL=6", 7, False),
        ("FREQ=HOURLY;COUNT=1", 24, True),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0,30;COUNT=1", 1, True),
        ("FREQ=DAILY", 24, True),
        ("FREQ=DAILY", 25, False),
        ("FREQ=DAILY;BYHOUR=9,21", 12, True),
        ("FREQ=DAILY;BYHOUR=9,20", 12, False),
        ("FREQ=DAILY;BYHOUR=0,23;INTERVAL=2", 23, True),
        ("FREQ=DAILY;BYDAY=MO,WE,FR", 48, True),
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR", 49, False),
        ("FREQ=WEEKLY;BYDAY=SU,MO;INTERVAL=2", 24, True),
        ("FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=0,20", 20, False),
        ("FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=0,20", 20, True),
        ("FREQ=WEEKLY;INTERVAL=2", 336, True),
        ("FREQ=MONTHLY;BYMONTHDAY=1", 24 * 28, True),
        ("FREQ=MONTHLY;BYMONTHDAY=1", 24 * 28 + 1, False),
        ("FREQ=MONTHLY;BYMONTHDAY=1,-1", 24, True),
        ("FREQ=MONTHLY;BYMONTHDAY=1,-1", 25, False),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", 24 * 27, True),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1", 24 * 3, False),
        ("FREQ=YEARLY", 24 * 365, True),
        ("FREQ=YEARLY", 24 * 366, False),
    ],
)
def test_a_policy_may_ask_for_a_longer_interval(rule: str, hours: int, *, taken: bool) -> None:
    now = datetime(2025, 12, 1, tzinfo=UTC)
    assert codes(rule, minimum_interval=timedelta(hours=hours), now=now) == ([] if taken else [FREQUENT])


def test_every_problem_is_told_at_once_and_nothing_long_is_echoed() -> None:
    long = "Z" * 400
    wrong = problems(
        f"INTERVAL=0;FREQ=DAILY;{long}=1;BYMONTH=13", long, long, exdates=["2026-12-24", long, 7, "2026-02-30"]
    )
    assert [problem.pointer for problem in wrong if problem.pointer != "/rrule"] == [
        "/timezone",
        "/starts_at",
        "/exdates/1",
        "/exdates/2",
        "/exdates/3",
    ]
    assert len([problem for problem in wrong if problem.pointer == "/rrule"]) == 4
    assert "Z" * 21 not in str([problem.as_data() for problem in wrong])


def test_a_rule_that_is_too_frequent_is_told_beside_a_wrong_zone() -> None:
    assert codes("FREQ=DAILY;BYMINUTE=0,1", zone="Mars/Base") == ["timezone.unknown", FREQUENT]


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("2026-01-01T09:00", "2026-01-01T09:00:00"),
        ("2026-01-01", "2026-01-01T00:00:00"),
        ("2026-01-01T09:00:00.999999", "2026-01-01T09:00:00"),
        ("2026-01-01T09:00:00Z", "2026-01-01T10:00:00"),
        ("2026-07-01T09:00:00-04:00", "2026-07-01T15:00:00"),
        (datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=5))), "2026-01-01T05:00:00"),
        (datetime(2026, 1, 1, 9, 0, 0, 1), "2026-01-01T09:00:00"),
        ("1970-01-01T00:00:00", "1970-01-01T00:00:00"),
    ],
)
def test_a_start_is_wall_time_in_whole_seconds(value: Any, taken: str) -> None:
    assert parsed(starts_at=value, zone="Europe/Prague").starts_at.isoformat() == taken


@pytest.mark.parametrize(
    "value",
    [
        None, "", "soon", 7, True, [], {}, b"2026-01-01", date(2026, 1, 1), "1969-12-31T23:59:59",
        "2037-01-01T00:00:00", "2026-02-30T00:00:00", "2026-01-01T25:00:00", "2026-01-01T09:00:00Europe/Prague",
        "\u0662026-01-01T09:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2" + "0" * 99,
    ],
)  # fmt: skip
def test_a_start_that_is_none_is_refused(value: Any) -> None:
    assert codes(starts_at=value) == ["starts_at.invalid"]


@pytest.mark.parametrize(
    "value",
    [
        None, "", 7, [], {}, b"UTC", "Mars/Base", "../etc/passwd", "/etc/localtime", "Europe", "Europe/", "UTC\x00",
        " UTC", "localtime", "posixrules", "Factory", "posix/UTC", "right/UTC", "tzdata.zi", "Z\u00fcrich", "UTC\ud800",
        "a" * 10**6,
    ],
)  # fmt: skip
def test_a_zone_that_is_none_is_refused(value: Any) -> None:
    assert codes(zone=value) == ["timezone.unknown"]


def test_excluded_dates_are_wall_times_and_whole_days_in_order_and_unique() -> None:
    given_dates = ["2026-12-24T10:00:00+02:00", "2026-12-25", "2026-12-24T09:00", date(2026, 12, 1), "2026-12-25"]
    found = parsed(zone="Europe/Prague", exdates=given_dates)
    assert found.exdates == (date(2026, 12, 1), datetime(2026, 12, 24, 9), date(2026, 12, 25))
    assert found.as_data()["exdates"] == ["2026-12-01", "2026-12-24T09:00:00", "2026-12-25"]


@pytest.mark.parametrize("value", ["2026-12-24", 7, {"0": "2026-12-24"}, ["2026-12-24"] * 501])
def test_excluded_dates_are_a_list_that_is_not_too_long(value: Any) -> None:
    assert [(it.pointer, it.code) for it in problems(exdates=value)] == [("/exdates", "exdates.invalid")]


def test_a_rule_of_which_every_occurrence_is_excluded_is_refused() -> None:
    assert codes("FREQ=DAILY;UNTIL=20261123T235959", exdates=["2026-11-22", "2026-11-23T09:00"]) == [NEVER]


def test_what_is_stored_is_read_again() -> None:
    for found in (parsed(), parsed(exdates=["2026-12-24", "2026-12-31T09:00"], zone="Europe/Prague")):
        assert Recurrence.of(found.as_data()) == found
        assert hash(Recurrence.of(found.as_data())) == hash(found)


def test_what_was_stored_before_there_were_excluded_dates_is_read() -> None:
    old = {"rrule": "FREQ=WEEKLY;BYDAY=MO,MO;BYMONTHDAY=2,2", "starts_at": "2026-01-01T09:00:00", "timezone": "UTC"}
    found = Recurrence.of(old)
    assert found.exdates == ()
    assert found.next_after(NOW) == datetime(2027, 8, 2, 9, tzinfo=UTC)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=600), st.binary(), st.datetimes(), st.dates()
)
PIECES = (
    "FREQ = DAILY HOURLY YEARLY ; BY DAY MONTH HOUR SETPOS WEEKNO , 1 -1 0 99 MO +2FR : RRULE DTSTART T000000Z".split()
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.one_of(ANYTHING, st.lists(st.sampled_from(PIECES), max_size=20).map("".join)),
    ANYTHING,
    ANYTHING,
    st.one_of(ANYTHING, st.lists(ANYTHING, max_size=3)),
)
def test_nothing_that_is_sent_raises(rrule: Any, starts_at: Any, zone: Any, exdates: Any) -> None:
    for fields in (
        (rrule, starts_at, zone, exdates),
        (rrule, START, "UTC", ()),
        ("FREQ=DAILY", starts_at, "UTC", exdates),
    ):
        found, wrong = Recurrence.parse(*fields, now=NOW)
        assert (found is None) == bool(wrong)
