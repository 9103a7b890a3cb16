"""The schedule's guards, and the recurrence that it carries."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from tests.support.aggregates import NOW, acknowledged, given, meta, topics


def recurrence(rrule: str = "FREQ=DAILY", starts_at: str = "2026-01-01T09:00:00", zone: str = "UTC") -> Recurrence:
    found, problems = Recurrence.parse(rrule, starts_at, zone, now=NOW)
    assert found is not None, problems
    return found


def attached() -> Schedule:
    return given(
        Schedule.attach(
            UUID(int=3),
            workflow_id=UUID(int=2),
            recurrence=recurrence(),
            variables={},
            acknowledgement=acknowledged(),
            meta=meta(),
        )
    )


def test_a_schedule_pauses_and_resumes_with_a_fresh_acknowledgement() -> None:
    schedule = attached()
    schedule.pause(note="provider move", meta=meta())
    assert schedule.status == "paused"
    schedule.resume(acknowledged(count=9), meta=meta())
    assert (schedule.status, schedule.acknowledgement["count"]) == ("active", 9)


def test_pausing_a_paused_schedule_records_nothing() -> None:
    schedule = given(attached(), lambda s: s.pause(note="a", meta=meta()))
    schedule.pause(note="b", meta=meta())
    assert topics(schedule) == []


@pytest.mark.parametrize("move", ["pause", "resume"])
def test_a_detached_schedule_stays_detached(move: str) -> None:
    schedule = given(attached(), lambda s: s.detach(note="", meta=meta()))
    moves = {
        "pause": lambda: schedule.pause(note="x", meta=meta()),
        "resume": lambda: schedule.resume(acknowledged(), meta=meta()),
    }
    with pytest.raises(DomainError) as refusal:
        moves[move]()
    assert refusal.value.code == "schedule.ended"
    schedule.detach(note="again", meta=meta())
    assert topics(schedule) == []


@pytest.mark.parametrize(
    "rrule",
    [
        "",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;COUNT=2;UNTIL=20280101T000000Z",
        "DTSTART:20260101T000000\nRRULE:FREQ=DAILY",
        "dtstart:20260101T000000;FREQ=DAILY",
        "FREQ=DAILY\nRRULE:FREQ=WEEKLY",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=1MO,TH",
        "FREQ=DAILY;BYHOUR=9;BYMINUTE=0,1",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=DAILY;UNTIL=20200101T000000Z",
        "FREQ=DAILY;X=1",
        "x" * 501,
    ],
)
def test_a_rule_outside_the_grammar_is_refused(rrule: str) -> None:
    found, problems = Recurrence.parse(rrule, "2026-01-01T09:00:00", "UTC", now=NOW)
    assert found is None
    assert all(problem.pointer == "/rrule" for problem in problems)
    assert problems


def test_nine_in_prague_stays_nine_across_the_clock_change() -> None:
    daily = recurrence(starts_at="2026-01-01T09:00:00", zone="Europe/Prague")
    assert daily.next_after(datetime(2026, 3, 27, 12, tzinfo=UTC)) == datetime(2026, 3, 28, 8, tzinfo=UTC)
    assert daily.next_after(datetime(2026, 3, 29, 12, tzinfo=UTC)) == datetime(2026, 3, 30, 7, tzinfo=UTC)


def test_an_end_with_z_means_utc() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    # Nine in Prague is eight UTC in winter.
    reached = recurrence("FREQ=DAILY;UNTIL=20261122T080000Z", zone="Europe/Prague")
    missed = recurrence("FREQ=DAILY;UNTIL=20261123T075959Z", zone="Europe/Prague")
    assert reached.next_after(noon) == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert missed.next_after(datetime(2026, 11, 22, 8, tzinfo=UTC)) is None


@pytest.mark.parametrize(("field", "value"), [("starts_at", "soon"), ("starts_at", None), ("timezone", "Mars/Base")])
def test_every_wrong_field_is_named(field: str, value: object) -> None:
    given_fields = {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T09:00:00", "timezone": "UTC", field: value}
    found, problems = Recurrence.parse(**given_fields, now=NOW)
    assert found is None
    assert [problem.pointer for problem in problems] == [f"/{field}"]
