"""A receiver that takes its time: no thread stays with it, what it says is recorded when it comes, and a stop stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from engine.demo.receivers import Answer, HttpReceiver, Received
from projections import failpoints
from projections.run_rows import audit
from tests.support.product import Product
from tests.support.wait import until
from tests.support.walks import step
from tests.workers.conftest import Workshop
from workers.leases import Lease, keep


class Slow:
    """An endpoint that answers nobody until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.status = 200
        self.http = HttpReceiver(respond=self._answer)

    def _answer(self, _: Received) -> Answer:
        return Answer(self.status) if self.opened.is_set() else Answer(self.status, delay=3600)

    def hook(self, **config: Any) -> dict[str, Any]:
        return step("call", "webhook", {"url": f"{self.http.url}/hook", "timeout_seconds": 30, **config})


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    with made.http:
        yield made


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, outbound_allow=("127.0.0.0/8",), send_mode="live", worker_threads=1)
    yield built
    built.close()


@pytest.fixture
def workshop(product: Product) -> Iterator[Workshop]:
    """A worker that stays with nothing that is not answered at once."""
    built = Workshop(product, stay=0.0)
    yield built
    built.deliveries.close()
    built.sender.errands.close()


def under_way(slow: Slow, many: int) -> None:
    until(lambda: slow.http.book.total == many, what=f"{many} requests are under way")


def hang_up(workshop: Workshop, slow: Slow) -> None:
    """The endpoint breaks off what it has, and answers from now on."""
    slow.opened.set()
    for connection in list(slow.http._open):
        slow.http._thread._loop.call_soon_threadsafe(connection.hang_up)
    assert workshop.sender.errands.wait(30)


def test_nobody_stays_with_a_receiver_that_does_not_answer(product: Product, workshop: Workshop, slow: Slow) -> None:
    product.add_people(60)
    job_id = product.run(product.workflow(steps=[slow.hook()]))
    for _ in range(5):
        workshop.fanout.advance(str(job_id))
    # As many sub-batches as the process has threads, and no more: the rest is left to be taken later.
    under_way(slow, 25)
    assert workshop.sender.errands.of_job(job_id) == 1
    assert workshop.advance(product.run(product.workflow()))["status"] == "completed"
    assert product.job(job_id)["status"] == "running"
    hang_up(workshop, slow)
    mine = "SELECT status, count(*) FROM runs WHERE job_id = :id GROUP BY status"
    assert product.execute(mine, id=job_id) == [("waiting", 25)]


def test_what_it_says_at_last_is_recorded_and_the_job_goes_on(product: Product, workshop: Workshop, slow: Slow) -> None:
    product.add_people(60)
    slow.opened.set()
    job_id = product.run(product.workflow(steps=[slow.hook()]))
    for _ in range(50):
        job = workshop.advance(job_id)
        if job["status"] == "completed":
            break
        assert workshop.sender.errands.wait(30)
    assert (job["status"], job["delivered"], slow.http.book.duplicates) == ("completed", 60, 0)
    assert audit(product.system.engine, job_id)["delivered"] == 60


def test_the_answer_to_a_pause_counts_what_is_under_way_and_nothing_begins_after_it(
    product: Product, workshop: Workshop, slow: Slow
) -> None:
    product.add_people(60)
    slow.status = 400
    job_id = product.run(product.workflow(steps=[slow.hook()]))
    workshop.fanout.advance(str(job_id))
    under_way(slow, 25)
    answer = product.ask(PauseBatchJob(job_id, "wait"))
    assert (answer["reached"], answer["counts"]["in_progress"], answer["counts"]["pending"]) == (25, 25, 35)
    hang_up(workshop, slow)
    job = product.job(job_id)
    assert (job["status"], job["reached"], job["waiting"], slow.http.book.total) == ("paused", 25, 25, 25)
    assert product.execute("SELECT count(*) FROM chunks WHERE leased_until > now()") == [(0,)]


