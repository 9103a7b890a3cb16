"""The rate of a job, kept by all workers together, and the breaker that pauses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from aggregates.pace import Breaker, Pace
from commands.batch_job import CancelBatchJob, ResumeBatchJob, RunBatch
from commands.retry import RetryFailed
from engine.demo.receivers import Answer, Book, HttpReceiver, Received
from engine.ids import new_id
from tests.support.product import Product
from tests.workers.conftest import Workshop
from workers import pace

BREAKER: dict[str, Any] = {"min_attempts": 20, "max_failure_ratio": 0.5}


class Endpoint:
    """A receiver that answers as the test says."""

    def __init__(self) -> None:
        self.status = 200
        self.status_of: Callable[[Received], int] = lambda _: self.status
        self.receiver = HttpReceiver(respond=lambda received: Answer(self.status_of(received)))

    @property
    def book(self) -> Book:
        return self.receiver.book


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.receiver:
        yield made


@pytest.fixture
def product(live: Product) -> Product:
    return live


def started(product: Product, endpoint: Endpoint, people: int, **asked: Any) -> UUID:
    """A job over so many people, with one webhook each."""
    product.add_people(people)
    config = {"url": f"{endpoint.receiver.url}/hook", "max_attempts": 1}
    workflow_id = product.workflow(steps=[{"id": "call", "name": "Call", "type": "webhook", "config": config}])
    return UUID(product.ask(RunBatch(workflow_id, people, **asked))["batch_job_id"])


def next_turn(product: Product) -> None:
    """Let the instant come at which the job may send again."""
    product.execute("UPDATE sending_pace SET free_at = now() - interval '1 second'")


def test_a_slow_rate_lets_one_person_out_at_a_time(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    job_id = started(product, endpoint, 3, rate="20/hour")
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"], job["rate"], endpoint.book.total) == ("running", 1, "20/hour", 1)
    # Nobody looks at it again before its turn, however often they are rung.
    assert workshop.scheduler.sweep() == 0
    workshop.advance(job_id)
    assert endpoint.book.total == 1
    for sent in (2, 3):
        next_turn(product)
        assert workshop.scheduler.sweep() == 1
        job = workshop.advance(job_id)
        assert endpoint.book.total == sent
    assert (job["status"], job["delivered"]) == ("completed", 3)


def test_workers_at_the_same_time_keep_the_rate_together(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    job_id = started(product, endpoint, 100, rate="20/hour")
    workshop.fanout.advance(str(job_id))
    before = endpoint.book.total
    next_turn(product)
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(workshop.fanout.advance, [str(job_id)] * 4))
    assert (before, endpoint.book.total) == (1, 2)


def test_turns_that_are_taken_at_the_same_time_follow_each_other(product: Product) -> None:
    job_id, asked = new_id(), Pace("100/second")
    begun = product.execute("SELECT clock_timestamp()")[0][0]

    def take(_: int) -> float | None:
        with product.system.engine.begin() as connection:
            return pace.take_turn(connection, job_id, asked)

    with ThreadPoolExecutor(5) as workers:
        assert None not in workers.map(take, range(10))
    # Ten turns of ten people, ten milliseconds each: whoever comes next goes a second after the first, or later.
    assert asked.at_once == 10
    free_at = product.execute("SELECT free_at FROM sending_pace")[0][0]
    assert free_at - begun >= timedelta(seconds=1)


def test_a_turn_that_is_far_away_is_not_taken(product: Product) -> None:
    job_id, asked = new_id(), Pace("1/minute")
    with product.system.engine.begin() as connection:
        assert pace.take_turn(connection, job_id, asked) == 0.0
        assert pace.take_turn(connection, job_id, asked) is None


def test_a_fast_rate_delivers_to_everybody(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    job_id = started(product, endpoint, 30, rate="200/second")
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"], endpoint.book.duplicates) == ("completed", 30, 0)


def test_losing_the_pace_costs_a_burst_and_nothing_else(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    job_id = started(product, endpoint, 3, rate="20/hour")
    workshop.advance(job_id)
    product.execute("TRUNCATE sending_pace")
    job = workshop.advance(job_id)
    assert (job["delivered"], endpoint.book.total, endpoint.book.duplicates) == (2, 2, 0)


def test_a_job_that_waits_for_its_turn_is_cancelled_at_once(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    job_id = started(product, endpoint, 3, rate="1/hour")
    workshop.advance(job_id)
    product.ask(CancelBatchJob(job_id, "enough"))
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"], job["skipped"], endpoint.book.total) == ("cancelled", 1, 2, 1)
    workshop.scheduler.collect()
    assert product.execute("SELECT count(*) FROM sending_pace") == [(0,)]


def test_too_many_failures_pause_the_job_with_the_numbers(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    endpoint.status = 400
    job_id = started(product, endpoint, 100, breaker=BREAKER)
    job = workshop.advance(job_id)
    assert (job["status"], job["failed"], endpoint.book.total) == ("paused", 25, 25)
    assert job["reason"] == "The breaker tripped: 25 of 25 attempts failed."
    state = product.execute("SELECT convert_from(state, 'UTF8')::jsonb FROM log WHERE topic = 'batch_job.paused.v1'")
    assert state[0][0]["tripped"] == {"attempts": 25, "failures": 25, "max_failure_ratio": 0.5}
    # Once resumed it counts anew, and an endpoint that is well again is no reason to stop.
    endpoint.status = 200
    product.ask(ResumeBatchJob(job_id))
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"], job["failed"]) == ("completed_with_failures", 75, 25)


def test_an_endpoint_that_is_down_trips_before_anybody_has_failed_for_good(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    endpoint.status = 503
    product.add_people(60)
    config = {"url": f"{endpoint.receiver.url}/hook"}
    workflow_id = product.workflow(steps=[{"id": "call", "name": "Call", "type": "webhook", "config": config}])
    job_id = UUID(product.ask(RunBatch(workflow_id, 60, breaker=BREAKER))["batch_job_id"])
    job = workshop.advance(job_id)
    assert (job["status"], job["failed"], job["waiting"]) == ("paused", 0, 25)


def test_fewer_failures_than_may_be_do_not_trip(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    endpoint.status_of = lambda received: 400 if received.headers["webhook-id"][0] < "4" else 200
    job_id = started(product, endpoint, 100, breaker={"min_attempts": 20, "max_failure_ratio": 0.9})
    job = workshop.advance(job_id)
    assert (job["status"], job["failed"] == 0) == ("completed_with_failures", False)


def test_a_retry_keeps_the_pace_of_the_old_job(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    endpoint.status = 400
    old = started(product, endpoint, 3, rate="200/second", breaker=BREAKER)
    assert workshop.advance(old)["failed"] == 3
    retry = UUID(product.ask(RetryFailed(old, 3))["batch_job_id"])
    job = product.job(retry)
    assert (job["rate"], job["breaker"]) == ("200/second", BREAKER)


@pytest.mark.parametrize(
    "rate", ["", "0/minute", "5", "5/day", "-1/hour", "5/minute ", "1.5/second", 5, "9999999/hour"]
)
def test_a_rate_that_is_none_is_refused(rate: Any) -> None:
    with pytest.raises(DomainError) as refusal:
        Pace.parse(rate, None)
    assert [problem.pointer for problem in refusal.value.problems] == ["/rate"]


@pytest.mark.parametrize(
    "breaker",
    [
        {},
        {"min_attempts": 1},
        {**BREAKER, "x": 1},
        {**BREAKER, "min_attempts": 0},
        {**BREAKER, "max_failure_ratio": 1},
        5,
    ],
)
def test_a_breaker_that_is_none_is_refused(breaker: Any) -> None:
    with pytest.raises(DomainError) as refusal:
        Pace.parse(None, breaker)
    assert [problem.pointer for problem in refusal.value.problems] == ["/breaker"]


def test_a_breaker_waits_for_enough_attempts() -> None:
    breaker = Breaker(20, 0.5)
    assert not breaker.trips(19, 19)
    assert not breaker.trips(20, 10)
    assert breaker.trips(20, 11)
