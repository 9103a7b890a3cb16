"""What failed in a job, by step, reason and host: counted with the ledger, and read without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from engine.demo.receivers import Answer, HttpReceiver
from projections.failures import FailureReads
from tests.support.plans import learn_of_other_jobs, rows_read
from tests.support.product import Json, Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop

BROKEN = "{{ person.properties.n | divided_by: person.properties.zero }}"


@pytest.fixture
def product(live: Product) -> Product:
    return live


@pytest.fixture
def away() -> Iterator[HttpReceiver]:
    with HttpReceiver(respond=lambda _: Answer(503)) as receiver:
        yield receiver


def told(product: Product, job_id: UUID) -> Json:
    found = product.system.reads.failures.of_job(product.principal(), job_id)
    assert found["failed"] == sum(row["failed"] for row in found["failures"]) + found["unaccounted"]
    return found


def rows(found: Json) -> list[tuple[Any, ...]]:
    names = ("step_id", "reason", "host", "failed", "went_on", "retried")
    return [tuple(row[name] for name in names) for row in found["failures"]]


def test_attempts_and_runs_that_failed_at_a_host_are_counted_while_the_job_is_at_work_and_after(
    product: Product, workshop: Workshop, away: HttpReceiver
) -> None:
    product.add_people(30)
    job_id = product.run(product.workflow(steps=[step("call", "webhook", {"url": f"{away.url}/x", "max_attempts": 2})]))
    workshop.advance(job_id)
    assert rows(told(product, job_id)) == [("call", "http.503", "127.0.0.1", 0, 0, 30)]
    product.clock.advance(minutes=1)
    workshop.scheduler.wake()
    assert workshop.advance(job_id)["failed"] == 30
    found = told(product, job_id)
    assert rows(found) == [("call", "http.503", "127.0.0.1", 30, 0, 30)]
    assert (found["failed"], found["unaccounted"], found["left_out"]) == (30, 0, 0)
    assert found["failures"][0]["meaning"] == "The receiver answered with this HTTP status."


def test_who_goes_on_after_a_step_that_failed_is_no_failed_run(product: Product, workshop: Workshop) -> None:
    product.add_people(2, properties={"n": 1, "zero": 0})
    product.add_people(1, distinct_id="fine", properties={"n": 1, "zero": 1})
    soft, hard = (
        step("soft", "capture", {"message": BROKEN}, on_error="continue"),
        step("hard", "capture", {"message": BROKEN}),
    )
    job_id = product.run(product.workflow(**chain(soft, hard)))
    assert workshop.advance(job_id)["failed"] == 2
    found = rows(told(product, job_id))
    assert found == [("hard", "template.failed", None, 2, 0, 0), ("soft", "template.failed", None, 0, 2, 0)]


def test_the_answer_costs_the_same_whatever_the_number_of_people(product: Product, workshop: Workshop) -> None:
    learn_of_other_jobs(product)
    product.add_people(1_000, properties={"n": 1, "zero": 0})
    job_id = product.run(product.workflow(steps=[step("hard", "capture", {"message": BROKEN})]))
    workshop.advance(job_id)
    reads = FailureReads(product.system.engine, lambda *_: None)
    with rows_read(product.system.engine, "failed_steps") as counted:
        assert reads.of_job(product.principal(), job_id)["failed"] == 1_000
    assert len(counted) == 1 and " runs " not in next(iter(counted))
    assert 0 < sum(counted.values()) < 40, counted