def test_a_lease_is_kept_for_what_is_under_way_and_not_beyond_a_cancel(
    product: Product, workshop: Workshop, slow: Slow
) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[slow.hook()]))
    workshop.fanout.advance(str(job_id))
    lease = Lease(job_id, 0, 1)

    def kept() -> bool:
        product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
        with product.system.engine.begin() as connection:
            keep(connection, [lease])
        return bool(product.execute("SELECT leased_until > now() FROM chunks")[0][0])

    assert kept()
    product.ask(PauseBatchJob(job_id, "wait"))
    assert kept()
    product.ask(ResumeBatchJob(job_id))
    product.ask(CancelBatchJob(job_id, "stop"))
    assert not kept()


def test_a_chunk_that_somebody_holds_keeps_no_other_lease_waiting(
    product: Product, workshop: Workshop, slow: Slow
) -> None:
    product.add_people(3)
    held, other = [product.run(product.workflow(steps=[slow.hook()])) for _ in range(2)]
    for job_id in (held, other):
        workshop.fanout.advance(str(job_id))
    product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
    with product.system.engine.connect() as somebody:
        somebody.execute(text("SELECT 1 FROM chunks WHERE job_id = :id FOR UPDATE"), {"id": held})
        with product.system.engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            keep(connection, [Lease(held, 0, 1), Lease(other, 0, 1)])
    assert product.execute("SELECT job_id FROM chunks WHERE leased_until > now()") == [(other,)]


def at_attempt_stored(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Do something, once, when attempts are recorded and nothing is sent."""
    done: list[bool] = []

    def reach(point: str) -> None:
        if point == "attempt_stored" and not done:
            done.append(True)
            act()

    monkeypatch.setattr(failpoints, "reach", reach)


def frozen_while(product: Product, slow: Slow, monkeypatch: pytest.MonkeyPatch, act: Callable[[UUID], Any]) -> UUID:
    """A job of three people whose worker is frozen once attempts are recorded, while it is cancelled, and more."""
    product.add_people(3)
    slow.opened.set()
    job_id = product.run(product.workflow(steps=[slow.hook()]))

    def freeze() -> None:
        product.ask(CancelBatchJob(job_id, "stop"))
        act(job_id)
        product.clock.advance(seconds=20)

    at_attempt_stored(monkeypatch, freeze)
    return job_id


def test_a_worker_that_was_frozen_looks_at_the_job_again_before_it_sends(
    product: Product, workshop: Workshop, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.advance(frozen_while(product, slow, monkeypatch, lambda _: None))
    assert (job["status"], job["reached"], slow.http.book.total) == ("cancelled", 0, 0)


def test_a_worker_that_was_frozen_past_the_end_of_its_job_sends_nothing(
    product: Product, workshop: Workshop, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(job_id: UUID) -> None:
        product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
        Workshop(product).advance(job_id)

    job = workshop.advance(frozen_while(product, slow, monkeypatch, ended))
    assert (job["status"], slow.http.book.total) == ("cancelled", 0)
    # Nobody could know then that they would never be sent to.
    assert job["reached"] == 3


def test_a_worker_that_is_told_to_stop_begins_nothing_and_records_what_it_has_begun(
    product: Product, workshop: Workshop, slow: Slow
) -> None:
    product.add_people(60)
    job_id = product.run(product.workflow(steps=[slow.hook()]))
    workshop.fanout.advance(str(job_id))
    under_way(slow, 25)
    workshop.sender.stop()
    workshop.bells.ring(job_id)
    workshop.advance(job_id)
    hang_up(workshop, slow)
    assert slow.http.book.total == 25
    assert product.execute("SELECT state, count(*) FROM effects GROUP BY state") == [("retry", 25)]
    assert product.execute("SELECT count(*) FROM chunks WHERE leased_until > now()") == [(0,)]


def test_a_worker_that_is_told_to_stop_between_record_and_send_takes_the_attempt_back(
    product: Product, workshop: Workshop, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[slow.hook(on_unknown="hold")]))
    at_attempt_stored(monkeypatch, workshop.sender.stop)
    workshop.fanout.advance(str(job_id))
    assert product.execute("SELECT state, attempts FROM effects") == [("retry", 0)] * 3
    assert product.execute("SELECT status, reached FROM runs") == [("in_progress", False)] * 3
    assert product.execute("SELECT count(*) FROM chunks WHERE leased_until > now()") == [(0,)]
    assert slow.http.book.total == 0
