"""Effects outside, against a real HTTP receiver and a real SMTP sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import CancelBatchJob
from commands.retry import RetryFailed
from engine.demo.receivers import Answer, HttpReceiver, Received, SmtpReceiver
from projections.run_rows import audit
from tests.support.gates import Gate
from tests.support.product import Product
from tests.workers.conftest import Workshop
from workers import sending
from workers.attempts import effect_id
from workers.delivery import Flight, Outgoing


class Endpoint:
    """A receiver that answers as the test says."""

    def __init__(self) -> None:
        self.answer: Callable[[Received], Answer] = lambda _: Answer()
        self.receiver = HttpReceiver(respond=self._respond)

    def _respond(self, received: Received) -> Answer:
        return self.answer(received)

    @property
    def book(self) -> Any:
        return self.receiver.book


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.receiver:
        yield made


@pytest.fixture
def sink() -> Iterator[SmtpReceiver]:
    with SmtpReceiver() as running:
        yield running


@pytest.fixture
def product(database_url: str, tmp_path: Path, sink: SmtpReceiver) -> Iterator[Product]:
    built = Product(
        database_url,
        tmp_path,
        outbound_allow=("127.0.0.0/8",),
        send_mode="live",
        smtp_url=f"smtp://127.0.0.1:{sink.port}",
        email_from="us@example.com",
    )
    yield built
    built.close()


def webhook(endpoint: Endpoint, **config: Any) -> dict[str, Any]:
    url = f"{endpoint.receiver.url}/hook"
    body = {"n": "{{ person.properties.n }}"}
    return {"id": "call", "name": "Call", "type": "webhook", "config": {"url": url, "body": body, **config}}


def counted(job: dict[str, Any]) -> dict[str, int]:
    return {name: job[name] for name in ("delivered", "failed", "skipped", "waiting", "in_progress") if job[name]}


def test_everybody_is_called_once_with_the_key_of_the_run_and_step(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    ids = product.add_people(60)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed", {"delivered": 60})
    assert (endpoint.book.total, endpoint.book.duplicates) == (60, 0)
    assert endpoint.book.ids == {str(effect_id(job_id, id, "call")) for id in ids}
    assert product.execute("SELECT state, count(*) FROM effects GROUP BY state") == [("succeeded", 60)]


def test_capture_mode_keeps_every_effect_inside(database_url: str, tmp_path: Path, endpoint: Endpoint) -> None:
    product = Product(database_url, tmp_path, outbound_allow=("127.0.0.0/8",))
    workshop = Workshop(product)
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    assert workshop.advance(job_id)["status"] == "completed"
    assert endpoint.book.total == 0
    step = product.runs(job_id)[1]["steps"][0]
    assert (step["outcome"], step["channel"], step["output"]["body"]) == ("captured", "webhook", {"n": 2})
    workshop.deliveries.close()
    product.close()


def test_emails_go_to_one_person_per_address(product: Product, workshop: Workshop, sink: SmtpReceiver) -> None:
    product.add_people(4)
    product.execute("UPDATE people SET email = ' P1@Example.com ' WHERE distinct_id = 'p3'")
    product.execute("UPDATE people SET email = NULL WHERE distinct_id = 'p4'")
    config = {"subject": "Hello {{ person.properties.n }}", "text": "Hi"}
    workflow_id = product.workflow(steps=[{"id": "mail", "name": "Mail", "type": "email", "config": config}])
    sizing = product.size(workflow_id)
    assert sizing["affected"] == 2
    assert {reason: n for reason, n in sizing["excluded"].items() if n} == {"no_address": 1, "duplicate_address": 1}
    job = workshop.advance(product.run(workflow_id))
    assert (job["status"], counted(job)) == ("completed", {"delivered": 2})
    assert (sink.book.total, sink.book.duplicates) == (2, 0)


def test_an_address_that_there_is_not_gets_nothing_more(
    product: Product, workshop: Workshop, sink: SmtpReceiver
) -> None:
    product.add_people(3)
    sink._refuse = lambda address: "550 5.1.1 No such mailbox" if address.startswith("p2@") else None
    config = {"subject": "Hello", "text": "Hi"}
    workflow_id = product.workflow(steps=[{"id": "mail", "name": "Mail", "type": "email", "config": config}])
    assert counted(workshop.advance(product.run(workflow_id))) == {"delivered": 2, "failed": 1}
    sizing = product.size(workflow_id)
    assert (sizing["affected"], sizing["excluded"]["suppressed"]) == (2, 1)
    told = product.system.reads.suppressions.list(product.principal()).data
    assert [(row["address"], row["reason"]) for row in told] == [("p2@example.com", "hard_bounce")]
    assert product.execute("SELECT count(*) FROM log WHERE topic = 'people.suppressed.v1'") == [(1,)]


def test_a_refusing_endpoint_fails_the_run_with_the_reason(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    product.add_people(5)
    endpoint.answer = lambda received: Answer(400 if b":3}" in received.body else 200)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed_with_failures", {"delivered": 4, "failed": 1})
    (failed,) = product.runs(job_id, status="failed")
    assert failed["reason"] == "http.400"


def test_a_step_that_may_fail_lets_people_go_on(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    product.add_people(3)
    endpoint.answer = lambda _: Answer(400)
    job_id = product.run(product.workflow(steps=[{**webhook(endpoint), "on_error": "continue"}]))
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed", {"delivered": 3})


def test_an_endpoint_that_is_down_is_tried_later_with_the_same_key(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    product.add_people(3)
    endpoint.answer = lambda _: Answer(503)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("running", {"waiting": 3})
    keys = endpoint.book.ids
    endpoint.answer = lambda _: Answer()
    product.clock.advance(minutes=1)
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed", {"delivered": 3})
    assert endpoint.book.ids == keys
    assert {run["steps"][-1]["attempts"] for run in product.runs(job_id)} == {2}
    assert endpoint.book.total == 6


def stopped_before(workshop: Workshop, gate: Gate, keys: set[str]) -> None:
    """Let a worker stop at the gate before it sends to the people with these keys."""
    begin = workshop.deliveries.begin
    gated = gate.stops(begin, before=True)

    def begins(outgoing: Sequence[Outgoing], looked_at: float) -> Flight:
        if keys & {str(each.effect_id) for each in outgoing}:
            # However long it stood there: what it knows is fresh.
            return gated(outgoing, float("inf"))
        return begin(outgoing, looked_at)

    workshop.deliveries.begin = begins  # type: ignore[method-assign, assignment]


def test_who_was_woken_belongs_to_the_chunk_that_woke_them_and_to_no_other(
    product: Product, workshop: Workshop, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk in which they began still sends to others then, and finds them in progress."""
    monkeypatch.setattr(sending, "FLUSH", 10)
    ids = product.add_people(20)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    keys = [str(effect_id(job_id, id, "call")) for id in ids]
    parked, others = set(keys[:10]), set(keys[10:])
    tries: Counter[str] = Counter()

    def answer(received: Received) -> Answer:
        tries[received.id] += 1
        return Answer(503 if received.id in parked and tries[received.id] == 1 else 200)

    endpoint.answer = answer
    second, began, woke = Workshop(product), Gate(), Gate()
    stopped_before(workshop, began, others)
    stopped_before(second, woke, parked)
    first_chunk = began.run(lambda: workshop.fanout.advance(str(job_id)))
    product.clock.advance(minutes=1)
    assert workshop.scheduler.wake() == 1
    woken_chunk = woke.run(lambda: second.fanout.advance(str(job_id)))
    began.open.set()
    first_chunk.result()
    assert {tries[key] for key in parked} == {1}
    woke.open.set()
    woken_chunk.result()
    second.deliveries.close()
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed", {"delivered": 20})
    assert audit(product.system.engine, job_id)["delivered"] == 20
    assert tries == {**dict.fromkeys(parked, 2), **dict.fromkeys(others, 1)}


