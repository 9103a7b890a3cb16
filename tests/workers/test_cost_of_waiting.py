"""What waking and cancelling people who wait costs, when the statistics are of other jobs."""

from __future__ import annotations

from uuid import UUID

import pytest

from commands.batch_job import CancelBatchJob
from projections.run_rows import audit
from tests.support.plans import learn_of_other_jobs, rows_read
from tests.support.product import CAPTURE, Product
from tests.workers.conftest import Workshop

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


def test_cancelling_people_who_wait_reads_as_many_rows_as_there_are_people(
    product: Product, workshop: Workshop, parked: UUID
) -> None:
    product.ask(CancelBatchJob(parked, reason="stop"))
    with rows_read(product.system.engine, "runs") as read:
        job = workshop.advance(parked)
    assert sum(read.values()) < LINEAR, read
    assert (job["status"], job["skipped"]) == ("cancelled", COUNT)
    assert audit(product.system.engine, parked)["skipped"] == COUNT
