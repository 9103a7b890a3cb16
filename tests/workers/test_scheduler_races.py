"""A schedule that is paused, detached, revised or archived while it fires: whoever comes second sees the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.schedule import DetachSchedule, PauseSchedule, ReviseSchedule
from commands.workflow import ArchiveWorkflow
from engine.store import Store
from tests.support.gates import Gate, beginning, somebody_waits
from tests.support.product import Product
from tests.support.timetable import Timetable, scheduler_of
from tests.support.wait import until

COMMANDS: dict[str, tuple[Callable[[UUID, UUID], Any], str]] = {
    "pause": (lambda schedule, _: PauseSchedule(schedule, "stop"), "paused"),
    "detach": (lambda schedule, _: DetachSchedule(schedule, "over"), "detached"),
    "revise": (lambda schedule, _: ReviseSchedule(schedule, "FREQ=DAILY", acknowledged_affected_count=3), "revised"),
    "archive": (lambda _, workflow: ArchiveWorkflow(workflow), "detached"),
}
"""What stops a schedule from firing as it was, and what it is then."""


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, catch_up_spread_seconds=0)
    built.add_people(3)
    yield built
    built.close()


class Race:
    """One due schedule, a scheduler, and somebody who stops the schedule."""

    def __init__(self, product: Product, command: str) -> None:
        self.product, self.timetable = product, Timetable(product)
        workflow = product.workflow()
        self.schedule = self.timetable.attach(workflow, overlap="allow")
        command_for, self.ended = COMMANDS[command]
        self.command = command_for(self.schedule, workflow)
        product.clock.advance(minutes=31)

    def stop(self) -> None:
        system = self.product.system
        system.bus.dispatch(self.command, system.meta(self.product.principal(), via="test"))

    def story(self) -> list[str]:
        """What the log says of the schedule after it was attached, job and all, in its order."""
        topics = self.product.execute(
            "SELECT topic FROM log WHERE originator_id IN "
            "(SELECT id FROM stream_heads WHERE kind IN ('schedule', 'batch_job')) ORDER BY notification_id OFFSET 1"
        )
        return [topic.removesuffix(".v1").removeprefix("schedule.") for (topic,) in topics]


@pytest.fixture(params=list(COMMANDS))
def race(product: Product, request: pytest.FixtureRequest) -> Race:
    return Race(product, request.param)


def test_who_stops_a_schedule_that_is_just_firing_waits_and_comes_second(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(Store, "claim", gate.stops(Store.claim))
    firing = gate.run(race.timetable.scheduler.fire)
    with beginning(race.stop) as stopping:
        somebody_waits(race.product.system.engine)
        gate.open.set()
        assert firing.result().failed == 0
        stopping.result()
    assert race.story() == ["fired", "batch_job.requested", race.ended]
    assert race.timetable.look().processed == 0


def test_a_scheduler_passes_by_while_somebody_stops_the_schedule(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(Store, "save", gate.stops(Store.save))
    stopping = gate.run(race.stop)
    assert race.timetable.scheduler.fire().processed == 0
    gate.open.set()
    stopping.result()
    assert race.timetable.look().processed == 0
    assert race.story() == ["occurrences_skipped", race.ended]
    assert race.timetable.became(race.schedule) == [race.ended]


def test_who_has_read_a_schedule_before_it_fires_reads_it_again(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(Store, "save", gate.stops(Store.save, before=True))
    stopping = gate.run(race.stop)
    # Archiving holds what belongs to the workflow from the moment it reads it; the others take what they find.
    held = isinstance(race.command, ArchiveWorkflow)
    assert race.timetable.scheduler.fire().processed == (not held)
    gate.open.set()
    stopping.result()
    fired = ["occurrences_skipped"] if held else ["fired", "batch_job.requested"]
    assert race.story() == [*fired, race.ended]
    assert race.timetable.look().processed == 0


def test_a_workflow_with_many_schedules_is_archived_while_they_fire(product: Product) -> None:
    timetable, workflow = Timetable(product), product.workflow()
    schedules = timetable.attach_many(150, workflow)
    product.clock.advance(minutes=31)

    def archived() -> bool:
        try:
            return bool(product.ask(ArchiveWorkflow(workflow)))
        except DomainError as refusal:
            if refusal.code != "stream.conflict":
                raise
            return False

    with beginning(scheduler_of(product.system).fire) as one, beginning(scheduler_of(product.system).fire) as another:
        until(lambda: product.execute("SELECT 1 FROM stream_heads WHERE kind = 'batch_job' LIMIT 1"))
        until(archived, seconds=30)
        assert one.result().failed + another.result().failed == 0
    # Whatever had fired before the archive did; nothing did after it.
    archive, last_job = product.execute(
        "SELECT min(notification_id) FILTER (WHERE topic = 'workflow.archived.v1'), "
        "max(notification_id) FILTER (WHERE topic = 'batch_job.requested.v1') FROM log"
    )[0]
    assert last_job < archive
    assert {timetable.get(schedule)["status"] for schedule in schedules} == {"detached"}
    assert timetable.look().processed == 0
