"""One story, end to end: real workers over the real broker, killed and robbed of their messages on the way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import redis

from projections.run_rows import audit
from tests.support.crew import Crew, crew
from tests.support.product import Product
from tests.support.wait import until

PEOPLE = 1_500
SMALL = {"chunk_size": 5, "sweep_seconds": 0.2}


@pytest.fixture
def product(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, redis_url)
    built.add_people(PEOPLE)
    yield built
    built.close()


@pytest.fixture
def hands(product: Product, redis_url: str, tmp_path: Path, database_url: str) -> Iterator[Crew]:
    """A projector, a scheduler and two workers that take five people at a time, so that there is a middle."""
    with crew(database_url, redis_url, tmp_path, **SMALL) as members:
        for role in ("projector", "scheduler", "worker", "worker"):
            members.start(role)
        yield members


def rows(product: Product) -> int:
    return int(product.execute("SELECT count(*) FROM runs")[0][0])


def in_the_middle(product: Product, members: Crew) -> None:
    """Freeze the workers as soon as some people are done, and see that others are not."""
    until(lambda: rows(product) >= 100, seconds=60, what="the first people")
    for worker in members.members[2:]:
        worker.send_signal(signal.SIGSTOP)
    assert rows(product) < PEOPLE


def completed(product: Product, job_id: UUID) -> None:
    """The job ends, everybody has one row with one capture, and all the books agree."""
    statement = "SELECT status FROM batch_jobs WHERE id = :id"
    until(lambda: product.execute(statement, id=job_id) == [("completed",)], seconds=90, what="completion")
    assert rows(product) == PEOPLE
    assert product.execute("SELECT count(*) FROM runs WHERE jsonb_array_length(steps) = 1") == [(PEOPLE,)]
    job = product.job(job_id)
    assert (job["delivered"], job["pending"], job["in_progress"]) == (PEOPLE, 0, 0)
    assert audit(product.system.engine, job_id)["delivered"] == PEOPLE


def test_a_worker_killed_in_the_middle_loses_nobody_and_repeats_nothing(product: Product, hands: Crew) -> None:
    job_id = product.run(product.workflow())
    in_the_middle(product, hands)
    victim, survivor = hands.members[2:4]
    victim.kill()
    victim.wait()
    survivor.kill()
    survivor.wait()
    hands.start("worker")
    completed(product, job_id)


def test_emptying_the_broker_in_the_middle_loses_nobody(product: Product, hands: Crew, redis_url: str) -> None:
    job_id = product.run(product.workflow())
    in_the_middle(product, hands)
    with redis.Redis.from_url(redis_url) as broker:
        broker.flushdb()
    for worker in hands.members[2:]:
        worker.send_signal(signal.SIGCONT)
    completed(product, job_id)


def test_a_job_that_was_requested_while_nobody_worked_is_done_later(
    product: Product, redis_url: str, tmp_path: Path, database_url: str
) -> None:
    job_id = product.run(product.workflow())
    with crew(database_url, redis_url, tmp_path, sweep_seconds=0.2) as members:
        for role in ("worker", "scheduler", "projector"):
            members.start(role)
        completed(product, job_id)
