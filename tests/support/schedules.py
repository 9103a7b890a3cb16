"""Schedules without a database: attached, driven for a while, and what became of each of their occurrences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from aggregates.base import Event, decode, encode, fold
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.events import (
    ScheduleFired,
    ScheduleOccurrenceBuffered,
    ScheduleOccurrenceHeld,
    ScheduleOccurrencesSkipped,
)
from aggregates.schedule.firing import Firing
from aggregates.schedule.terms import Terms
from tests.support.aggregates import NOW, acknowledged, approved, meta

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

FIRST = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
"""The first occurrence of a schedule here, unless a test says otherwise."""


def recurring(rrule: str = "FREQ=HOURLY", starts_at: datetime = FIRST, zone: str = "UTC", **facts: Any) -> Recurrence:
    text = starts_at.replace(tzinfo=None).isoformat()
    found, problems = Recurrence.parse(rrule, text, zone, **{"now": NOW, **facts})
    assert found is not None, problems
    return found


def terms(rrule: str = "FREQ=HOURLY", *, variables: dict[str, Any] | None = None, **firing: Any) -> Terms:
    return Terms(recurring(rrule), variables or {}, Firing(**firing))


def attached(wanted: Terms | None = None, *, now: datetime = NOW) -> Schedule:
    """An active schedule with nothing pending."""
    schedule = Schedule.attach(
        UUID(int=3),
        workflow_id=UUID(int=2),
        terms=wanted or terms(),
        acknowledgement=acknowledged(),
        approval=approved(),
        request_digest="d",
        meta=meta(now=now),
    )
    schedule.collect_events()
    return schedule


def job_of(schedule: Schedule, occurrence: datetime) -> UUID:
    """The only id that the batch job of an occurrence can have."""
    return uuid5(schedule.id, occurrence.isoformat())


def turn(schedule: Schedule, now: datetime, *, busy: bool = False, seen_at: datetime | None = None) -> datetime | None:
    """What the scheduler asks for once; what is to fire is fired."""
    at = meta(now=now)
    occurrence = schedule.take_turn(busy=busy, seen_at=seen_at or now, meta=at)
    if occurrence is not None:
        schedule.fire(occurrence, job_of(schedule, occurrence), meta=at)
    return occurrence


def settle(schedule: Schedule, now: datetime, *, busy: bool = False, jobs_run: bool = False) -> list[datetime]:
    """Turns until there is nothing more to decide; what was fired. With `jobs_run` each job that fires is at work."""
    fired: list[datetime] = []
    while True:
        before = schedule.version
        occurrence = turn(schedule, now, busy=busy or (jobs_run and bool(fired)))
        if occurrence is not None:
            fired.append(occurrence)
        if schedule.version == before:
            return fired


def decisions(events: Sequence[Event]) -> list[tuple[datetime, str]]:
    """What was decided about occurrences, in the order of the log."""
    found: list[tuple[datetime, str]] = []
    for event in events:
        match event:
            case ScheduleFired():
                found.append((event.scheduled_for, "fired"))
            case ScheduleOccurrenceHeld():
                found.append((event.scheduled_for, event.reason))
            case ScheduleOccurrenceBuffered():
                found.append((event.scheduled_for, "buffered"))
            case ScheduleOccurrencesSkipped():
                found += [(occurrence, event.reason) for occurrence in event.scheduled_for]
    return found


def again(events: Sequence[Event]) -> Schedule:
    """The schedule that stored events add up to."""
    found = fold(decode(e.originator_id, e.originator_version, *encode(e)) for e in events)
    assert isinstance(found, Schedule)
    return found
