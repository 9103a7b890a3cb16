"""What a statement about the people of one job costs, when the statistics are of other jobs."""

from __future__ import annotations

from uuid import UUID

import pytest

from commands.batch_job import CancelBatchJob, PauseBatchJob
from commands.resume import SizeOpen
from commands.retry import RetryFailed, SizeFailed
from projections.run_rows import audit
from tests.commands.conftest import Desk
from tests.support.plans import learn_of_other_jobs, rows_read
from tests.support.product import CAPTURE, Product
from tests.support.walks import step
from tests.workers.conftest import Workshop
from workers.enrolment import enrol

COUNT = 1_000
LINEAR = 20 * COUNT
"""Rows that may be looked at, over all statements. One join of everybody to everybody looks at a million."""

STEPS = [{"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "PT1H"}}, CAPTURE]


@pytest.fixture
def parked(product: Product, workshop: Workshop) -> UUID:
    """A job whose people all wait, of which the statistics know nothing."""
    learn_of_other_jobs(product)
    product.add_people(COUNT)
    job_id = product.run(product.workflow(steps=STEPS, edges=[{"from": "wait", "to": "note"}]))
    assert workshop.advance(job_id)["waiting"] == COUNT
    return job_id


def test_waking_people_reads_as_many_rows_as_there_are_people(
    product: Product, workshop: Workshop, parked: UUID
) -> None:
    product.clock.advance(hours=1)
    with rows_read(product.system.engine, "runs") as read:
        assert workshop.scheduler.wake() == 1
    assert sum(read.values()) < LINEAR, read
    assert workshop.advance(parked)["delivered"] == COUNT


def test_a_pause_reads_as_many_rows_as_are_under_way(product: Product, workshop: Workshop, parked: UUID) -> None:
    """The counts of its answer are of the moment, with those for whom a send was begun."""
    product.execute("UPDATE runs SET status = 'in_progress' WHERE job_id = :id", id=parked)
    product.execute("UPDATE chunks SET state = 'sending' WHERE job_id = :id", id=parked)
    with rows_read(product.system.engine, "runs") as read:
        product.ask(PauseBatchJob(parked, reason="wait"))
    assert sum(read.values()) < LINEAR, read


def test_sizing_the_rest_reads_as_many_rows_as_there_are_people(product: Product, parked: UUID) -> None:
    product.execute("UPDATE runs SET status = 'delivered' WHERE job_id = :id AND person_id % 2 = 0", id=parked)
    product.ask(PauseBatchJob(parked, reason="wait"))
    with rows_read(product.system.engine, "runs") as read:
        assert product.ask(SizeOpen(parked))["affected"] == COUNT / 2
    assert sum(read.values()) < LINEAR, read


def test_sizing_and_retrying_failed_runs_reads_as_many_rows_as_there_are_people(
    product: Product, workshop: Workshop, parked: UUID
) -> None:
    product.execute("UPDATE runs SET status = 'failed', wake_at = NULL WHERE job_id = :id", id=parked)
    product.execute("UPDATE chunks SET failed = waiting, waiting = 0 WHERE job_id = :id", id=parked)
    workshop.advance(parked)
    with rows_read(product.system.engine, "runs") as read:
        sized = product.ask(SizeFailed(parked))
        proof = {"acknowledged_affected_count": sized["affected"], "confirm_token": sized["confirm_token"]}
        again = UUID(product.ask(RetryFailed(parked, **proof))["batch_job_id"])
        enrol(product.system, again)
    assert sized["affected"] == COUNT
    assert sized["affected"] == COUNT
    assert sum(read.values()) < LINEAR, read


def test_cancelling_people_who_wait_reads_as_many_rows_as_there_are_people(
    product: Product, workshop: Workshop, parked: UUID
) -> None:
    product.ask(CancelBatchJob(parked, reason="stop"))
    with rows_read(product.system.engine, "runs") as read:
        job = workshop.advance(parked)
    assert sum(read.values()) < LINEAR, read
    assert (job["status"], job["skipped"]) == ("cancelled", COUNT)
    assert audit(product.system.engine, parked)["skipped"] == COUNT


def test_comparing_an_occurrence_with_who_was_confirmed_reads_as_many_rows_as_there_are_people(
    product: Product,
) -> None:
    learn_of_other_jobs(product)
    desk = Desk(product, people=2 * COUNT, steps=[step("mail", "email", {"subject": "Hello", "text": "Hello"})])
    schedule_id = desk.attach(desk.agent)
    with rows_read(product.system.engine, "chunks") as read:
        (job_id,) = desk.fire(schedule_id)
    assert sum(read.values()) < 2 * LINEAR, read
    assert len(desk.enrolled(job_id)) == COUNT