def test_attempts_come_to_an_end(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    product.add_people(1)
    endpoint.answer = lambda _: Answer(503)
    job_id = product.run(product.workflow(steps=[webhook(endpoint, max_attempts=2)]))
    workshop.advance(job_id)
    product.clock.advance(minutes=1)
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed_with_failures", {"failed": 1})
    assert endpoint.book.total == 2
    assert [note["outcome"] for note in product.runs(job_id)[0]["steps"]] == ["retry", "failed"]
    assert product.execute("SELECT state, attempts FROM effects") == [("failed", 2)]


def crash_before_the_outcome(product: Product, workshop: Workshop, step: dict[str, Any]) -> Any:
    """A worker that dies after the receiver answered and before the outcome is stored."""
    job_id = product.run(product.workflow(steps=[step]))

    def die(*_: Any) -> bool:
        raise SystemExit

    real = workshop.sender._record
    workshop.sender._record = die  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemExit):
        workshop.advance(job_id)
    workshop.sender._record = real  # type: ignore[method-assign]
    workshop.bells.rung.clear()
    product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
    return job_id


def test_after_a_crash_the_effect_is_repeated_with_the_same_key(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    product.add_people(3)
    job_id = crash_before_the_outcome(product, workshop, webhook(endpoint))
    assert workshop.scheduler.sweep() == 1
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed", {"delivered": 3})
    assert (endpoint.book.total, endpoint.book.distinct) == (6, 3)


def test_after_a_crash_a_step_on_hold_is_not_repeated(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    product.add_people(3)
    job_id = crash_before_the_outcome(product, workshop, webhook(endpoint, on_unknown="hold"))
    job = workshop.advance(job_id)
    assert (job["status"], counted(job), job["outcome_unknown"]) == ("running", {"waiting": 3}, 3)
    assert endpoint.book.total == 3
    assert {run["reason"] for run in product.runs(job_id)} == {"outcome_unknown"}
    assert product.execute("SELECT DISTINCT state FROM effects") == [("unknown",)]
    # Nobody but a person moves it on.
    product.clock.advance(days=30)
    assert (workshop.scheduler.wake(), workshop.scheduler.sweep()) == (0, 0)
    assert workshop.advance(job_id)["status"] == "running"


def test_a_worker_that_lost_its_lease_writes_nothing(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))

    def overtaken(_: Received) -> Answer:
        product.execute("UPDATE chunks SET fence = fence + 1")
        return Answer()

    endpoint.answer = overtaken
    workshop.fanout.advance(str(job_id))
    assert product.execute("SELECT DISTINCT status FROM runs") == [("in_progress",)]
    endpoint.answer = lambda _: Answer()
    product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
    job = workshop.advance(job_id)
    assert (job["status"], counted(job)) == ("completed", {"delivered": 3})


def test_a_cancel_stops_before_the_next_sub_batch(product: Product, workshop: Workshop, endpoint: Endpoint) -> None:
    product.add_people(100)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))
    cancelled: list[bool] = []

    def cancel_once(_: Received) -> Answer:
        if not cancelled:
            cancelled.append(True)
            product.ask(CancelBatchJob(job_id, "stop"))
        return Answer()

    endpoint.answer = cancel_once
    job = workshop.advance(job_id)
    assert job["status"] == "cancelled"
    assert endpoint.book.total == job["delivered"] == 25
    assert job["skipped"] == 75


