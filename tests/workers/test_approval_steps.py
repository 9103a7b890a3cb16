"""Approval steps: people wait until a human has answered, or until nobody has."""

from __future__ import annotations

from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from aggregates.base import Principal
from aggregates.walk.walk import Walk
from commands.approval import DecideStep
from commands.batch_job import CancelBatchJob
from projections.run_rows import audit
from tests.support.product import CAPTURE, Product
from tests.support.walks import Json, chain, in_window, move_to, outcomes, standing, step
from tests.workers.conftest import Again, Workshop

PEOPLE_AT_ONCE = 25
APPROVAL: Json = {"instructions": "Right?", "expires_after": {"days": 3}, "on_expiry": "rejected"}
APPROVED_OR_NOT = [
    {"from": "ask", "to": "note", "branch": "approved"},
    {"from": "ask", "to": "no", "branch": "rejected"},
]


def human(product: Product) -> Principal:
    return product.principal(id="somebody else")


def decide(product: Product, job_id: UUID, decision: str) -> None:
    product.ask(DecideStep(job_id, "ask", decision), human(product))


def asking(product: Product, *before: Json, **config: Any) -> UUID:
    """A workflow that asks before it delivers, and ends those who were rejected."""
    ask = step("ask", "approval", {**APPROVAL, **config})
    content = chain(*before, ask)
    steps = [*content["steps"], CAPTURE, step("no", "exit", {"reason": "rejected"})]
    return product.workflow(steps=steps, edges=[*content["edges"], *APPROVED_OR_NOT])


@pytest.mark.parametrize(("decision", "status"), [("approved", "delivered"), ("rejected", "exited")])
def test_people_wait_until_a_human_has_answered(
    product: Product, workshop: Workshop, again: Again, decision: str, status: str
) -> None:
    product.add_people(60)
    job_id = product.run(asking(product))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("running", {"waiting": 60})
    assert {run["at_step"] for run in product.runs(job_id)} == {"ask"}
    assert workshop.scheduler.wake() == 0
    product, workshop = again(product)
    decide(product, job_id, decision)
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {status: 60})
    assert [note["outcome"] for note in product.runs(job_id)[0]["steps"]][:2] == ["asked", decision]


@pytest.mark.parametrize(("on_expiry", "status"), [("approved", "delivered"), ("rejected", "exited")])
def test_without_an_answer_people_go_the_way_of_expiry(
    product: Product, workshop: Workshop, on_expiry: str, status: str
) -> None:
    product.add_people(30)
    job_id = product.run(asking(product, on_expiry=on_expiry))
    workshop.advance(job_id)
    product.clock.advance(days=2, hours=23)
    assert workshop.scheduler.wake() == 0
    product.clock.advance(hours=2)
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {status: 30})
    assert product.runs(job_id)[0]["steps"][1] == {"step": "ask", "outcome": "expired", "port": on_expiry}


def test_a_question_expires_when_it_was_first_asked_to_and_not_later(product: Product, workshop: Workshop) -> None:
    product.add_people(3)
    job_id = product.run(asking(product))
    workshop.advance(job_id)
    (until,) = {run["wake_at"] for run in product.runs(job_id)}
    for _ in range(3):  # woken by mistake
        product.clock.advance(hours=12)
        product.execute("UPDATE runs SET wake_at = :now", now=product.clock.now())
        workshop.scheduler.wake()
        job = workshop.advance(job_id)
        assert standing(product, job) == {"waiting": 3}
    assert {run["wake_at"] for run in product.runs(job_id)} == {until}
    assert [note["outcome"] for note in product.runs(job_id)[0]["steps"]] == ["asked"]
    product.clock.advance(days=3)
    workshop.scheduler.wake()
    assert standing(product, workshop.advance(job_id)) == {"exited": 3}


def test_who_arrives_after_the_answer_goes_straight_on(product: Product, workshop: Workshop) -> None:
    product.add_people(20)
    window = in_window(timezone_property="plan", fallback_timezone="UTC")
    product.execute("UPDATE people SET properties = jsonb_set(properties, '{plan}', '\"Asia/Tokyo\"') WHERE id % 2 = 0")
    workflow_id = asking(product, window)
    move_to(product, "2029-01-16T01:00", "UTC")  # 10:00 in Tokyo
    job_id = product.run(workflow_id)
    job = workshop.advance(job_id)
    assert standing(product, job) == {"waiting": 20}
    decide(product, job_id, "approved")
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert standing(product, job) == {"delivered": 10, "waiting": 10}
    move_to(product, "2029-01-16T09:00", "UTC")
    workshop.scheduler.wake()
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 20})
    late = [run for run in product.runs(job_id) if run["steps"][0]["outcome"] == "waited"]
    assert [note["outcome"] for note in late[0]["steps"]] == ["waited", "passed", "approved", "captured"]


def test_an_answer_between_two_chunks_finds_everybody(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(4 * PEOPLE_AT_ONCE)
    job_id = product.run(asking(product))
    real = workshop.fanout._next_chunk
    chunks: list[bool] = []

    def with_an_answer(*arguments: Any) -> bool:
        if len(chunks) == 2:
            decide(product, job_id, "approved")
        chunks.append(real(*arguments))
        return chunks[-1]

    monkeypatch.setattr(workshop.fanout, "_next_chunk", with_an_answer)
    job = workshop.advance(job_id)
    found = standing(product, job)
    assert found["waiting"] == found["delivered"] == 2 * PEOPLE_AT_ONCE
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 4 * PEOPLE_AT_ONCE})
    assert outcomes(product, job_id, "ask") == {"approved": 4 * PEOPLE_AT_ONCE}


def test_an_answer_waits_for_a_chunk_that_is_being_parked(
    product: Product, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody parks unseen: the chunk's transaction holds the lock that an answer needs."""
    product.add_people(3)
    job_id = product.run(asking(product))
    free: list[bool] = []
    answer = Thread(target=decide, args=(product, job_id, "approved"))
    run = Walk.run

    def look(walk: Walk, groups: Any) -> Any:
        entries = run(walk, groups)
        free.append(product.execute(_TRY, id=str(job_id))[0][0])
        answer.start()
        return entries

    monkeypatch.setattr(Walk, "run", look)
    workshop.fanout.advance(str(job_id))
    answer.join()
    monkeypatch.undo()
    assert free == [False]
    assert workshop.scheduler.wake() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 3})


_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended(:id, -4))"


def test_a_crash_while_people_are_taken_on_leaves_them_where_they_were(
    product: Product, workshop: Workshop, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.add_people(30)
    job_id = product.run(asking(product))
    workshop.advance(job_id)
    decide(product, job_id, "approved")
    workshop.scheduler.wake()

    def die(*_: Any) -> None:
        raise SystemExit

    monkeypatch.setattr("workers.ledger.count", die)
    with pytest.raises(SystemExit):
        workshop.advance(job_id)
    monkeypatch.undo()
    product, workshop = again(product)
    assert audit(product.system.engine, job_id)["in_progress"] == 30
    assert workshop.scheduler.sweep() == 1
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("completed", {"delivered": 30})
    assert {len(run["steps"]) for run in product.runs(job_id)} == {3}


def test_a_cancel_ends_the_wait_for_an_answer(product: Product, workshop: Workshop) -> None:
    product.add_people(10)
    job_id = product.run(asking(product))
    workshop.advance(job_id)
    product.ask(CancelBatchJob(job_id, "no more"))
    job = workshop.advance(job_id)
    assert (job["status"], standing(product, job)) == ("cancelled", {"skipped": 10})
