"""Effects of which nobody knows whether they arrived: they wait for a person, who says what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from aggregates.errors import DomainError
from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from commands.runs import CancelRun
from commands.unknown import DecideUnknown
from engine.demo.receivers import Answer, Book, HttpReceiver
from tests.support.product import CAPTURE, Product
from tests.workers.conftest import Workshop

HOOK = {"id": "call", "name": "Call", "type": "webhook"}


@pytest.fixture
def product(live: Product) -> Product:
    return live


class Endpoint:
    """A receiver that answers as the test says."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.receiver = HttpReceiver(respond=lambda _: Answer(self.status))

    @property
    def book(self) -> Book:
        return self.receiver.book


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.receiver:
        yield made


@pytest.fixture
def unknown(product: Product, workshop: Workshop, receiver: Endpoint) -> UUID:
    """A job of three people whose worker died between sending and recording, at a step that holds."""
    product.add_people(3)
    config = {"url": f"{receiver.receiver.url}/hook", "on_unknown": "hold", "max_attempts": 1}
    steps = [{**HOOK, "config": config}, CAPTURE]
    workflow_id = product.workflow(steps=steps, edges=[{"from": "call", "to": "note", "branch": "next"}])
    job_id = product.run(workflow_id, product.principal(id="somebody"))

    def die(*_: Any) -> bool:
        raise SystemExit

    real = workshop.sender._record
    workshop.sender._record = die  # type: ignore[method-assign, assignment]
    with pytest.raises(SystemExit):
        workshop.advance(job_id)
    workshop.sender._record = real  # type: ignore[method-assign]
    workshop.bells.rung.clear()
    product.execute("UPDATE chunks SET leased_until = now() - interval '1 second'")
    job = workshop.advance(job_id)
    assert (job["status"], job["waiting"], job["outcome_unknown"], receiver.book.total) == ("running", 3, 3, 3)
    return job_id


def waiting(product: Product, job_id: UUID) -> list[str]:
    page = product.system.reads.runs.unknown(product.principal(), batch_job_id=job_id, limit=2)
    rows = page.data
    if page.next_cursor:
        rows += product.system.reads.runs.unknown(
            product.principal(), batch_job_id=job_id, limit=2, after=page.next_cursor
        ).data
    assert {(row["step_id"], row["attempts"], row["reason"]) for row in rows} <= {
        ("call", 2, "outcome_unknown"),
        ("call", 3, "connection.lost"),
    }
    return [row["run_id"] for row in rows]


def go_on(product: Product, workshop: Workshop, job_id: UUID) -> dict[str, Any]:
    workshop.scheduler.wake()
    return dict(workshop.advance(job_id))


def refused(product: Product, command: Any, **who: Any) -> str:
    facts = "SELECT count(*) FROM log WHERE topic LIKE 'batch_job.%'"
    before = product.execute(facts)
    with pytest.raises(DomainError) as refusal:
        product.ask(command, product.principal(**who))
    assert product.execute(facts) == before
    return refusal.value.code


def test_each_decision_does_what_it_says(
    product: Product, workshop: Workshop, receiver: Endpoint, unknown: UUID
) -> None:
    delivered, again, failed = waiting(product, unknown)
    answers = [
        product.ask(DecideUnknown(run, decision, "seen in their book"))
        for run, decision in ((delivered, "delivered"), (again, "retry"), (failed, "failed"))
    ]
    assert [answer["unknown_left"] for answer in answers] == [2, 1, 0]
    assert [answer["status"] for answer in answers] == ["waiting", "waiting", "failed"]
    keys = receiver.book.ids
    job = go_on(product, workshop, unknown)
    assert (job["status"], job["delivered"], job["failed"]) == ("completed_with_failures", 2, 1)
    # One more request, with the key that it had before.
    assert (receiver.book.total, receiver.book.ids) == (4, keys)
    runs = {run["run_id"]: run for run in product.runs(unknown)}
    assert [step["outcome"] for step in runs[delivered]["steps"]] == ["unknown", "succeeded", "captured"]
    assert runs[delivered]["steps"][1]["reason"] == "outcome_decided"
    assert [step["outcome"] for step in runs[again]["steps"]] == ["unknown", "succeeded", "captured"]
    assert (runs[failed]["status"], runs[failed]["reason"]) == ("failed", "outcome_unknown")
    last = {"step": "call", "outcome": "failed", "reason": "outcome_unknown"}
    assert runs[failed]["steps"][1].items() >= last.items() and "at" in runs[failed]["steps"][1]
    facts = product.execute("SELECT count(*) FROM log WHERE topic = 'batch_job.unknown_decided.v1'")
    assert facts == [(3,)]


