"""The views of schedules: a row each, and one for each planned instant, whatever happens in whatever order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select

from aggregates.base import Event
from aggregates.errors import DomainError
from aggregates.schedule.aggregate import Schedule
from projections.schedules import OccurrencesView, SchedulesView
from projections.view import Recorded, View
from tests.support.aggregates import NOW, PROJECT, acknowledged, approved, facts, meta
from tests.support.product import Product
from tests.support.schedules import FIRST, HOUR, MINUTE, settle, terms, turn
from tests.support.timetable import Timetable, in_half_an_hour


def attached(**firing: Any) -> Schedule:
    """One whose first fact is still pending."""
    return Schedule.attach(
        UUID(int=3),
        workflow_id=UUID(int=2),
        terms=terms(**firing),
        acknowledgement=acknowledged(20),
        approval=approved(22, expires_at=NOW + timedelta(days=9)),
        request_digest="d",
        meta=meta(),
    )


class Views:
    """Both views of one schedule, following what it records."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._views: tuple[View, ...] = (SchedulesView(), OccurrencesView())
        self.events: list[Event] = []

    def follow(self, schedule: Schedule) -> dict[str, Any]:
        self.events += facts(schedule)
        return self.after(self.events)

    def after(self, events: Sequence[Event]) -> dict[str, Any]:
        """The schedule's row after events that may have been there before."""
        for view in self._views:
            view.handle(self._connection, [Recorded(n, PROJECT, event) for n, event in enumerate(events, start=1)])
        return self.rows(self._views[0])[0]

    def rows(self, view: View) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in self._connection.execute(select(view.table))]

    @property
    def occurrences(self) -> dict[datetime, tuple[str, str | None, UUID | None]]:
        rows = sorted(self.rows(self._views[1]), key=lambda row: row["scheduled_for"])
        return {row["scheduled_for"]: (row["state"], row["reason"], row["batch_job_id"]) for row in rows}

    def late(self) -> list[float]:
        return [row["late_by_seconds"] for row in self.rows(self._views[1])]


@pytest.fixture
def views(connection: Connection) -> Views:
    return Views(connection)


def test_a_schedule_shows_what_was_agreed(views: Views) -> None:
    row = views.follow(attached(overlap="allow", catch_up="all", catch_up_window_minutes=7))
    assert {name: row[name] for name in ("status", "rrule", "timezone", "exdates", "overlap", "catch_up")} == {
        "status": "active",
        "rrule": "FREQ=HOURLY",
        "timezone": "UTC",
        "exdates": [],
        "overlap": "allow",
        "catch_up": "all",
    }
    assert (row["catch_up_window_minutes"], row["acknowledged_count"], row["acknowledged_by"]) == (7, 20, "key1")
    assert (row["ceiling"], row["workflow_version"], row["max_growth"]) == (22, 1, 0.1)
    assert (row["approval_expires_at"], row["next_occurrence"]) == (NOW + timedelta(days=9), FIRST)


def test_a_row_says_what_the_aggregate_does_at_every_step(views: Views) -> None:
    schedule = attached(overlap="buffer_one", catch_up="all", catch_up_window_minutes=120)
    daily = terms("FREQ=DAILY;COUNT=4", variables={"a": "b"})
    # The clock goes on with each step; what is due when it is left behind is in there too.
    steps = [
        lambda at: turn(schedule, at.now),
        lambda at: turn(schedule, at.now, busy=True),
        lambda at: settle(schedule, at.now, busy=True),
        lambda at: settle(schedule, at.now),
        lambda at: schedule.pause(note="why", meta=at),
        lambda at: schedule.revise(daily, meta=at),
        lambda at: schedule.resume(acknowledgement=acknowledged(5), approval=approved(5), meta=at),
        lambda at: settle(schedule, at.now + timedelta(days=9)),
        lambda at: schedule.revise(terms(), acknowledgement=acknowledged(6), approval=approved(6), meta=at),
        lambda at: schedule.detach(note="over", meta=at),
    ]
    statuses = []
    for hour, step in enumerate(steps):
        step(meta(now=FIRST + hour * HOUR))
        row = views.follow(schedule)
        statuses.append(row["status"])
        assert (row["status"], row["next_occurrence"]) == (schedule.status, schedule.next_occurrence)
        assert (row["revision"], row["rrule"]) == (schedule.version, schedule.terms.recurrence.rrule)
        assert row["acknowledged_count"] == schedule.acknowledgement["count"]
        assert (row["status"] == "active") == (schedule.due_at is not None)
    assert set(statuses) == {"active", "paused", "completed", "detached"}
    assert row["note"] == "over"


