"""What holds of every recurrence: random rules of the whole grammar, in zones that change their clocks in many ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule as rfc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregates.recurrence import Occurrence, Recurrence
from tests.aggregates.recurrence_oracle import Oracle
from tests.aggregates.recurrence_rules import FREQUENT, INVALID, NEVER, REFUSED, ZONES, changes, rules, starts

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MORE = 1000
"""More occurrences than there can be in the stretches of time that are looked at."""

some = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=50)


def parse(
    rule: str, start: datetime, zone: str, now: datetime | None = None, **more: Any
) -> tuple[Recurrence | None, list[str]]:
    now = now or start.replace(tzinfo=UTC) - 3 * DAY
    found, problems = Recurrence.parse(rule, start.isoformat(), zone, now=now, **more)
    return found, [problem.code for problem in problems]


def windows(data: st.DataObject, zone: str) -> list[tuple[datetime, datetime]]:
    """In twenty years, three days around some changes of the clock, and weeks anywhere."""
    anywhere = st.datetimes(datetime(2026, 1, 1), datetime(2046, 1, 1)).map(lambda it: it.replace(tzinfo=UTC))
    places = st.one_of(anywhere, st.sampled_from(changes(zone) or (datetime(2026, 1, 1, tzinfo=UTC),)))
    around = data.draw(st.lists(places, min_size=4, max_size=8))
    return [(place - 36 * HOUR, place + timedelta(days=data.draw(st.sampled_from([2, 9])))) for place in around]


@some
@given(st.data(), st.sampled_from(ZONES), rules(ends=False))
def test_occurrences_ascend_by_an_hour_or_more_and_do_not_depend_on_who_asks(
    data: st.DataObject, zone: str, rule: str
) -> None:
    start = data.draw(starts(zone))
    excluded = data.draw(
        st.lists(st.sampled_from([start, start + DAY, start.date(), start + HOUR]).map(str), max_size=2)
    )
    found, _ = parse(rule, start, zone, exdates=excluded)
    if found is None:
        return
    for begin, end in windows(data, zone):
        every = found.between(begin, end, MORE)
        assert all(later - earlier >= HOUR for earlier, later in pairwise(every))
        assert [it for it in chain(found, begin, len(every) + 1) if it <= end] == every
        for minutes in data.draw(st.lists(st.integers(0, 120 * 60), max_size=6)):
            asked = begin + timedelta(minutes=minutes)
            assert found.between(asked, end, MORE) == [it for it in every if it > asked]
        upcoming = found.upcoming(begin, len(every))
        assert [it.instant for it in upcoming] == every
        assert all(shows(found, it) for it in upcoming)


def chain(found: Recurrence, instant: datetime, most: int) -> list[datetime]:
    """By asking for the next one, again and again."""
    every: list[datetime] = []
    following = found.next_after(instant)
    while following is not None and len(every) < most:
        every.append(following)
        following = found.next_after(following)
    return every


def shows(found: Recurrence, it: Occurrence) -> bool:
    """Whether its note says how the clock at its instant differs from what the rule says."""
    local = it.instant.astimezone(ZoneInfo(found.timezone))
    other = local.replace(fold=1 - local.fold)
    on_utc = "FREQ=HOURLY" in found.rrule and "BYHOUR" not in found.rrule
    twice = not on_utc and local.utcoffset() != other.utcoffset() and other.astimezone(UTC) > it.instant
    moved = local.replace(tzinfo=None) > it.nominal
    expected = "moved_forward" if moved else "first_of_two" if twice else None
    return it.note == expected and (moved or local.replace(tzinfo=None) == it.nominal)


@some
@given(st.data(), st.sampled_from(ZONES), rules())
def test_the_verdict_on_a_rule_is_the_same_at_every_instant(data: st.DataObject, zone: str, rule: str) -> None:
    """Whether it occurs in the future is another question."""
    start = data.draw(starts(zone))
    policy = timedelta(hours=data.draw(st.sampled_from([1, 24, 25, 24 * 7, 24 * 28])))
    moments = data.draw(st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2035, 1, 1)), min_size=2, max_size=5))
    verdicts = set()
    for moment in moments:
        _, codes = parse(rule, start, zone, moment.replace(tzinfo=UTC), minimum_interval=policy)
        verdicts.add(tuple(code for code in codes if code != NEVER))
    assert len(verdicts) == 1


@some
@given(st.data(), st.sampled_from(["America/New_York", "Europe/Prague", "Australia/Lord_Howe"]), rules(ends=False))
def test_away_from_changes_of_the_clock_it_is_what_dateutil_says(data: st.DataObject, zone: str, rule: str) -> None:
    start = data.draw(starts(zone))
    found, _ = parse(rule, start, zone)
    if (
        found is None or "FREQ=HOURLY" in rule or "BYWEEKNO" in rule
    ):  # it has another view of hours, and of weeks 52, 53
        return
    horizon = start + timedelta(days=1500)
    local = takewhile(lambda it: it <= horizon, rfc.rrulestr(rule, dtstart=start, cache=False).replace(until=horizon))
    expected = [it.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for it in islice(local, 300)]
    if not expected:
        return
    got = found.between(start.replace(tzinfo=UTC) - 2 * DAY, expected[-1], 400)
    assert away(got, zone) == away(expected, zone)


def away(instants: list[datetime], zone: str) -> list[datetime]:
    edges = changes(zone)
    return [it for it in instants if not any(abs(it - edge) < 2 * DAY for edge in edges)]


@some
@given(st.data(), st.sampled_from(ZONES), rules())
def test_it_is_what_the_rfc_says(data: st.DataObject, zone: str, rule: str) -> None:
    start = data.draw(starts(zone))
    found, codes = parse(rule, start, zone)
    years = {"YEARLY": 8, "MONTHLY": 4, "WEEKLY": 2, "DAILY": 2, "HOURLY": 0.5}[rule.split(";", 1)[0][5:]]
    horizon = start + timedelta(days=365 * years)
    last = horizon.replace(tzinfo=UTC) - 2 * DAY
    oracle = Oracle(rule, start, zone)
    assert not {INVALID, REFUSED} & set(codes)
    if FREQUENT in codes:
        return
    expected = list(islice(takewhile(lambda it: it < last, oracle.instants(horizon)), 150))
    assert (
        found.between(last - timedelta(days=9999), last - timedelta(microseconds=1), 150) if found else []
    ) == expected


@some
@given(st.data(), st.sampled_from(["DAILY", "MONTHLY", "YEARLY", "HOURLY"]))
def test_a_rule_is_too_frequent_if_and_only_if_it_comes_within_an_hour(data: st.DataObject, freq: str) -> None:
    minutes = ",".join(map(str, data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True))))
    positions = ",".join(map(str, data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True))))
    hours = data.draw(st.sampled_from(["9", "0,23", "1,2,3"]))
    days = {"MONTHLY": ";BYMONTHDAY=1,2", "YEARLY": ";BYMONTH=5;BYMONTHDAY=1,-1"}.get(freq, "")
    chosen = data.draw(st.sampled_from(["", f";BYSETPOS={positions}", f";BYSETPOS=-{positions.replace(',', ',-')}"]))
    rule = f"FREQ={freq};BYHOUR={hours};BYMINUTE={minutes}{days}{chosen}"
    start = datetime(2026, 1, 1)
    every = list(islice(Oracle(rule, start, "UTC").nominals(datetime(2028, 1, 1)), 400))
    close = any(later - earlier < HOUR for earlier, later in pairwise(every))
    assert (FREQUENT in parse(rule, start, "UTC")[1]) == close
