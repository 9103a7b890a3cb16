"""Schedules over the real store: attached, driven by passes of a scheduler, and what the views say became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aggregates.base import Principal
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from aggregates.schedule.firing import Firing
from aggregates.schedule.terms import Terms
from aggregates.values import Acknowledgement, StandingApproval
from commands.schedule import AttachSchedule
from engine.bootstrap import System
from engine.ids import new_id
from engine.store import Store
from tests.support.product import Json, Product
from workers.due import Pass
from workers.scheduler import Scheduler


class Silence:
    """Bells that nobody hears."""

    def ring(self, job_id: UUID, times: int = 1) -> None:
        """Nothing."""


def scheduler_of(system: System) -> Scheduler:
    return Scheduler(system, Silence())  # type: ignore[arg-type]


class Timetable:
    """A product's schedules. A pass is one look of the scheduler at what is due, with the views brought up to date."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.scheduler = scheduler_of(product.system)

    def attach(
        self,
        workflow_id: UUID,
        rrule: str = "FREQ=HOURLY",
        *,
        principal: Principal | None = None,
        starts_at: str | None = None,
        **terms: Any,
    ) -> UUID:
        """A schedule, first due in half an hour unless told otherwise."""
        start = starts_at or in_half_an_hour(self.product.clock.now())
        count = self.product.size(workflow_id)["affected"]
        command = AttachSchedule(workflow_id, rrule, start, count, **terms)
        return UUID(self.product.ask(command, principal)["schedule_id"])

    def attach_many(self, count: int, workflow_id: UUID, rrule: str = "FREQ=HOURLY", **firing: Any) -> list[UUID]:
        """Many schedules at once, past the commands: half an hour before their first occurrence, up to nine people."""
        return attach_many(self.product, count, workflow_id, rrule, **firing)

    def join(self, count: int) -> None:
        """So many more people, after those who are there."""
        self.product.execute(
            "INSERT INTO people (project_id, distinct_id, email, address, properties) "
            "SELECT :project, name, name || '@example.com', name || '@example.com', '{}' FROM "
            "(SELECT 'later' || (SELECT count(*) FROM people) + n AS name FROM generate_series(1, :count) AS n) x",
            project=self.product.project_id,
            count=count,
        )

    def look(self) -> Pass:
        found = self.scheduler.fire()
        self.product.catch_up()
        return found

    def look_after(self, **time: float) -> Pass:
        self.product.clock.advance(**time)
        return self.look()

    def get(self, schedule_id: UUID) -> Json:
        return self.product.system.reads.schedules.get(self.product.principal(), schedule_id)

    def occurrences(self, schedule_id: UUID) -> list[Json]:
        """What became of the occurrences of a schedule, oldest first."""
        reads, found, after = self.product.system.reads.schedules, [], None
        while True:
            page = reads.occurrences(self.product.principal(), schedule_id, limit=100, after=after)
            found += page.data
            after = page.next_cursor
            if after is None:
                return found[::-1]

    def became(self, schedule_id: UUID) -> list[str]:
        """The same in a word each: the state, or why it is not fired."""
        return [found["reason"] or found["state"] for found in self.occurrences(schedule_id)]

    def tally(self, schedule_id: UUID) -> Counter[str]:
        return Counter(self.became(schedule_id))

    def jobs(self, schedule_id: UUID | None = None) -> list[Json]:
        """Jobs of a schedule, or of all, by the instant that they are for."""
        self.product.catch_up()
        rows = self.product.execute(
            "SELECT id, schedule_id, scheduled_for, status, reason, acknowledged, late_by_seconds FROM batch_jobs "
            "WHERE schedule_id IS NOT NULL AND (CAST(:id AS uuid) IS NULL OR schedule_id = :id) ORDER BY scheduled_for",
            id=schedule_id,
        )
        return [dict(row._mapping) for row in rows]


def in_half_an_hour(now: datetime) -> str:
    """A wall time in UTC, to the second."""
    return (now.astimezone(UTC) + timedelta(minutes=30)).replace(microsecond=0, tzinfo=None).isoformat()


def attach_many(product: Product, count: int, workflow_id: UUID, rrule: str, **firing: Any) -> list[UUID]:
    meta = product.system.meta(product.principal(), via="test")
    recurrence, problems = Recurrence.parse(rrule, in_half_an_hour(meta.now), "UTC", now=meta.now)
    assert recurrence is not None, problems
    made: Sequence[Schedule] = [
        Schedule.attach(
            new_id(),
            workflow_id=workflow_id,
            terms=Terms(recurrence, {}, Firing(**firing)),
            acknowledgement=Acknowledgement(count=9, fingerprint="f", token_nonce=None, sized_at=None),
            approval=StandingApproval(by="tester", workflow_version=1, max_growth=0.0, ceiling=9),
            request_digest="d",
            meta=meta,
        )
        for _ in range(count)
    ]
    with product.system.engine.begin() as connection:
        Store(connection, product.system.recorder).save(*made)
    return [schedule.id for schedule in made]