def test_the_same_events_twice_give_the_same_rows(views: Views) -> None:
    schedule = attached(overlap="buffer_one")
    turn(schedule, FIRST)
    turn(schedule, FIRST + HOUR, busy=True)
    settle(schedule, FIRST + 30 * HOUR, busy=True)
    settle(schedule, FIRST + 30 * HOUR)
    schedule.pause(note="x", meta=meta(now=FIRST + 40 * HOUR))
    row, occurrences = views.follow(schedule), views.occurrences
    assert (views.after(views.events), views.occurrences) == (row, occurrences)
    assert len(occurrences) == 41


def test_each_occurrence_says_what_became_of_it(views: Views) -> None:
    schedule = attached(overlap="buffer_one")
    turn(schedule, FIRST + MINUTE)
    schedule.hold(FIRST + HOUR, UUID(int=9), reason="beyond_growth", meta=meta(now=FIRST + HOUR))
    turn(schedule, FIRST + 2 * HOUR, busy=True)
    turn(schedule, FIRST + 3 * HOUR, busy=True)
    views.follow(schedule)
    fired = schedule.job_ids[-1]
    assert [found[:2] for found in views.occurrences.values()] == [
        ("fired", None),
        ("held", "beyond_growth"),
        ("buffered", "overlap"),
        ("skipped", "overlap"),
    ]
    assert views.late() == [60.0, 0.0, 0.0, 0.0]
    turn(schedule, FIRST + 3 * HOUR + MINUTE)
    views.follow(schedule)
    assert views.occurrences[FIRST + 2 * HOUR] == ("fired", None, schedule.job_ids[-1])
    assert fired == UUID(int=9)
    assert sorted(views.late()) == [0.0, 0.0, 60.0, 3660.0]


def test_on_a_clock_that_went_back_nothing_is_late_by_less_than_nothing(views: Views) -> None:
    schedule = attached()
    schedule.fire(FIRST, UUID(int=9), meta=meta(now=FIRST - MINUTE))
    views.follow(schedule)
    assert views.late() == [0.0]


# -- reads


@pytest.fixture
def timetable(database_url: str, tmp_path: Path) -> Iterator[Timetable]:
    product = Product(database_url, tmp_path, catch_up_spread_seconds=0)
    product.add_people(3)
    yield Timetable(product)
    product.close()


def test_occurrences_are_read_the_latest_first_a_page_at_a_time_and_by_state(timetable: Timetable) -> None:
    product = timetable.product
    schedule = timetable.attach(product.workflow(), catch_up_window_minutes=600)
    timetable.look_after(hours=7)
    reads, somebody = product.system.reads.schedules, product.principal()
    first = reads.occurrences(somebody, schedule, limit=4)
    second = reads.occurrences(somebody, schedule, limit=4, after=first.next_cursor)
    instants = [found["scheduled_for"] for found in [*first.data, *second.data]]
    assert (len(instants), second.next_cursor) == (7, None)
    assert instants == sorted(instants, reverse=True)
    assert first.data[0]["state"] == "fired"
    assert len(reads.occurrences(somebody, schedule, state="skipped").data) == 6
    assert reads.occurrences(somebody, schedule, state="held").data == []


def test_nobody_reads_the_schedules_of_another_project(timetable: Timetable) -> None:
    product = timetable.product
    schedule = timetable.attach(product.workflow())
    stranger = product.principal(project_id=product.other_project())
    reads = product.system.reads.schedules
    assert reads.list(stranger).data == []
    for read in (reads.get, reads.occurrences):
        with pytest.raises(DomainError) as refusal:
            read(stranger, schedule)
        assert refusal.value.code == "schedule.not_found"


def test_schedules_are_listed_by_workflow_and_status(timetable: Timetable) -> None:
    product = timetable.product
    one, another = product.workflow(), product.workflow()
    later = in_half_an_hour(product.clock.now() + timedelta(hours=3))
    schedules = [
        timetable.attach(one, "FREQ=DAILY;COUNT=1"),
        timetable.attach(one, "FREQ=DAILY", starts_at=later),
        timetable.attach(another),
    ]
    timetable.look_after(minutes=31)
    reads, somebody = product.system.reads.schedules, product.principal()

    def listed(**wanted: Any) -> list[UUID]:
        return [row["id"] for row in reads.list(somebody, **wanted).data]

    assert listed() == schedules[::-1]
    assert listed(workflow_id=one) == [schedules[1], schedules[0]]
    assert listed(workflow_id=one, status="completed") == [schedules[0]]


def test_a_wall_time_with_excluded_dates_is_shown_as_it_was_given(timetable: Timetable) -> None:
    workflow = timetable.product.workflow()
    schedule = timetable.attach(
        workflow, "FREQ=DAILY", starts_at="2028-01-01T09:00:00", timezone="Asia/Tokyo", exdates=["2028-01-01T09:00:00"]
    )
    row = timetable.get(schedule)
    assert (row["starts_at"], row["exdates"]) == ("2028-01-01T09:00:00", ["2028-01-01T09:00:00"])
    assert row["next_occurrence"] == datetime(2028, 1, 2, 0, tzinfo=UTC)
