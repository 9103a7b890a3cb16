"""The same request twice is one job: by its token, by its idempotency key, or because it was started just now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aggregates.errors import DomainError
from commands.batch_job import CancelBatchJob, RunBatch
from commands.runs import RunWorkflow
from tests.commands.conftest import Desk, refused

KEYED: dict[str, Any] = {"idempotency_key": "order-1"}


def codes(desk: Desk, command: Any, times: int = 4) -> list[str]:
    """What a request that is sent several times at once is answered with."""
    system = desk.product.system

    def ask(_: int) -> str:
        try:
            return str(system.bus.dispatch(command, system.meta(desk.somebody, via="test")).data["status"])
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(times) as pool:
        return sorted(pool.map(ask, range(times)))


def test_a_batch_that_is_asked_for_four_times_at_once_is_started_once(desk: Desk) -> None:
    assert codes(desk, RunBatch(desk.workflow_id, 2)) == ["batch_job.just_started"] * 3 + ["queued"]
    assert len(desk.jobs()) == 1


def test_a_schedule_that_is_attached_four_times_at_once_is_attached_once(desk: Desk) -> None:
    assert codes(desk, desk.attaching(2)) == ["active"] + ["schedule.already_attached"] * 3


def test_the_refusal_names_the_job_and_ends_with_the_ten_minutes(desk: Desk) -> None:
    command = RunBatch(desk.workflow_id, 2)
    first = desk.product.ask(command, desk.somebody)
    details = refused(desk.product, command, desk.somebody).details
    assert details == {"batch_job_id": first["batch_job_id"], "status": "queued"}
    desk.product.clock.advance(minutes=9)
    assert refused(desk.product, command, desk.somebody).code == "batch_job.just_started"
    desk.product.clock.advance(minutes=2)
    desk.product.ask(command, desk.somebody)


def test_what_says_by_itself_that_it_is_another_request_is_another_one(desk: Desk) -> None:
    command = RunBatch(desk.workflow_id, 2)
    desk.product.ask(command, desk.somebody)
    for given in (KEYED, {"idempotency_key": "order-2"}):
        desk.product.ask(command, desk.somebody, **given)
    desk.run(desk.somebody)
    desk.product.ask(command, desk.another)
    desk.rewrite(steps=[{"id": "note", "type": "capture", "config": {"message": "Another"}}])
    desk.product.ask(command, desk.somebody)
    desk.swap()
    desk.product.ask(command, desk.somebody)
    assert len(desk.jobs()) == 7


def test_what_reached_nobody_was_not_started(desk: Desk) -> None:
    command = RunBatch(desk.workflow_id, 2)
    first = desk.product.ask(command, desk.somebody)
    desk.product.ask(CancelBatchJob(first["batch_job_id"], "wrong"), desk.somebody)
    assert desk.product.ask(command, desk.somebody)["status"] == "queued"


@pytest.mark.parametrize("kind", ["batch", "run", "schedule"])
def test_with_an_idempotency_key_the_same_request_has_the_same_id_whatever_was_lost(desk: Desk, kind: str) -> None:
    product = desk.product
    manual = product.workflow(trigger={"type": "manual", "inputs": {"n": {"type": "string"}}})
    command, other = {
        "batch": (RunBatch(desk.workflow_id, 2), RunBatch(desk.workflow_id, 2, None, {"greeting": "other"})),
        "run": (RunWorkflow(manual, {"n": "1"}), RunWorkflow(manual, {"n": "2"})),
        "schedule": (desk.attaching(2), desk.attaching(2, overlap="allow")),
    }[kind]
    name = "schedule_id" if kind == "schedule" else "batch_job_id"
    first = product.ask(command, desk.somebody, **KEYED)[name]
    # The answer is kept no more, and the job is there.
    product.execute("DELETE FROM idempotency_keys")
    assert product.ask(command, desk.somebody, **KEYED)[name] == first
    product.execute("DELETE FROM idempotency_keys")
    with pytest.raises(DomainError) as refusal:
        product.ask(other, desk.somebody, **KEYED)
    assert refusal.value.code == "idempotency.mismatch"
    # A back-up from before it was asked for is restored.
    product.execute("DELETE FROM log WHERE originator_id = :id", id=first)
    product.execute("DELETE FROM stream_heads WHERE id = :id", id=first)
    product.execute("DELETE FROM manual_runs")
    assert product.ask(command, desk.somebody, **KEYED)[name] == first
    if kind != "schedule":  # two that are alike come too close to each other
        assert product.ask(command, desk.another, **KEYED)[name] != first
