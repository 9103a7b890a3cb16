"""Reached: at least one effect outside was made for a person, or may have been. What the receiver's book says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from commands.runs import RunWorkflow
from engine.demo.receivers import Answer, HttpReceiver, Received, SmtpReceiver
from projections.run_rows import audit
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers import sending

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
MANUAL = {"type": "manual", "inputs": {"to": {"type": "address", "required": True}}}


class Outside:
    """A receiver of webhooks that answers as the test says, and a mail server."""

    def __init__(self) -> None:
        self.answer: Callable[[Received], Answer] = lambda _: Answer()
        self.http = HttpReceiver(respond=lambda received: self.answer(received))  # noqa: PLW0108 - the same
        self.refuses: Callable[[str], str | None] = lambda _: None
        self.smtp = SmtpReceiver(lambda address: self.refuses(address))  # noqa: PLW0108 - tests change it later

    def hook(self, **config: Any) -> dict[str, Any]:
        whole = {"url": f"{self.http.url}/hook", "body": {"n": "{{ person.properties.n }}"}, **config}
        return step("call", "webhook", whole)


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    with made.http, made.smtp:
        yield made


@pytest.fixture
def product(database_url: str, tmp_path: Path, outside: Outside) -> Iterator[Product]:
    built = Product(
        database_url,
        tmp_path,
        outbound_allow=("127.0.0.0/8",),
        send_mode="live",
        smtp_url=f"smtp://127.0.0.1:{outside.smtp.port}",
        email_from="us@example.com",
    )
    yield built
    built.close()


def reached(product: Product, job: dict[str, Any]) -> int:
    """How many were reached, after a look whether the ledger and the counters say the same."""
    (rows,) = product.execute("SELECT count(*) FROM runs WHERE job_id = :id AND reached", id=job["id"])[0]
    (counted,) = product.execute("SELECT sum(reached) FROM chunks WHERE job_id = :id", id=job["id"])[0]
    listed = sum(run["reached"] for run in product.runs(job["id"]))
    assert rows == counted == job["reached"] == listed
    assert sum(audit(product.system.engine, job["id"]).values()) == job["enrolled"]
    assert not any(run["reached"] for run in product.runs(job["id"], status="skipped"))
    return int(rows)


def test_who_was_sent_to_before_a_cancel_was_reached_and_is_not_called_skipped(
    product: Product, workshop: Workshop, outside: Outside
) -> None:
    """A webhook, a minute's delay and an email; cancelled when about a third had been called."""
    product.add_people(312)
    job_id = product.run(product.workflow(**chain(outside.hook(), WAIT, MAIL)))
    calls: list[str] = []

    def cancel_in_time(received: Received) -> Answer:
        calls.append(received.id)
        if len(calls) == 101:  # the rest of this sub-batch is on its way
            product.ask(CancelBatchJob(job_id, "wrong text"))
        return Answer()

    outside.answer = cancel_in_time
    job = workshop.advance(job_id)
    assert (job["status"], job["delivered"], job["skipped"], job["exited"]) == ("cancelled", 0, 209, 103)
    assert reached(product, job) == outside.http.book.distinct == len(calls) == 103
    assert outside.smtp.book.total == 0
    touched = [run for run in product.runs(job_id) if run["reached"]]
    assert {(run["status"], run["reason"]) for run in touched} == {("exited", "job_cancelled")}


def test_answers_of_pause_resume_and_cancel_tell_how_many_were_reached(
    product: Product, workshop: Workshop, outside: Outside
) -> None:
    product.add_people(4)
    job_id = product.run(product.workflow(**chain(outside.hook(), WAIT, MAIL)))
    workshop.advance(job_id)
    for command in (PauseBatchJob(job_id, "wait"), ResumeBatchJob(job_id), CancelBatchJob(job_id, "stop")):
        assert product.ask(command)["reached"] == 4
    assert reached(product, workshop.advance(job_id)) == 4


def test_two_effects_reach_a_person_once(product: Product, workshop: Workshop, outside: Outside) -> None:
    product.add_people(3)
    job = workshop.advance(product.run(product.workflow(**chain(outside.hook(), MAIL))))
    assert (job["status"], job["delivered"], outside.smtp.book.total) == ("completed", 3, 3)
    assert reached(product, job) == 3


