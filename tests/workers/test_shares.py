"""One project has three quarters of a process's threads at most while the bell of another one waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID

import pytest
from sqlalchemy import Connection

from engine.ids import new_id
from tests.support.product import Product
from tests.workers.conftest import Workshop
from workers.fanout import Fanout
from workers.shares import Shares


@pytest.fixture
def connection(product: Product) -> Iterator[Connection]:
    with product.system.engine.connect() as made:
        yield made


def stream(product: Product, project_id: UUID) -> UUID:
    """A job of a project, of which only the head matters here."""
    id = new_id()
    product.execute(
        "INSERT INTO stream_heads (id, project_id, kind, version, status, position) "
        "VALUES (:id, :project_id, 'batch_job', 1, 'running', 1)",
        id=id,
        project_id=project_id,
    )
    return id


def test_a_project_has_its_share_while_another_one_waits_and_all_when_nobody_does(
    product: Product, connection: Connection
) -> None:
    other = product.other_project()
    jobs = [stream(product, product.project_id) for _ in range(4)]
    small = stream(product, other)
    waiting: list[UUID] = jobs[:2]
    shares = Shares(4, lambda: waiting)
    with ExitStack() as held:
        assert [held.enter_context(shares.thread(connection, job)) for job in jobs[:3]] == [True] * 3
        with shares.thread(connection, jobs[3]) as mine:
            assert mine  # only bells of its own wait
        waiting.append(small)
        with shares.thread(connection, jobs[3]) as mine:
            assert not mine
        with shares.thread(connection, small) as mine:
            assert mine
    with shares.thread(connection, jobs[3]) as mine:
        assert mine  # what was held is given back


def test_a_bell_that_is_put_aside_is_rung_again_and_nothing_is_done_for_it_before(
    product: Product, workshop: Workshop, connection: Connection
) -> None:
    product.add_people(1)
    job_id = product.run(product.workflow())
    waiting = [stream(product, product.other_project())]
    rung: list[UUID] = []
    fanout = Fanout(product.system, workshop.sender, lambda job, _: rung.append(job), lambda: waiting)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(fanout._shares.thread(connection, job_id))
        fanout.advance(str(job_id))
        assert product.job(job_id)["status"] == "queued"
        product.clock.advance(seconds=1)
        assert fanout._later.due() == [job_id] or rung == [job_id]
    fanout.advance(str(job_id))
    assert product.job(job_id)["status"] == "completed"
    fanout.close()
