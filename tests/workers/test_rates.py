"""The rates that several jobs share, kept by all workers together; each `Rates` here is another process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from aggregates.policy import Limits
from commands.batch_job import RunBatch
from commands.policy import SetPolicy
from engine.demo.receivers import HttpReceiver
from tests.support.product import Product
from tests.workers.conftest import Workshop
from workers.delivery.places import Place
from workers.delivery.relay import RELAY
from workers.later import TOGETHER_SECONDS, Later
from workers.policies import Policies
from workers.rates import LEARNED_SECONDS, Rates

SLOW = "20/hour"
HOST, OTHER = Place("webhook", "hooks.example"), Place("webhook", "other.example")
ANN, BEN = UUID(int=1), UUID(int=2)


class Time:
    """A line of seconds that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Processes with rates of their own memory, over one database."""

    def __init__(self, product: Product, **rates: str) -> None:
        self.product = product
        self.time = Time()
        self.settings = product.system.settings.model_copy(update=rates)

    def process(self) -> Rates:
        installation = replace(self.product.system.policy, send_rate=self.settings.send_rate)
        return Rates(self.settings, Policies(installation, self.time), self.time)

    def goes(self, place: Place, project: UUID = ANN, *, by: Rates | None = None, most: int = 100) -> int:
        """How many messages may go there now, of those that a process wants to send."""
        rates = by or self.process()
        with self.product.system.engine.begin() as connection:
            turns = rates.look(connection, project, {place})
            while turns.may_go(place) and turns.taken.total() < most:
                turns.take(place)
            rates.settle(connection, turns)
        return max(turns.taken.values(), default=0)

    def next_turn(self) -> None:
        """Let the instant come at which each may send again."""
        self.product.execute("UPDATE shared_rates SET free_at = now() - interval '1 second'")


def test_a_host_has_one_rate_for_all_jobs_of_all_processes_and_another_host_its_own(product: Product) -> None:
    bench = Bench(product, outbound_host_rate=SLOW)
    assert [bench.goes(HOST), bench.goes(HOST), bench.goes(HOST, BEN)] == [1, 0, 0]
    assert [bench.goes(OTHER, BEN), bench.goes(OTHER)] == [1, 0]
    bench.next_turn()
    assert [bench.goes(HOST, BEN), bench.goes(HOST)] == [1, 0]


def test_the_relay_has_one_rate_for_all_projects(product: Product) -> None:
    bench = Bench(product, smtp_rate=SLOW)
    assert [bench.goes(RELAY), bench.goes(RELAY, BEN)] == [1, 0]


def test_a_project_has_one_rate_wherever_it_sends_and_another_project_its_own(product: Product) -> None:
    bench = Bench(product, send_rate=SLOW)
    assert [bench.goes(HOST), bench.goes(OTHER), bench.goes(RELAY)] == [1, 0, 0]
    assert [bench.goes(RELAY, BEN), bench.goes(HOST, BEN)] == [1, 0]


def test_a_tenth_of_a_second_goes_at_once(product: Product) -> None:
    bench = Bench(product, outbound_host_rate="100/second", smtp_rate="2/second")
    assert 11 <= bench.goes(HOST) <= 12  # the tenth of a second, and the one that is due
    assert bench.goes(RELAY) == 1


def test_the_policy_narrows_what_the_installation_allows_and_widens_nothing(product: Product) -> None:
    bench, mine = Bench(product, send_rate="1/second"), product.project_id
    product.ask(SetPolicy(Limits(send_rate="1000/second")))
    assert bench.goes(HOST, mine) == 1
    process = bench.process()
    product.ask(SetPolicy(Limits(send_rate=SLOW)))
    bench.next_turn()
    assert bench.goes(HOST, mine, by=process) == 1
    assert process.wait(mine, HOST) == LEARNED_SECONDS


def test_a_turn_without_an_attempt_is_not_taken(product: Product) -> None:
    bench = Bench(product, outbound_host_rate=SLOW)
    with product.system.engine.connect() as connection, connection.begin() as transaction:
        rates = bench.process()
        turns = rates.look(connection, ANN, {HOST})
        turns.take(HOST)
        rates.settle(connection, turns)
        transaction.rollback()
    assert bench.goes(HOST, most=0) == 0
    assert bench.goes(HOST) == 1


def test_nobody_waits_for_a_worker_that_is_frozen_with_a_turn_in_hand(product: Product) -> None:
    bench = Bench(product, outbound_host_rate="1000/second", smtp_rate="1000/second")
    bench.goes(HOST, most=1)
    with product.system.engine.connect() as connection, connection.begin():
        frozen = bench.process()
        turns = frozen.look(connection, ANN, {HOST})
        turns.take(HOST)
        frozen.settle(connection, turns)
        other = bench.process()
        assert bench.goes(HOST, by=other) == 0
        assert 0 < other.wait(ANN, HOST) < 1
        assert bench.goes(RELAY, by=other, most=5) == 5
    assert bench.goes(HOST, most=5) == 5


def test_what_was_learned_keeps_threads_away_until_the_turn_is_due(product: Product) -> None:
    bench = Bench(product, smtp_rate="30/minute", outbound_host_rate=SLOW)
    process = bench.process()
    bench.goes(RELAY, by=process)
    assert 1.8 < process.wait(BEN, RELAY) <= 1.9
    assert process.wait(ANN, HOST) == 0
    bench.time.now += 2
    assert process.wait(BEN, RELAY) == 0
    # A rate may be another one after a while: however slow it is, it is looked at again.
    bench.goes(HOST, by=process)
    assert process.wait(ANN, HOST) == LEARNED_SECONDS


# -- what jobs make of it


@pytest.fixture
def endpoint() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def rated(database_url: str, tmp_path: Path) -> Iterator[Product]:
    allowed: dict[str, Any] = {"outbound_allow": ("127.0.0.0/8", "localhost")}
    built = Product(database_url, tmp_path, **allowed, send_mode="live", outbound_host_rate=SLOW)
    yield built
    built.close()


def hook(url: str) -> dict[str, Any]:
    return {"id": "call", "name": "Call", "type": "webhook", "config": {"url": f"{url}/hook", "max_attempts": 1}}


def another(product: Product) -> Workshop:
    """A process that has learned nothing yet."""
    return Workshop(product)


def test_two_jobs_to_one_host_share_its_rate_and_a_job_to_another_goes_on(
    rated: Product, endpoint: HttpReceiver
) -> None:
    rated.add_people(3)
    jobs = [UUID(rated.ask(RunBatch(rated.workflow(steps=[hook(endpoint.url)]), 3))["batch_job_id"]) for _ in range(2)]
    workshop = another(rated)
    try:
        for job_id in jobs:
            assert workshop.advance(job_id)["status"] == "running"
        assert endpoint.book.total == 1
        elsewhere = hook(endpoint.url.replace("127.0.0.1", "localhost"))
        third = UUID(rated.ask(RunBatch(rated.workflow(steps=[elsewhere]), 3))["batch_job_id"])
        workshop.advance(third)
        assert endpoint.book.total == 2
        # Nothing of the two jobs is held by a thread: what is left of them is free when its turn is due.
        leased = "SELECT count(*) FROM chunks WHERE leased_until > now() + make_interval(secs => :most)"
        assert rated.execute(leased, most=LEARNED_SECONDS) == [(0,)]
    finally:
        workshop.deliveries.close()


def test_a_job_that_is_at_the_rate_of_one_host_goes_on_with_the_people_of_another(
    rated: Product, endpoint: HttpReceiver
) -> None:
    rated.add_people(2)
    local = endpoint.url.replace("127.0.0.1", "localhost")
    steps = [hook(endpoint.url), {**hook(local), "id": "then", "name": "Then"}]
    workflow_id = rated.workflow(steps=steps, edges=[{"from": "call", "to": "then"}])
    job_id = UUID(rated.ask(RunBatch(workflow_id, 2))["batch_job_id"])
    workshop = another(rated)
    try:
        workshop.advance(job_id)
        # The first person was sent to at both hosts, although the second has to wait at the first of them.
        assert endpoint.book.total == 2
        assert [run["status"] for run in rated.runs(job_id)].count("delivered") == 1
    finally:
        workshop.deliveries.close()


# -- bells for later


def test_jobs_that_wait_for_one_turn_have_it_by_turns() -> None:
    time = Time()
    later = Later(lambda _job, _times: None, time)
    later._thread = later_thread = object()  # type: ignore[assignment]  # the test is the thread

    def due(after: float) -> list[UUID]:
        time.now += after
        return later.due()

    for job in (ANN, BEN):
        later.ring(job, 0.5)
        later.ring(job, 3.0)
    assert due(0.4) == []
    assert due(0.1) == [ANN, BEN]
    later.ring(BEN, 0.5)
    assert due(0.5) == [BEN]
    later.ring(BEN, 0.5)
    later.ring(ANN, 0.5 + TOGETHER_SECONDS / 2)
    assert due(0.5) == [ANN, BEN]
    assert due(100) == []
    assert later._thread is later_thread