@pytest.mark.parametrize(("status", "error"), [(400, "http.400"), (503, "http.503")])
def test_a_call_that_was_received_and_turned_down_counts(
    product: Product, workshop: Workshop, outside: Outside, status: int, error: str
) -> None:
    product.add_people(2)
    outside.answer = lambda _: Answer(status)
    job = workshop.advance(product.run(product.workflow(steps=[outside.hook(max_attempts=1)])))
    assert (job["failed"], {run["reason"] for run in product.runs(UUID(str(job["id"])))}) == (2, {error})
    assert reached(product, job) == outside.http.book.distinct == 2


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1025/", "connect.failed"),
        ("http://10.1.2.3/", "outbound.refused"),
        ("http://no-such-host.invalid/", "connect.failed"),
    ],
)
def test_what_surely_never_left_does_not_count(
    product: Product, workshop: Workshop, outside: Outside, url: str, error: str
) -> None:
    product.add_people(2)
    job = workshop.advance(product.run(product.workflow(steps=[outside.hook(url=url, max_attempts=1)])))
    assert {run["reason"] for run in product.runs(UUID(str(job["id"])))} == {error}
    assert (job["failed"], reached(product, job)) == (2, 0)


def test_a_refused_recipient_and_a_mail_server_that_is_away_reach_nobody(
    product: Product, workshop: Workshop, outside: Outside
) -> None:
    product.add_people(3)
    outside.refuses = lambda address: "550 no such mailbox" if address.startswith("p1@") else None
    job = workshop.advance(product.run(product.workflow(steps=[MAIL])))
    assert (job["delivered"], job["failed"]) == (2, 1)
    assert reached(product, job) == outside.smtp.book.total == 2
    outside.smtp.stop()
    job = workshop.advance(product.run(product.workflow(steps=[MAIL])))
    assert (job["waiting"], reached(product, job)) == (3, 0)


def test_nothing_that_is_kept_inside_reaches_anybody(database_url: str, tmp_path: Path, outside: Outside) -> None:
    product = Product(database_url, tmp_path)
    workshop = Workshop(product)
    product.add_people(3)
    job = workshop.advance(product.run(product.workflow(**chain(outside.hook(), MAIL))))
    assert (job["status"], reached(product, job)) == ("completed", 0)
    workshop.deliveries.close()
    product.close()


def die(*_: Any) -> Any:
    raise SystemExit


def killed_before_the_outcome(product: Product, workshop: Workshop, job_id: UUID) -> None:
    """A worker that dies after the receiver answered and before the outcome is stored."""
    real = workshop.sender._record
    workshop.sender._record = die  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemExit):
        workshop.advance(job_id)
    workshop.sender._record = real  # type: ignore[method-assign]
    workshop.bells.rung.clear()
    product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")


def test_who_was_in_the_middle_of_an_effect_at_the_end_of_a_cancel_was_reached(
    product: Product, workshop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FLUSH", 3)
    product.add_people(8)
    job_id = product.run(product.workflow(**chain(outside.hook(), WAIT, MAIL)))
    killed_before_the_outcome(product, workshop, job_id)
    product.ask(CancelBatchJob(job_id, "stop"))
    job = workshop.advance(job_id)
    assert (job["status"], job["skipped"], job["exited"]) == ("cancelled", 5, 3)
    assert reached(product, job) == outside.http.book.distinct == 3


@pytest.mark.parametrize("change", ["opted_out_at = now()", "properties = '{}'"])
def test_an_attempt_that_nobody_recorded_counts_whatever_comes_after(
    product: Product, workshop: Workshop, outside: Outside, change: str
) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(steps=[outside.hook()]))
    killed_before_the_outcome(product, workshop, job_id)
    outside.answer = lambda _: Answer(400)
    product.execute(f"UPDATE people SET {change} WHERE distinct_id = 'p1'")
    job = workshop.advance(job_id)
    assert job["delivered"] == 0
    assert reached(product, job) == outside.http.book.distinct == 2


def test_who_opts_out_while_they_wait_is_not_written_to_and_stays_reached(
    product: Product, workshop: Workshop, outside: Outside
) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(**chain(outside.hook(), WAIT, MAIL)))
    workshop.advance(job_id)
    product.execute("UPDATE people SET opted_out_at = now() WHERE distinct_id = 'p2'")
    product.clock.advance(minutes=2)
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["delivered"], job["exited"]) == (2, 1)
    assert {received.target for received in outside.smtp.book.latest} == {"p1@example.com", "p3@example.com"}
    (left,) = product.runs(job_id, status="exited")
    assert (left["reason"], left["reached"], reached(product, job)) == ("opted_out", True, 3)


def test_a_manual_run_says_whether_it_reached_anybody(product: Product, workshop: Workshop, outside: Outside) -> None:
    mail = step("mail", "email", {"subject": "Hello", "text": "Hi", "to": "{{ inputs.to }}"})
    answer = product.ask(RunWorkflow(product.workflow(trigger=MANUAL, steps=[mail]), {"to": "Ann@Example.com"}))
    job = workshop.advance(UUID(answer["batch_job_id"]))
    assert (job["status"], reached(product, job)) == ("completed", 1)
    assert product.system.reads.runs.result(product.principal(), answer["run_id"])["reached"] is True
    assert [received.target for received in outside.smtp.book.latest] == ["ann@example.com"]
