"""Rows that cannot be decided, schedulers that were frozen, and an outage that ends for many schedules at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from commands.due import FireSchedule
from tests.support.product import Product
from tests.support.timetable import Timetable, scheduler_of

SPREAD = 60


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, catch_up_spread_seconds=SPREAD)
    built.add_people(3)
    yield built
    built.close()


@pytest.fixture
def timetable(product: Product) -> Timetable:
    return Timetable(product)


def spoil(product: Product, streams: list[UUID], text: str, instead: str) -> None:
    """Replace a text in stored events."""
    product.execute(
        "UPDATE log SET state = convert_to(replace(convert_from(state, 'UTF8'), :text, :instead), 'UTF8') "
        "WHERE originator_id = ANY(:streams)",
        streams=streams,
        text=text,
        instead=instead,
    )


def test_rows_that_cannot_be_decided_stand_in_nobodys_way(
    timetable: Timetable, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    product, workflow, bad_workflow = timetable.product, timetable.product.workflow(), timetable.product.workflow()
    no_zone, no_json = timetable.attach_many(60, workflow), timetable.attach_many(60, workflow)
    no_workflow, raising = timetable.attach_many(60, bad_workflow), timetable.attach_many(1, workflow)
    good = timetable.attach_many(3, workflow)
    product.catch_up()
    spoil(product, no_zone, "UTC", "Nowhere")
    spoil(product, no_json, "{", "[")
    spoil(product, [bad_workflow], '"content"', '"contents"')
    dispatch = product.system.bus.dispatch

    def fails_for_one(command: FireSchedule, meta: object) -> object:
        if command.schedule_id in raising:
            raise RuntimeError("out of luck")
        return dispatch(command, meta)  # type: ignore[arg-type]

    monkeypatch.setattr(product.system.bus, "dispatch", fails_for_one)
    found = timetable.look_after(minutes=31)
    assert (found.processed, found.failed) == (3, 181)
    assert [timetable.became(schedule) for schedule in good] == [["fired"]] * 3
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert all(str(schedule) in said for schedule in [*no_zone, *no_json, *no_workflow, *raising])
    assert not any(str(schedule) in said for schedule in good)


def test_a_row_that_was_mended_is_decided_with_a_later_look(timetable: Timetable) -> None:
    product = timetable.product
    (schedule,) = timetable.attach_many(1, product.workflow())
    product.catch_up()
    spoil(product, [schedule], "UTC", "Nowhere")
    assert timetable.look_after(minutes=31).failed == 1
    spoil(product, [schedule], "Nowhere", "UTC")
    assert timetable.look().processed == 1
    assert timetable.became(schedule) == ["fired"]


def test_after_an_outage_catching_up_is_spread(timetable: Timetable) -> None:
    schedules = timetable.attach_many(200, timetable.product.workflow())
    timetable.product.clock.stop()
    timetable.product.clock.advance(hours=24)
    fired = [timetable.look().processed]
    while sum(fired) < len(schedules):
        fired.append(timetable.look_after(seconds=5).processed)
        assert len(fired) < 14
    assert len(fired) > 6
    assert fired[0] < 10
    assert max(fired) < 100
    tallies = [timetable.tally(schedule) for schedule in schedules]
    assert all(tally == {"missed": 23, "fired": 1} for tally in tallies)
    assert timetable.look_after(seconds=SPREAD).processed == 0


def test_what_is_on_time_is_not_spread(timetable: Timetable) -> None:
    timetable.attach_many(20, timetable.product.workflow())
    assert timetable.look_after(minutes=31).processed == 20


def test_the_window_counts_until_the_outage_was_over_and_not_until_the_turn(timetable: Timetable) -> None:
    schedules = timetable.attach_many(
        20, timetable.product.workflow(), "FREQ=HOURLY;INTERVAL=2", catch_up_window_minutes=60
    )
    # Half a minute less than an hour late.
    assert timetable.look_after(minutes=89, seconds=30).failed == 0
    timetable.look_after(seconds=SPREAD)
    assert [timetable.became(schedule) for schedule in schedules] == [["fired"]] * 20


@pytest.mark.parametrize("catch_up", ["skip", "latest", "all"])
def test_a_scheduler_that_was_frozen_while_it_waited_measures_anew(timetable: Timetable, catch_up: str) -> None:
    (schedule,) = timetable.attach_many(1, timetable.product.workflow(), catch_up=catch_up, overlap="allow")
    timetable.look_after(minutes=40)
    for _ in range(3):
        timetable.look_after(hours=8)
    timetable.look_after(seconds=SPREAD)
    timetable.look_after(seconds=SPREAD)
    expected = {"skip": 0, "latest": 1, "all": 1}[catch_up]
    assert timetable.became(schedule)[-8:] == ["missed"] * (8 - expected) + ["fired"] * expected


def test_a_scheduler_remembers_nothing_of_what_another_one_decided(timetable: Timetable) -> None:
    (schedule,) = timetable.attach_many(1, timetable.product.workflow(), catch_up="skip")
    another = scheduler_of(timetable.product.system)
    timetable.look_after(minutes=40)
    for seconds in (0, SPREAD, SPREAD):
        timetable.product.clock.advance(seconds=seconds)
        another.fire()
    for _ in range(2):
        timetable.look_after(hours=5)
    timetable.look_after(seconds=SPREAD)
    timetable.look_after(seconds=SPREAD)
    assert set(timetable.became(schedule)) == {"missed"}
