"""What the scheduler makes of due occurrences: outages, overlaps, standing approvals, the end of a rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregates.schedule.firing import OVERLAPS
from commands.schedule import PauseSchedule, ResumeSchedule
from tests.support.product import Product
from tests.support.timetable import Timetable
from tests.workers.conftest import Workshop

MADE_UP = {
    # (catch_up, window in minutes): how many of 24 missed hourly occurrences are made up; the latest is 30 minutes late
    ("skip", 0): 0,
    ("skip", 60): 0,
    ("skip", 180): 0,
    ("skip", 1440): 0,
    ("latest", 0): 0,
    ("latest", 60): 1,
    ("latest", 180): 1,
    ("latest", 1440): 1,
    ("all", 0): 0,
    ("all", 60): 1,
    ("all", 180): 3,
    ("all", 1440): 24,
}


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    """Catching up at once: how it is spread is told elsewhere."""
    built = Product(database_url, tmp_path, catch_up_spread_seconds=0)
    yield built
    built.close()


@pytest.fixture
def timetable(product: Product) -> Timetable:
    product.add_people(20)
    return Timetable(product)


def met(overlap: str, made_up: int) -> dict[str, int]:
    """What becomes of so many occurrences that all stand at once."""
    if overlap == "allow":
        return {"fired": made_up}
    fired = min(made_up, 1)
    waiting = min(made_up - fired, 1) if overlap == "buffer_one" else 0
    # A buffered occurrence says that it met another, as a skipped one does.
    return {"fired": fired, "overlap": made_up - fired, "buffered": waiting}


def test_an_outage_of_a_day_gives_what_each_schedule_says(timetable: Timetable) -> None:
    schedules = {
        (catch_up, window, overlap): timetable.attach(
            timetable.product.workflow(), catch_up=catch_up, catch_up_window_minutes=window, overlap=overlap
        )
        for catch_up, window in MADE_UP
        for overlap in OVERLAPS
    }
    timetable.look_after(hours=24)
    for (catch_up, window, overlap), schedule_id in schedules.items():
        made_up = MADE_UP[catch_up, window]
        expected = {"missed": 24 - made_up, **met(overlap, made_up)}
        waiting = expected.pop("buffered", 0)
        found = timetable.occurrences(schedule_id)
        assert timetable.tally(schedule_id) == {name: n for name, n in expected.items() if n}
        assert sum(one["state"] == "buffered" for one in found) == waiting
        assert [job["scheduled_for"] for job in timetable.jobs(schedule_id)] == [
            one["scheduled_for"] for one in found if one["state"] == "fired"
        ]
        late = [timedelta(seconds=one["late_by_seconds"]) for one in found]
        # The latest was due half an hour ago, each other one an hour before the next.
        assert [round(by / timedelta(hours=1) - 0.5, 1) for by in late] == list(range(23, -1, -1))
    assert timetable.look().processed == 0


@pytest.mark.parametrize(("minutes", "became"), [(4, "fired"), (6, "missed")])
def test_an_occurrence_within_five_minutes_is_on_time(timetable: Timetable, minutes: int, became: str) -> None:
    schedule = timetable.attach(timetable.product.workflow(), catch_up="skip")
    timetable.look_after(minutes=30 + minutes)
    assert timetable.became(schedule) == [became]


def test_an_outage_of_many_days_leaves_no_occurrence_out(timetable: Timetable) -> None:
    schedule = timetable.attach(timetable.product.workflow(), catch_up="latest")
    timetable.look_after(days=13)
    assert timetable.became(schedule) == ["missed"] * 311 + ["fired"]
    assert len({one["scheduled_for"] for one in timetable.occurrences(schedule)}) == 312


# -- overlap


@pytest.mark.parametrize(
    ("overlap", "at_work", "after"),
    [
        ("skip", ["fired", "skipped", "skipped"], ["fired", "skipped", "skipped"]),
        ("buffer_one", ["fired", "buffered", "skipped"], ["fired", "fired", "skipped"]),
        ("allow", ["fired", "fired", "fired"], ["fired", "fired", "fired"]),
    ],
)
def test_while_a_job_is_at_work(
    workshop: Workshop, timetable: Timetable, overlap: str, at_work: list[str], after: list[str]
) -> None:
    schedule = timetable.attach(timetable.product.workflow(), overlap=overlap)
    for minutes in (31, 60, 60):
        timetable.look_after(minutes=minutes)
    assert [one["state"] for one in timetable.occurrences(schedule)] == at_work
    for job in timetable.jobs(schedule):
        workshop.advance(job["id"])
    timetable.look()
    assert [one["state"] for one in timetable.occurrences(schedule)] == after
    assert len(timetable.jobs(schedule)) == after.count("fired")


# -- the end of a rule, a pause, the clock


def test_a_count_fires_so_often_and_then_completes(timetable: Timetable) -> None:
    schedule = timetable.attach(timetable.product.workflow(), "FREQ=HOURLY;COUNT=3", overlap="allow")
    for minutes in (31, 60, 60, 60, 60):
        timetable.look_after(minutes=minutes)
    assert timetable.became(schedule) == ["fired"] * 3
    found = timetable.get(schedule)
    assert (found["status"], found["next_occurrence"]) == ("completed", None)
    assert timetable.product.execute("SELECT due_at FROM stream_heads WHERE id = :id", id=schedule)[0][0] is None


def test_what_was_due_during_a_pause_is_not_made_up(timetable: Timetable) -> None:
    product = timetable.product
    schedule = timetable.attach(product.workflow(), catch_up="all", catch_up_window_minutes=1440)
    product.ask(PauseSchedule(schedule, "holidays"))
    timetable.look_after(hours=5)
    product.ask(ResumeSchedule(schedule, 20))
    assert timetable.look().processed == 0
    timetable.look_after(minutes=31)
    assert timetable.became(schedule) == ["fired"]


def test_a_clock_that_goes_back_and_on_fires_nothing_again(timetable: Timetable) -> None:
    schedule = timetable.attach(timetable.product.workflow(), overlap="allow")
    for hours in (0.6, -1, 1, 1, -2, 2):
        timetable.look_after(hours=hours)
    assert timetable.became(schedule) == ["fired", "fired"]
    assert len(timetable.jobs(schedule)) == 2


@pytest.mark.parametrize("command", ["pause", "none"])
def test_a_schedule_resumed_on_a_clock_that_went_back_does_not_stand_still(timetable: Timetable, command: str) -> None:
    product = timetable.product
    schedule = timetable.attach(product.workflow(), overlap="allow")
    timetable.look_after(minutes=31)
    product.clock.advance(hours=-1)
    if command == "pause":
        product.ask(PauseSchedule(schedule, "x"))
        product.ask(ResumeSchedule(schedule, 20))
    for _ in range(3):
        assert timetable.look_after(hours=1).failed == 0
    assert timetable.became(schedule) == ["fired"] * 3


@pytest.mark.parametrize(
    ("rrule", "starts_at", "fired"),
    [
        # Spring: 02:30 does not exist on the 14th and moves to 03:00; autumn: 01:30 exists twice on the 7th.
        ("FREQ=DAILY", "2027-03-13T02:30:00", ["2027-03-13T07:30", "2027-03-14T07:00", "2027-03-15T06:30"]),
        ("FREQ=DAILY", "2027-11-06T01:30:00", ["2027-11-06T05:30", "2027-11-07T05:30", "2027-11-08T06:30"]),
    ],
)
def test_a_night_when_the_clocks_change_fires_once(
    timetable: Timetable, rrule: str, starts_at: str, fired: list[str]
) -> None:
    product = timetable.product
    workflow = product.workflow()
    start = datetime.fromisoformat(starts_at).replace(tzinfo=UTC)
    product.clock.advance(seconds=(start - product.clock.now()).total_seconds())
    schedule = timetable.attach(workflow, rrule, starts_at=starts_at, timezone="America/New_York", overlap="allow")
    for _ in range(62):
        timetable.look_after(hours=1)
    found = [one["scheduled_for"].astimezone(UTC) for one in timetable.occurrences(schedule)]
    assert [instant.strftime("%Y-%m-%dT%H:%M") for instant in found] == fired