def test_whoever_opts_out_before_the_send_is_not_sent_to(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    product.add_people(30)
    job_id = product.run(product.workflow(steps=[webhook(endpoint)]))

    def opt_out(_: Received) -> Answer:
        product.execute("UPDATE people SET opted_out_at = now() WHERE distinct_id = 'p30'")
        return Answer()

    endpoint.answer = opt_out
    job = workshop.advance(job_id)
    assert counted(job) == {"delivered": 29, "skipped": 1}
    assert endpoint.book.total == 29


def test_a_retry_sends_again_to_those_whom_the_endpoint_refused(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    ids = product.add_people(40)
    endpoint.answer = lambda received: Answer(400 if b":1" in received.body else 200)
    old = product.run(product.workflow(steps=[webhook(endpoint)]))
    refused = 11
    assert counted(workshop.advance(old)) == {"delivered": 40 - refused, "failed": refused}
    endpoint.answer = lambda _: Answer()
    retry = UUID(product.ask(RetryFailed(old, refused))["batch_job_id"])
    assert counted(workshop.advance(retry)) == {"delivered": refused}
    expected = {str(effect_id(retry, id, "call")) for id in (ids[0], *ids[9:19])}
    assert endpoint.book.ids >= expected
    assert endpoint.book.total == 40 + refused


def test_who_was_not_sent_to_because_the_host_wants_patience_loses_no_attempt(
    product: Product, workshop: Workshop, endpoint: Endpoint
) -> None:
    product.add_people(60)
    endpoint.answer = lambda _: Answer(429, {"Retry-After": "30"})
    job_id = product.run(product.workflow(steps=[webhook(endpoint, max_attempts=2)]))
    workshop.advance(job_id)
    # Those who were on their way when it asked for patience come again, the others stay in line: nobody was tried.
    sent = endpoint.book.total
    assert 0 < sent <= 25
    assert len(product.runs(job_id, status="waiting")) == sent
    assert {run["steps"][-1]["attempts"] for run in product.runs(job_id, status="waiting")} == {0}
    assert product.execute("SELECT sum(attempts), count(*) FROM effects") == [(0, sent)]
