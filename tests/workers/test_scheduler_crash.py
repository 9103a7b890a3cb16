"""Schedulers that are killed, and many that work at the same time: one job an occurrence, and none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import Product
from tests.support.schedulers import Place, look_and_die, look_together
from tests.support.timetable import Timetable

ONCE = "FREQ=DAILY;COUNT=1"
DUE = 300


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, catch_up_spread_seconds=0)
    built.add_people(3)
    yield built
    built.close()


def test_a_scheduler_that_is_killed_between_any_two_of_its_steps(product: Product) -> None:
    timetable, workflow, deaths, step = Timetable(product), product.workflow(), 0, 1
    while True:
        fresh = timetable.attach_many(2, workflow, ONCE)
        product.clock.advance(minutes=31)
        died = look_and_die(Place.of(product), step)
        before = len(timetable.jobs())
        assert timetable.look().failed == 0
        assert [timetable.became(schedule) for schedule in fresh] == [["fired"], ["fired"]]
        assert [len(timetable.jobs(schedule)) for schedule in fresh] == [1, 1]
        assert {timetable.get(schedule)["status"] for schedule in fresh} == {"completed"}
        if not died:
            assert before == len(timetable.jobs())
            break
        deaths, step = deaths + 1, step + 1
    # Two schedules: each is claimed, loaded, sized, appended and committed, and dies before and after each of these.
    assert deaths > 30
    assert len(timetable.jobs()) == 2 * (deaths + 1)


def test_four_schedulers_over_hundreds_of_due_schedules(product: Product) -> None:
    timetable, workflow = Timetable(product), product.workflow()
    schedules = timetable.attach_many(DUE, workflow, ONCE)
    product.clock.advance(minutes=31)
    found = look_together(Place.of(product), 4)
    assert sum(processed for processed, _ in found) == DUE
    assert sum(failed for _, failed in found) == 0
    jobs = timetable.jobs()
    assert len(jobs) == DUE
    assert {job["schedule_id"] for job in jobs} == set(schedules)
    assert timetable.look().processed == 0
