"""When recurrences occur: across changes of the clock, to their ends, and as RFC 5545 itself writes it out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aggregates.recurrence import Occurrence, Recurrence

NEW_YORK, PRAGUE, LORD_HOWE = "America/New_York", "Europe/Prague", "Australia/Lord_Howe"


def recurrence(rule: str, starts_at: str, zone: str = "UTC", *exdates: str) -> Recurrence:
    before = datetime.fromisoformat(starts_at).replace(tzinfo=UTC) - timedelta(days=3)
    found, problems = Recurrence.parse(rule, starts_at, zone, exdates, now=before)
    assert found is not None, problems
    return found


def first(found: Recurrence, count: int) -> list[Occurrence]:
    return found.upcoming(datetime(1970, 1, 1, tzinfo=UTC), count)


def walls(found: Recurrence, count: int) -> list[str]:
    """The first occurrences as `2026-11-21 09:00`, wall time."""
    zone = ZoneInfo(found.timezone)
    return [f"{it.instant.astimezone(zone):%Y-%m-%d %H:%M}" for it in first(found, count)]


# Zone, rule, first instant (wall time), and what comes: UTC, with a note.
CHANGES: dict[str, tuple[str, str, str, list[str]]] = {
    "New York, spring: 02:30 is skipped, so 03:00 it is": (
        NEW_YORK, "FREQ=DAILY", "2026-03-07T02:30",
        ["2026-03-07 07:30", "2026-03-08 07:00 moved_forward", "2026-03-09 06:30"],
    ),
    "New York, spring: 02:00 is skipped and 03:00 is there already": (
        NEW_YORK, "FREQ=DAILY;BYHOUR=1,2,3,4", "2026-03-08T00:00",
        ["2026-03-08 06:00", "2026-03-08 07:00 moved_forward", "2026-03-08 08:00", "2026-03-09 05:00"],
    ),
    "New York, spring: what moves too near to the one before gives way": (
        NEW_YORK, "FREQ=DAILY;BYHOUR=1,2,3", "2026-03-08T00:30",
        ["2026-03-08 06:30", "2026-03-08 07:30", "2026-03-09 05:30", "2026-03-09 06:30"],
    ),
    "New York, autumn: the first 01:30 of two": (
        NEW_YORK, "FREQ=DAILY", "2026-10-31T01:30",
        ["2026-10-31 05:30", "2026-11-01 05:30 first_of_two", "2026-11-02 06:30"],
    ),
    "New York, spring: hours are hours": (
        NEW_YORK, "FREQ=HOURLY", "2026-03-08T00:00",
        ["2026-03-08 05:00", "2026-03-08 06:00", "2026-03-08 07:00", "2026-03-08 08:00"],
    ),
    "New York, autumn: hours are hours": (
        NEW_YORK, "FREQ=HOURLY", "2026-11-01T00:00",
        ["2026-11-01 04:00", "2026-11-01 05:00", "2026-11-01 06:00", "2026-11-01 07:00"],
    ),
    "New York, spring: six hours are six hours": (
        NEW_YORK, "FREQ=HOURLY;INTERVAL=6", "2026-03-08T00:00",
        ["2026-03-08 05:00", "2026-03-08 11:00", "2026-03-08 17:00"],
    ),
    "New York, spring: a named hour that is skipped": (
        NEW_YORK, "FREQ=HOURLY;BYHOUR=2", "2026-03-07T00:00",
        ["2026-03-07 07:00", "2026-03-08 07:00 moved_forward", "2026-03-09 06:00"],
    ),
    "New York, autumn: a named hour never twice": (
        NEW_YORK, "FREQ=HOURLY;BYHOUR=1", "2026-11-01T00:00",
        ["2026-11-01 05:00 first_of_two", "2026-11-02 06:00"],
    ),
    "New York, autumn: a Sunday has 25 hours": (
        NEW_YORK, "FREQ=HOURLY;BYDAY=SU;INTERVAL=8", "2026-11-01T00:00",
        ["2026-11-01 04:00", "2026-11-01 12:00", "2026-11-01 20:00", "2026-11-02 04:00", "2026-11-08 12:00"],
    ),
    "Prague, spring": (
        PRAGUE, "FREQ=DAILY", "2026-03-28T02:30",
        ["2026-03-28 01:30", "2026-03-29 01:00 moved_forward", "2026-03-30 00:30"],
    ),
    "Prague, autumn": (
        PRAGUE, "FREQ=DAILY", "2026-10-24T02:30",
        ["2026-10-24 00:30", "2026-10-25 00:30 first_of_two", "2026-10-26 01:30"],
    ),
    "Prague, spring: hours are hours": (
        PRAGUE, "FREQ=HOURLY", "2026-03-29T01:00", ["2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"],
    ),
    "Prague, autumn: hours are hours": (
        PRAGUE, "FREQ=HOURLY", "2026-10-25T01:00",
        ["2026-10-24 23:00", "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"],
    ),
    "Prague: nine stays nine": (
        PRAGUE, "FREQ=WEEKLY", "2026-03-27T09:00", ["2026-03-27 08:00", "2026-04-03 07:00", "2026-04-10 07:00"],
    ),
    "Lord Howe, spring: half an hour is skipped": (
        LORD_HOWE, "FREQ=DAILY", "2026-10-03T02:15",
        ["2026-10-02 15:45", "2026-10-03 15:30 moved_forward", "2026-10-04 15:15"],
    ),
    "Lord Howe, spring: half an hour is missing between 01:45 and 02:45": (
        LORD_HOWE, "FREQ=DAILY;BYHOUR=1,2,3", "2026-10-04T00:45",
        ["2026-10-03 15:15", "2026-10-03 16:45", "2026-10-04 14:45", "2026-10-04 15:45"],
    ),
    "Lord Howe, autumn": (
        LORD_HOWE, "FREQ=DAILY", "2026-04-04T01:45",
        ["2026-04-03 14:45", "2026-04-04 14:45 first_of_two", "2026-04-05 15:15"],
    ),
    "Lord Howe, spring: hours are hours": (
        LORD_HOWE, "FREQ=HOURLY", "2026-10-04T00:00", ["2026-10-03 13:30", "2026-10-03 14:30", "2026-10-03 15:30"],
    ),
    "Lord Howe, autumn: hours are hours": (
        LORD_HOWE, "FREQ=HOURLY", "2026-04-05T00:00",
        ["2026-04-04 13:00", "2026-04-04 14:00", "2026-04-04 15:00", "2026-04-04 16:00"],
    ),
    "Lord Howe, spring: a minute that is named is the clock's, and the later of two too near gives way": (
        LORD_HOWE, "FREQ=HOURLY;BYMINUTE=0", "2026-10-04T00:00",
        ["2026-10-03 13:30", "2026-10-03 14:30", "2026-10-03 16:00", "2026-10-03 17:00"],
    ),
    "Lord Howe, autumn: a minute that is named is the clock's": (
        LORD_HOWE, "FREQ=HOURLY;BYMINUTE=0", "2026-04-05T00:00",
        ["2026-04-04 13:00", "2026-04-04 14:00", "2026-04-04 15:30", "2026-04-04 16:30"],
    ),
    "Havana: midnight is skipped": (
        "America/Havana", "FREQ=WEEKLY", "2026-03-01T00:00",
        ["2026-03-01 05:00", "2026-03-08 05:00 moved_forward", "2026-03-15 04:00"],
    ),
    "Samoa: a day is skipped": (
        "Pacific/Apia", "FREQ=DAILY", "2011-12-29T09:00",
        ["2011-12-29 19:00", "2011-12-30 10:00 moved_forward", "2011-12-30 19:00", "2011-12-31 19:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_clock(name: str) -> None:
    zone, rule, starts_at, expected = CHANGES[name]
    recurring = recurrence(rule, starts_at, zone)
    found = first(recurring, len(expected))
    assert [f"{it.instant:%Y-%m-%d %H:%M} {it.note or ''}".strip() for it in found] == expected
    instants = [it.instant for it in found]
    asked = instants[0] - timedelta(hours=1)
    while asked < instants[-1]:
        assert recurring.next_after(asked) == next(it for it in instants if it > asked)
        asked += timedelta(minutes=5)


def test_an_hour_without_the_minute_named_is_left_out() -> None:
    """At 02:00 the clock on Lord Howe goes to 02:30: seen from an hour of summer, 01:30 is followed by 02:30."""
    found = recurrence("FREQ=HOURLY;BYMINUTE=15", "2026-02-01T09:00", LORD_HOWE)
    instants = found.between(datetime(2026, 10, 3, 14, tzinfo=UTC), datetime(2026, 10, 3, 17, tzinfo=UTC), 9)
    assert [f"{it.astimezone(ZoneInfo(LORD_HOWE)):%H:%M}" for it in instants] == ["01:15", "03:15"]


def test_an_occurrence_that_moved_knows_the_time_that_the_rule_says() -> None:
    found = first(recurrence("FREQ=DAILY", "2026-03-08T02:30", NEW_YORK), 1)[0]
    assert found == Occurrence(datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 3, 8, 2, 30), "moved_forward")


# The examples of RFC 5545, section 3.8.5.3, that are HOURLY or slower; they begin on 2 September 1997 at nine.
RFC_5545: list[tuple[str, str, str]] = [
    ("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02", "09-02 09-12 09-22 10-02 10-12"),
    ("FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO", "1998-01-01", "01-04 01-05 01-11 01-12"),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09-02", "09-02 09-16 09-30 10-14"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09-02", "09-02 09-04 09-16 09-18 09-30 10-02 10-14"),
    ("FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "1997-09-05", "09-05 10-03 11-07 12-05 01-02 02-06 03-06 04-03 05-01 06-05"),
    ("FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "1997-09-07", "09-07 09-28 11-02 11-30 01-04 01-25"),
    ("FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997-09-22", "09-22 10-20 11-17 12-22 01-19 02-16"),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28", "09-28 10-29 11-28 12-29 01-29 02-26"),
    ("FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "1997-09-30", "09-30 10-01 10-31 11-01 11-30 12-01 12-31 01-01"),
    ("FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12,13", "1997-09-10", "09-10 09-11 09-12 09-13 03-10 03-11"),
    ("FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "1997-03-10", "03-10 01-10 02-10 03-10 01-10"),
    ("FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "1997-01-01", "01-01 04-10 07-19 01-01 04-09 07-18 01-01"),
    ("FREQ=YEARLY;BYDAY=20MO", "1997-05-19", "05-19 05-18 05-17"),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12", "05-12 05-11 05-17"),
    ("FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "1997-06-05", "06-05 06-12 06-19 06-26 07-03 07-10"),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1997-09-03", "02-13 03-13 11-13 08-13 10-13"),
    ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1997-09-13", "09-13 10-11 11-08 12-13 01-10"),
    ("FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996-11-05", "11-05 11-07 11-02"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04", "09-04 10-07 11-06"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997-09-29", "09-29 10-30 11-27 12-30 01-29 02-26 03-30"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05", "08-05 08-10 08-19 08-24"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05", "08-05 08-17 08-19 08-31"),
    ("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15", "01-15 01-30 02-15 03-15 03-30"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "starts_on", "days"), RFC_5545)
def test_an_example_of_the_rfc(rule: str, starts_on: str, days: str) -> None:
    expected = days.split()
    found = walls(recurrence(rule, f"{starts_on}T09:00", NEW_YORK), len(expected))
    assert [wall[5:10] for wall in found] == expected
    assert {wall[11:] for wall in found} == {"09:00"}


def test_weeks_52_and_53_are_those_of_the_calendar() -> None:
    """1 January 2027 is a Friday of week 53, 1 January 2022 a Saturday of week 52.

    30 December 2024 and 2030 are Mondays of the first week, counted from either end, of a year of 52.
    """
    assert walls(recurrence("FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR", "2026-01-01T09:00"), 2)[0][:10] == "2027-01-01"
    assert walls(recurrence("FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SA", "2021-12-30T09:00"), 1)[0][:10] == "2022-01-01"
    assert walls(recurrence("FREQ=YEARLY;BYWEEKNO=52;BYDAY=SA", "2021-12-30T09:00"), 1)[0][:10] == "2022-01-01"
    assert walls(recurrence("FREQ=YEARLY;BYWEEKNO=-52;BYDAY=MO", "2024-12-02T09:00"), 1)[0][:10] == "2024-12-30"
    assert walls(recurrence("FREQ=YEARLY;BYWEEKNO=-52;BYDAY=MO", "2030-12-02T09:00"), 1)[0][:10] == "2030-12-30"


@pytest.mark.parametrize(
    "rule", ["FREQ=HOURLY", "FREQ=HOURLY;BYHOUR=0,1,2,3", "FREQ=DAILY", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1,2"]
)
def test_a_rule_with_a_count_occurs_so_often(rule: str) -> None:
    found = recurrence(f"{rule};COUNT=7", "2026-10-31T22:30", NEW_YORK)
    every = first(found, 100)
    assert len(every) == 7
    assert [it.instant for it in every] == [
        it.instant for it in first(recurrence(rule, "2026-10-31T22:30", NEW_YORK), 7)
    ]
    assert found.next_after(every[-1].instant) is None


def test_a_count_counts_what_is_left_out_and_what_gives_way() -> None:
    assert walls(recurrence("FREQ=DAILY;COUNT=3", "2026-12-01T09:00", "UTC", "2026-12-02"), 9) == [
        "2026-12-01 09:00",
        "2026-12-03 09:00",
    ]
    assert walls(recurrence("FREQ=DAILY;BYHOUR=1,2,3;COUNT=3", "2026-03-08T00:30", NEW_YORK), 9) == [
        "2026-03-08 01:30",
        "2026-03-08 03:30",
    ]


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261123T090000", "2026-11-23 09:00"),
        ("20261123T085959", "2026-11-22 09:00"),
        ("20261123T080000Z", "2026-11-23 09:00"),
        ("20261123T075959Z", "2026-11-22 09:00"),
    ],
)
def test_an_end_is_wall_time_or_with_z_utc(until: str, last: str) -> None:
    """Nine in Prague is eight UTC in winter."""
    for rule in (f"FREQ=DAILY;UNTIL={until}", f"FREQ=HOURLY;INTERVAL=24;UNTIL={until}"):
        assert walls(recurrence(rule, "2026-11-20T09:00", PRAGUE), 9)[-1] == last


def test_an_end_within_the_hour_that_comes_twice_is_the_second_one() -> None:
    found = recurrence("FREQ=HOURLY;UNTIL=20261101T010000", "2026-11-01T00:00", NEW_YORK)
    assert walls(found, 9) == ["2026-11-01 00:00", "2026-11-01 01:00", "2026-11-01 01:00"]


def test_the_start_occurs_only_if_the_rule_names_it() -> None:
    assert walls(recurrence("FREQ=WEEKLY;BYDAY=TU", "2026-11-23T09:00"), 1) == ["2026-11-24 09:00"]
    assert walls(recurrence("FREQ=DAILY;BYHOUR=8", "2026-11-23T09:00"), 1) == ["2026-11-24 08:00"]
    assert walls(recurrence("FREQ=HOURLY;BYMINUTE=30", "2026-11-23T09:45"), 1) == ["2026-11-23 10:30"]


@pytest.mark.parametrize("rule", ["FREQ=HOURLY;INTERVAL=12", "FREQ=HOURLY;BYHOUR=9,21", "FREQ=DAILY;BYHOUR=9,21"])
def test_excluded_dates_leave_out_an_occurrence_or_a_day(rule: str) -> None:
    found = recurrence(rule, "2026-12-23T09:00", PRAGUE, "2026-12-24", "2026-12-25T20:00:00Z")
    assert walls(found, 5) == [
        "2026-12-23 09:00", "2026-12-23 21:00", "2026-12-25 09:00", "2026-12-26 09:00", "2026-12-26 21:00",
    ]  # fmt: skip


@pytest.mark.parametrize("excluded", ["2026-03-08T02:30", "2026-03-08T03:00", "2026-03-08T07:00:00Z", "2026-03-08"])
def test_an_occurrence_that_moved_is_excluded_by_either_of_its_times(excluded: str) -> None:
    found = recurrence("FREQ=DAILY", "2026-03-07T02:30", NEW_YORK, excluded)
    assert walls(found, 2) == ["2026-03-07 02:30", "2026-03-09 02:30"]


def test_what_is_excluded_does_not_make_another_one_give_way() -> None:
    found = recurrence("FREQ=DAILY;BYHOUR=1,2", "2026-03-08T00:30", NEW_YORK, "2026-03-08T01:30")
    assert walls(found, 2) == ["2026-03-08 03:00", "2026-03-09 01:30"]


def test_a_stretch_of_time_is_open_at_its_beginning_closed_at_its_end_and_limited() -> None:
    found = recurrence("FREQ=DAILY", "2026-12-01T09:00")
    nine = [datetime(2026, 12, day, 9, tzinfo=UTC) for day in range(1, 8)]
    assert found.between(nine[0], nine[3], 9) == nine[1:4]
    assert found.between(nine[0] - timedelta(microseconds=1), nine[3], 2) == nine[:2]
    assert found.between(nine[3], nine[0], 9) == found.between(nine[0], nine[3], 0) == []
    assert found.upcoming(nine[0], -1) == []


def test_nothing_occurs_before_the_start_or_after_the_last_year() -> None:
    found = recurrence("FREQ=DAILY", "2026-12-01T09:00", "Pacific/Kiritimati")
    assert found.next_after(datetime.min.replace(tzinfo=UTC)) == datetime(2026, 11, 30, 19, tzinfo=UTC)
    assert found.next_after(datetime(2099, 12, 31, 12, tzinfo=UTC)) is None
    assert found.next_after(datetime.max.replace(tzinfo=UTC)) is None
