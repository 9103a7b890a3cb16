"""What a standing approval lets a schedule do, and what waits for a human instead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.approval import ApproveBatchJob
from commands.due import CHANGED
from commands.workflow import DisableWorkflow, EditWorkflow
from tests.support.product import CAPTURE, Product, batch, person
from tests.support.timetable import Timetable
from tests.workers.conftest import Workshop


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


def held_by(timetable: Timetable, schedule_id: UUID) -> tuple[str, str, str]:
    """The state of the latest occurrence, why, and its job's status."""
    latest, job = timetable.occurrences(schedule_id)[-1], timetable.jobs(schedule_id)[-1]
    return latest["state"], latest["reason"], job["status"]


def test_growth_inside_the_ceiling_fires_for_whoever_matches_then(workshop: Workshop, timetable: Timetable) -> None:
    schedule = timetable.attach(timetable.product.workflow(), max_growth=0.1)
    timetable.join(1)
    timetable.look_after(minutes=31)
    (job,) = timetable.jobs(schedule)
    assert (job["status"], job["acknowledged"]) == ("queued", 21)
    timetable.join(1)
    assert workshop.advance(job["id"])["delivered"] == 22


def test_drift_beyond_the_ceiling_between_firing_and_enrolment_fails_the_job(
    workshop: Workshop, timetable: Timetable
) -> None:
    schedule = timetable.attach(timetable.product.workflow(), max_growth=0.1)
    timetable.look_after(minutes=31)
    timetable.join(3)
    (job,) = timetable.jobs(schedule)
    ended = workshop.advance(job["id"])
    assert (ended["status"], ended["enrolled"]) == ("failed", None)
    assert "acknowledged 20" in str(ended["reason"])


def test_growth_beyond_the_ceiling_is_held(timetable: Timetable) -> None:
    schedule = timetable.attach(timetable.product.workflow(), max_growth=0.1)
    timetable.join(3)
    timetable.look_after(minutes=31)
    assert held_by(timetable, schedule) == ("held", "beyond_growth", "held")


def test_a_standing_approval_that_has_ended_holds(timetable: Timetable) -> None:
    ends = (timetable.product.clock.now() + timedelta(hours=1)).isoformat()
    schedule = timetable.attach(timetable.product.workflow(), approval_expires_at=ends, overlap="allow")
    timetable.look_after(minutes=31)
    assert timetable.became(schedule) == ["fired"]
    timetable.look_after(hours=1)
    assert held_by(timetable, schedule) == ("held", "approval_expired", "held")


@pytest.mark.parametrize(
    ("limits", "reason"), [({"max_audience": 19}, "over_limit"), ({"approval_over": 19}, "approval_over")]
)
def test_a_policy_that_was_narrowed_since_holds(timetable: Timetable, limits: dict[str, int], reason: str) -> None:
    schedule = timetable.attach(timetable.product.workflow())
    timetable.product.execute(
        "UPDATE projects SET limits = jsonb_build_object(CAST(:name AS text), CAST(:limit AS int))",
        name=next(iter(limits)),
        limit=next(iter(limits.values())),
    )
    timetable.look_after(minutes=31)
    assert held_by(timetable, schedule) == ("held", reason, "held")


def test_nobody_is_skipped_and_so_is_a_workflow_that_is_disabled(timetable: Timetable) -> None:
    product = timetable.product
    workflow = product.workflow(trigger=batch(person("plan", "exact", "pro")))
    schedule = timetable.attach(workflow)
    product.execute("UPDATE people SET properties = '{}'")
    timetable.look_after(minutes=31)
    product.ask(DisableWorkflow(workflow))
    timetable.look_after(hours=1)
    assert timetable.became(schedule) == ["audience.empty", "workflow.not_active"]
    assert timetable.jobs() == []
    assert timetable.get(schedule)["status"] == "active"


def test_a_change_of_the_content_pauses_the_schedule(timetable: Timetable) -> None:
    product, workflow = timetable.product, timetable.product.workflow()
    schedule = timetable.attach(workflow)
    product.ask(DisableWorkflow(workflow))
    product.ask(EditWorkflow(workflow, 1, steps=[{**CAPTURE, "name": "Another"}]))
    timetable.look_after(minutes=31)
    found = timetable.get(schedule)
    assert (found["status"], found["note"], found["next_occurrence"]) == ("paused", CHANGED, None)
    assert timetable.occurrences(schedule) == []


def test_a_change_that_no_edit_has_paused_it_for_is_met_when_it_fires(timetable: Timetable) -> None:
    product, workflow = timetable.product, timetable.product.workflow()
    product.ask(DisableWorkflow(workflow))
    product.ask(EditWorkflow(workflow, 1, steps=[{**CAPTURE, "name": "Another"}]))
    (schedule,) = timetable.attach_many(1, workflow)
    timetable.look_after(minutes=31)
    assert (timetable.get(schedule)["note"], timetable.became(schedule)) == (CHANGED, ["paused"])


def test_a_held_occurrence_runs_when_another_person_approves_it(workshop: Workshop, timetable: Timetable) -> None:
    product, workflow = timetable.product, timetable.product.workflow()
    schedule = timetable.attach(workflow)
    timetable.join(10)
    timetable.look_after(minutes=31)
    (job,) = timetable.jobs(schedule)
    with pytest.raises(DomainError) as refusal:
        product.ask(ApproveBatchJob(job["id"], 30))
    assert refusal.value.code == "approval.own_request"
    product.ask(ApproveBatchJob(job["id"], 30), product.principal(id="somebody else"))
    assert workshop.advance(job["id"])["delivered"] == 30


def test_a_held_occurrence_that_nobody_approves_is_rejected_in_time(timetable: Timetable) -> None:
    schedule = timetable.attach(timetable.product.workflow(), "FREQ=DAILY;COUNT=1")
    timetable.join(10)
    timetable.look_after(minutes=31)
    assert timetable.look_after(hours=71).processed == 0
    assert timetable.look_after(hours=1, minutes=1).processed == 1
    (job,) = timetable.jobs(schedule)
    assert (job["status"], timetable.look().processed) == ("rejected", 0)
    stored = timetable.product.execute("SELECT state FROM log WHERE topic = 'batch_job.rejected.v1'")
    assert b'"approval.expired"' in bytes(stored[0][0])
