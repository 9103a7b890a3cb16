"""A copy of the database, and one restored in place, send nothing before a human says that it is the installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aggregates.errors import DomainError
from commands.batch_job import CancelBatchJob, PauseBatchJob
from commands.due import FireSchedule
from commands.runs import RunWorkflow
from engine.bootstrap import system_principal
from engine.demo.receivers import Answer, HttpReceiver, Received
from engine.fence import SETTLED_SECONDS
from engine.releasing import described, release
from tests.support.databases import Databases
from tests.support.product import Product
from tests.support.timetable import Timetable
from tests.workers.conftest import Workshop
from workers import sending
from workers.attempts import effect_id

RELEASED = {"reason": "It is the installation now"}


@pytest.fixture
def product(live: Product) -> Product:
    return live


@pytest.fixture
def then() -> list[Callable[[], object]]:
    """What the receiver does when a request has come, once; the last one first."""
    return []


@pytest.fixture
def endpoint(then: list[Callable[[], object]]) -> Iterator[HttpReceiver]:
    def respond(_: Received) -> Answer:
        if then:
            then.pop()()
        return Answer()

    with HttpReceiver(respond=respond) as running:
        yield running


@pytest.fixture
def elsewhere(databases: Databases, database_url: str, product: Product, tmp_path: Path) -> Iterator[Any]:
    """Starts the product, and a workshop, on a copy of the database."""
    with ExitStack() as opened:

        def begin(**settings: Any) -> tuple[Product, Workshop]:
            product.system.engine.dispose()
            url = databases.copy(database_url)
            opened.callback(databases.drop, url)
            settings = {"outbound_allow": ("127.0.0.0/8",), "send_mode": "live", **settings}
            copy = Product(url, tmp_path, **settings)
            opened.callback(copy.close)
            workshop = Workshop(copy)
            opened.callback(workshop.deliveries.close)
            return copy, workshop

        yield begin


def webhook(endpoint: HttpReceiver) -> dict[str, Any]:
    return {"id": "call", "type": "webhook", "config": {"url": f"{endpoint.url}/hook", "body": {}}}


def moved(product: Product) -> None:
    """As if the database were a copy: what is recorded is the location of another one."""
    product.execute("UPDATE installation SET location = 'elsewhere'")


def rewound(product: Product) -> None:
    """As if the database had been restored in place, and its log had grown again since."""
    product.execute("UPDATE log SET command_id = gen_random_uuid()")


def settled(product: Product) -> None:
    """The process has seen the log, and that is a minute ago."""
    for seconds in (0.0, SETTLED_SECONDS):
        product.clock.advance(seconds=seconds)
        with product.system.engine.connect() as connection:
            product.system.fence.follow(connection)


def test_a_copy_sends_nothing_until_it_is_released_and_then_with_the_same_keys(
    product: Product, workshop: Workshop, endpoint: HttpReceiver, then: list[Callable[[], object]], elsewhere: Any
) -> None:
    ids = product.add_people(40)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    then.append(workshop.sender.stop)  # a chunk of 25 is under way; nothing more is begun
    workshop.advance(job_id)
    copy, there = elsewhere()
    before = copy.runs(job_id)
    assert there.advance(job_id)["status"] == "running"
    assert (endpoint.book.total, copy.runs(job_id)) == (25, before)
    resumed = Workshop(product)
    assert resumed.advance(job_id)["delivered"] == endpoint.book.total == 40
    resumed.deliveries.close()
    with copy.system.engine.connect() as connection:
        stands = described(copy.system, connection)
    assert (stands["because"], stands["waiting"]) == ("location", {"jobs": 1, "runs": 15, "schedules": 0})
    assert release(copy.system, **RELEASED)
    assert there.advance(job_id)["delivered"] == 40
    assert endpoint.book.total == 55
    assert endpoint.book.ids == {str(effect_id(job_id, id, "call")) for id in ids}


@pytest.mark.parametrize("restored", [moved, rewound])
def test_a_restore_in_place_is_seen_before_the_next_sub_batch(
    product: Product,
    workshop: Workshop,
    endpoint: HttpReceiver,
    then: list[Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
    restored: Callable[[Product], None],
) -> None:
    monkeypatch.setattr(sending, "FLUSH", 5)
    product.add_people(20)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    settled(product)
    then.append(lambda: restored(product))
    job = workshop.advance(job_id)
    assert (job["status"], endpoint.book.total) == ("running", 5)
    assert workshop.scheduler.wake() == 0  # it records what it sees
    assert release(product.system, **RELEASED)
    assert (workshop.advance(job_id)["delivered"], endpoint.book.total) == (20, 20)


def test_what_keeps_everything_inside_goes_on_in_a_copy(
    product: Product, endpoint: HttpReceiver, elsewhere: Any
) -> None:
    product.add_people(3)
    copy, there = elsewhere(send_mode="capture")
    timetable = Timetable(copy)
    schedule_id = timetable.attach(copy.workflow(steps=[webhook(endpoint)]))
    timetable.look_after(minutes=31)
    (job,) = timetable.jobs(schedule_id)
    assert (there.advance(job["id"])["status"], endpoint.book.total) == ("completed", 0)


def test_a_job_that_waits_behind_the_fence_is_not_pinned_and_can_be_paused_and_cancelled(
    product: Product, workshop: Workshop, endpoint: HttpReceiver
) -> None:
    product.add_people(3)
    queued, cancelled = (product.run(product.workflow(steps=[webhook(endpoint)])) for _ in range(2))
    moved(product)
    assert workshop.advance(queued)["status"] == "queued"
    product.ask(PauseBatchJob(queued, "wait"))
    product.ask(CancelBatchJob(cancelled, "no"))
    assert [product.job(id)["status"] for id in (queued, cancelled)] == ["paused", "cancelled"]
    assert product.size(product.workflow(steps=[webhook(endpoint)]))["affected"] == 3


def test_parked_runs_wait_longer_and_go_on(product: Product, workshop: Workshop, endpoint: HttpReceiver) -> None:
    product.add_people(3)
    delay = {"id": "wait", "type": "delay", "config": {"duration": "PT1H"}}
    job_id = product.run(product.workflow(steps=[delay, webhook(endpoint)], edges=[{"from": "wait", "to": "call"}]))
    workshop.advance(job_id)
    moved(product)
    product.clock.advance(hours=2)
    assert workshop.scheduler.wake() == 0
    assert workshop.advance(job_id)["waiting"] == 3
    release(product.system, **RELEASED)
    assert workshop.scheduler.wake() == 1
    assert (workshop.advance(job_id)["delivered"], endpoint.book.total) == (3, 3)


def test_occurrences_wait_and_are_then_made_up_as_after_an_outage(product: Product, endpoint: HttpReceiver) -> None:
    product.add_people(3)
    timetable = Timetable(product)
    schedule_id = timetable.attach(product.workflow(steps=[webhook(endpoint)]), catch_up="latest")
    moved(product)
    assert timetable.look_after(hours=3).processed == 0
    assert timetable.occurrences(schedule_id) == []
    with product.system.engine.connect() as connection:
        assert described(product.system, connection)["waiting"]["schedules"] == 1
    timetable.look_after(seconds=61)
    release(product.system, **RELEASED)
    assert timetable.look().processed == 0  # its turn is counted from now on
    timetable.look_after(seconds=61)
    assert timetable.tally(schedule_id) == {"missed": 2, "fired": 1}


def test_the_time_for_an_approval_ends_only_after_the_release(
    database_url: str, tmp_path: Path, endpoint: HttpReceiver
) -> None:
    product = Product(database_url, tmp_path, send_mode="live", approval_over=1, outbound_allow=("127.0.0.0/8",))
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    timetable = Timetable(product)
    moved(product)
    timetable.look_after(hours=80)
    assert product.job(job_id)["status"] == "held"
    release(product.system, **RELEASED)
    timetable.look()
    assert product.job(job_id)["status"] == "rejected"
    product.close()


def test_an_occurrence_is_not_fired_by_a_scheduler_that_had_looked_before(product: Product) -> None:
    product.add_people(3)
    timetable = Timetable(product)
    schedule_id = timetable.attach(product.workflow())
    product.clock.advance(hours=1)
    moved(product)
    engine = system_principal(product.project_id, source="scheduler")
    assert product.ask(FireSchedule(schedule_id, product.clock.now()), engine)["decided"] is False
    assert timetable.occurrences(schedule_id) == []


def test_a_manual_run_that_would_send_is_refused(product: Product, endpoint: HttpReceiver) -> None:
    manual = {"type": "manual", "inputs": {}}
    sends, notes = product.workflow(trigger=manual, steps=[webhook(endpoint)]), product.workflow(trigger=manual)
    moved(product)
    with pytest.raises(DomainError) as refusal:
        product.ask(RunWorkflow(sends))
    assert refusal.value.code == "installation.fenced" and "tidegate fence" in refusal.value.next
    product.ask(RunWorkflow(notes))
    release(product.system, **RELEASED)
    product.ask(RunWorkflow(sends))
