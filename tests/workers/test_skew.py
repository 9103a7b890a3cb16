"""A scheduler whose clock is wrong decides nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from commands.schedule import AttachSchedule
from tests.support.product import Json, Product
from tests.workers.conftest import Workshop
from workers.skew import LARGEST, ClockWatch


class Ticks:
    """Lets a scheduler tick so many times."""

    def __init__(self, ticks: int) -> None:
        self._left = ticks

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0

    def wait(self, _seconds: float) -> None:
        pass


def ticked(workshop: Workshop) -> None:
    stopped: Any = Ticks(3)
    workshop.scheduler._tick(stopped, workshop.scheduler.fire, workshop.scheduler.wake)


@pytest.fixture
def hourly(product: Product) -> UUID:
    product.add_people(1)
    terms: Json = {"rrule": "FREQ=HOURLY", "starts_at": "2026-01-01T00:00:00"}
    return UUID(product.ask(AttachSchedule(product.workflow(), acknowledged_affected_count=1, **terms))["schedule_id"])


@pytest.mark.parametrize("hours", [2, 24])
def test_a_clock_that_is_ahead_fires_and_skips_nothing(
    product: Product, workshop: Workshop, hourly: UUID, hours: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = product.log_position()
    product.clock.advance(hours=hours)
    ticked(workshop)
    assert product.log_position() == before
    told = [record for record in caplog.records if "ahead of the database's" in record.getMessage()]
    assert len(told) == 1


def test_a_clock_that_agrees_works(workshop: Workshop) -> None:
    worked: list[int] = []

    def work() -> int:
        worked.append(1)
        return 1

    stopped: Any = Ticks(3)
    workshop.scheduler._tick(stopped, work)
    assert len(worked) == 3


@pytest.mark.parametrize("sign", [1, -1])
def test_a_few_seconds_are_let_be_and_more_are_not(product: Product, sign: int) -> None:
    product.clock.advance(seconds=sign * (LARGEST.total_seconds() - 1))
    assert ClockWatch(product.system).agrees()
    product.clock.advance(seconds=sign * 2.5)
    assert not ClockWatch(product.system).agrees()
