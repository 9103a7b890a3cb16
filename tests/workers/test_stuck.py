"""A job whose pinned content this version refuses ends with its runs failed, unless another process gets on with it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from commands.retry import SizeFailed
from commands.runs import RunWorkflow
from tests.support.product import Product
from tests.support.walks import chain, step
from tests.workers.conftest import Workshop
from workers.enrolment import enrol
from workers.stuck import PATIENCE_SECONDS

WAIT = step("wait", "delay", {"duration": "PT1M"})
MAIL = step("mail", "email", {"subject": "Hello", "text": "Hi"})
OLD: dict[str, Any] = {
    "a sender with an encoded word": {**MAIL, "config": {**MAIL["config"], "from": "=?utf-8?q?a?= <a@example.com>"}},
    "a step type that is gone": {**MAIL, "type": "pigeon", "config": {}},
    "a config of another shape": {**MAIL, "config": {"subjekt": "Hello"}},
    "a step that is none": "mail",
}


def pin(product: Product, job_id: UUID, *steps: Any) -> None:
    """Let it be as if an older version had pinned these steps."""
    enrol(product.system, job_id)
    change = "UPDATE jobs_at_work SET content = content || jsonb_build_object('steps', CAST(:steps AS jsonb))"
    product.execute(change, steps=json.dumps(list(steps)))


def later(product: Product, workshop: Workshop, job_id: UUID) -> dict[str, Any]:
    """The job after it was looked at once, and once more when patience is over."""
    assert workshop.advance(job_id)["status"] == "running"
    product.clock.advance(seconds=PATIENCE_SECONDS + 1)
    workshop.scheduler.wake()
    return workshop.advance(job_id)


@pytest.mark.parametrize("steps", OLD.values(), ids=OLD)
def test_it_ends_with_its_runs_failed_and_a_reason(product: Product, workshop: Workshop, steps: Any) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[MAIL]))
    pin(product, job_id, steps)
    job = later(product, workshop, job_id)
    assert (job["status"], job["failed"], job["reached"]) == ("completed_with_failures", 3, 0)
    runs = product.runs(job_id)
    assert [(run["status"], run["reason"]) for run in runs] == [("failed", "workflow.invalid")] * 3
    # What was confirmed of their addresses is known to a retry.
    assert product.ask(SizeFailed(job_id))["left"]["address_changed"] == 0
    product.execute("UPDATE people SET address = 'x' || address WHERE distinct_id = 'p1'")
    assert product.ask(SizeFailed(job_id))["left"]["address_changed"] == 1


def test_people_who_wait_and_a_manual_run_fail_as_well(product: Product, workshop: Workshop) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(**chain(WAIT, MAIL)))
    workshop.advance(job_id)
    pin(product, job_id, WAIT, "mail")
    fresh = Workshop(product)
    product.clock.advance(hours=1)
    fresh.scheduler.wake()
    job = later(product, fresh, job_id)
    assert (job["status"], job["failed"], job["waiting"], job["in_progress"]) == ("completed_with_failures", 2, 0, 0)
    told = [[(note["step"], note["outcome"]) for note in run["steps"]] for run in product.runs(job_id)]
    assert told == [[("wait", "waited"), ("mail", "failed")]] * 2
    manual = product.workflow(trigger={"type": "manual"})
    run = UUID(product.ask(RunWorkflow(manual))["batch_job_id"])
    pin(product, run, "mail")
    assert later(product, fresh, run)["failed"] == 1
    fresh.deliveries.close()


def test_it_is_left_to_another_process_that_gets_on_with_it(product: Product, workshop: Workshop) -> None:
    product.add_people(2)
    job_id = product.run(product.workflow(steps=[MAIL]))
    pin(product, job_id, "mail")
    workshop.advance(job_id)
    product.clock.advance(seconds=PATIENCE_SECONDS + 1)
    product.execute("UPDATE chunks SET state = 'sending', leased_until = now() + interval '1 minute'")
    product.execute(
        "INSERT INTO chunks (job_id, number, person_ids, size, state) VALUES (:id, 9, '{}', 0, 'ready')", id=job_id
    )
    assert workshop.advance(job_id)["status"] == "running"
    product.clock.advance(seconds=PATIENCE_SECONDS + 1)
    # It stands still for as long, and somebody sends all the same.
    assert workshop.advance(job_id)["status"] == "running"