def test_the_last_decision_ends_the_job(product: Product, workshop: Workshop, unknown: UUID) -> None:
    for run in waiting(product, unknown):
        product.ask(DecideUnknown(run, "failed"))
    job = workshop.advance(unknown)
    assert (job["status"], job["failed"], job["outcome_unknown"]) == ("completed_with_failures", 3, 0)


def test_a_decision_is_final_and_saying_it_again_is_no_error(product: Product, unknown: UUID) -> None:
    run = waiting(product, unknown)[0]
    product.ask(DecideUnknown(run, "delivered"))
    before = product.log_position()
    assert product.ask(DecideUnknown(run, "delivered"))["decision"] == "delivered"
    assert product.log_position() == before
    assert refused(product, DecideUnknown(run, "failed")) == "run.not_unknown"


def test_a_retry_of_which_nobody_knows_either_waits_again(
    product: Product, workshop: Workshop, receiver: Endpoint, unknown: UUID
) -> None:
    run = waiting(product, unknown)[0]
    product.ask(DecideUnknown(run, "retry"))
    receiver.status = None
    workshop.scheduler.wake()
    workshop.advance(unknown)
    # It hung up without a word, so it may have taken it.
    assert run in waiting(product, unknown)
    product.ask(DecideUnknown(run, "delivered"))
    assert run not in waiting(product, unknown)


def test_no_agent_decides_and_no_key_without_the_scopes(product: Product, unknown: UUID) -> None:
    command = DecideUnknown(waiting(product, unknown)[0], "delivered")
    assert refused(product, command, agent=True) == refused(product, command, source="mcp") == "approval.not_for_agents"
    for scope in ("batch:approve", "person:read"):
        assert refused(product, command, without=[scope]) == "scope.missing"


def test_only_a_run_that_waits_for_it_is_decided(product: Product, workshop: Workshop, unknown: UUID) -> None:
    run = waiting(product, unknown)[0]
    assert refused(product, DecideUnknown(run, "perhaps")) == "request.invalid"
    for nobody in ("x", f"{unknown}.99999999", f"{unknown}.0"):
        assert refused(product, DecideUnknown(nobody, "failed")) == "run.not_found"
    assert refused(product, DecideUnknown(run, "failed"), project_id=product.other_project()) == "run.not_found"
    product.ask(CancelRun(run, "enough"))
    assert refused(product, DecideUnknown(run, "failed")) == "run.not_unknown"
    product.ask(CancelBatchJob(unknown, "enough"))
    rest = [run["run_id"] for run in product.runs(unknown, status="waiting")]
    assert refused(product, DecideUnknown(rest[0], "failed")) == "batch_job.illegal_move"
    assert workshop.advance(unknown)["exited"] == 3


def test_a_paused_job_goes_on_with_what_was_decided_once_it_is_resumed(
    product: Product, workshop: Workshop, unknown: UUID
) -> None:
    product.ask(PauseBatchJob(unknown, "look first"))
    for run in waiting(product, unknown):
        product.ask(DecideUnknown(run, "delivered"))
    assert go_on(product, workshop, unknown)["waiting"] == 3
    product.ask(ResumeBatchJob(unknown))
    job = go_on(product, workshop, unknown)
    assert (job["status"], job["delivered"]) == ("completed", 3)


def test_the_list_of_another_project_is_unknown(product: Product, unknown: UUID) -> None:
    stranger = product.principal(project_id=product.other_project())
    with pytest.raises(DomainError, match=r"batch_job\.not_found"):
        product.system.reads.runs.unknown(stranger, batch_job_id=unknown)
