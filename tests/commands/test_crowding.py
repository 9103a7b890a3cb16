"""Schedules of one workflow together: how many are active, and how close they come to each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregates.errors import DomainError
from aggregates.recurrence import Recurrence
from aggregates.recurrence.together import clash
from commands import crowding
from commands.schedule import PauseSchedule, ResumeSchedule, ReviseSchedule
from tests.commands.conftest import Desk, refused
from tests.support.product import Product

NOW = datetime(2026, 11, 28, tzinfo=UTC)
HOUR = timedelta(hours=1)


def recurrence(rrule: str, starts_at: str = "2026-01-01T09:00:00", timezone: str = "UTC") -> Recurrence:
    found, problems = Recurrence.parse(rrule, starts_at, timezone, now=NOW)
    assert found, problems
    return found


DAILY = recurrence("FREQ=DAILY")


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        (DAILY, DAILY, True),
        (DAILY, recurrence("FREQ=DAILY", "2026-01-01T09:59:00"), True),
        (DAILY, recurrence("FREQ=DAILY", "2026-01-01T10:00:00"), False),
        (DAILY, recurrence("FREQ=DAILY", "2026-01-01T08:01:00"), True),
        (recurrence("FREQ=HOURLY"), recurrence("FREQ=HOURLY", "2026-01-01T09:30:00"), True),
        # Rare beside frequent: years ahead of what is listed of the frequent one.
        (recurrence("FREQ=HOURLY"), recurrence("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=1"), True),
        (recurrence("FREQ=WEEKLY;BYDAY=MO"), recurrence("FREQ=WEEKLY;BYDAY=TU"), False),
        (recurrence("FREQ=WEEKLY;BYDAY=MO"), recurrence("FREQ=MONTHLY;BYMONTHDAY=13"), True),
        # Nine in Berlin is eight or seven of UTC: they meet in summer only.
        (recurrence("FREQ=DAILY", "2026-01-01T07:00:00"), recurrence("FREQ=DAILY", timezone="Europe/Berlin"), True),
        (recurrence("FREQ=HOURLY;INTERVAL=23"), recurrence("FREQ=HOURLY;INTERVAL=25"), True),
    ],
)
def test_two_recurrences_meet_or_they_do_not_whichever_is_asked_first(
    one: Recurrence, other: Recurrence, meets: bool
) -> None:
    for first, second in ((one, other), (other, one)):
        assert (clash(first, second, now=NOW, least=HOUR) is not None) == meets


def at(hour: int) -> dict[str, Any]:
    """Another hour of the day, far enough from every other one."""
    return {"starts_at": f"2026-01-01T{hour:02}:00:00"}


def test_the_most_is_what_is_said_everywhere() -> None:
    assert crowding.MOST_ACTIVE == 20


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Less is enough to see that there is a most."""
    monkeypatch.setattr(crowding, "MOST_ACTIVE", 4)
    return 4


def fill(desk: Desk) -> None:
    for hour in range(crowding.MOST_ACTIVE):
        desk.attach(**at(hour))


def test_a_workflow_has_at_most_so_many_active_schedules(desk: Desk, few: int) -> None:
    fill(desk)
    one_more = desk.attaching(2, **at(22))
    refusal = refused(desk.product, one_more, desk.somebody)
    assert (refusal.code, refusal.details) == ("schedule.too_many", {"active": few, "most": few})
    first = min(row[0] for row in desk.product.execute("SELECT id FROM stream_heads WHERE kind = 'schedule'"))
    desk.product.ask(PauseSchedule(first, "make room"))
    desk.product.ask(one_more, desk.somebody)
    assert refused(desk.product, ResumeSchedule(first, 2), desk.somebody).code == "schedule.too_many"
    desk.workflow_id = desk.product.workflow(trigger=desk.workflow()["trigger"])
    desk.attach(**at(22))


def test_schedules_of_a_workflow_are_as_far_apart_as_the_occurrences_of_one(desk: Desk) -> None:
    first = desk.attach()
    later, paused = desk.attach(**at(12)), desk.attach(**at(15))
    desk.product.ask(PauseSchedule(paused, "later"))
    desk.product.ask(ReviseSchedule(paused, **at(9)), desk.somebody)
    for command in (
        desk.attaching(2, starts_at="2026-01-01T09:00:01"),
        desk.attaching(2, starts_at="2026-01-01T09:30:00"),
        ReviseSchedule(later, starts_at="2026-01-01T09:59:59", acknowledged_affected_count=2),
    ):
        refusal = refused(desk.product, command, desk.somebody)
        assert refusal.code == "schedule.invalid"
        assert [(problem.pointer, problem.code) for problem in refusal.problems] == [("/rrule", "rrule.too_close")]
    for same in (desk.attaching(2), ResumeSchedule(paused, 2)):
        refusal = refused(desk.product, same, desk.somebody)
        assert (refusal.code, refusal.details) == ("schedule.already_attached", {"schedule_id": str(first)})
    desk.product.ask(ReviseSchedule(later, **at(10), acknowledged_affected_count=2), desk.somebody)


def test_of_many_that_are_attached_at_once_one_gets_the_hour(product: Product) -> None:
    desk = Desk(product)

    def attach(_: int) -> str:
        try:
            product.system.bus.dispatch(desk.attaching(2), product.system.meta(desk.somebody, via="test"))
        except DomainError as refusal:
            return refusal.code
        return "attached"

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(attach, range(6))) == ["attached"] + ["schedule.already_attached"] * 5
